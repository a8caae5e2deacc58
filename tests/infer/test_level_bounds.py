"""Bounds of levels and of numbers behind them hold the truth of worlds that are not Gumbel-max."""

import numpy as np
import pytest

import worlds_by_hand as by_hand
from doworld.infer import counterfactual
from doworld.query import Answer, Counterfactual, Set, Status
from doworld.worlds.sepsis import LACTATE, PARENTS, SIGMA, Sepsis

STEPS, DRAWS = 8, 1500


def model_of(world):
    """The world's own mechanisms as a model, without any learning."""
    from dataclasses import replace

    import equinox as eqx
    import jax.numpy as jnp

    weights = {"lactate": {(p, 1): LACTATE[p] if p == "lactate" else 0.0 for p in LACTATE}}
    weights |= {name: {(p, 1): 0.0 for p in parents} for name, parents in PARENTS.items()}
    logits = {name: world.weights[name] for name in PARENTS}
    model = by_hand.linear_world(
        world.schema.variables, weights, logits=logits, sigma=SIGMA, policy=world.schema.policy
    )
    bank = model.dynamics.banks[0]
    weight = np.array(bank.weight)
    weight[..., 1:4], weight[..., 4:7] = LACTATE["heart"], LACTATE["pressure"]
    dynamics = eqx.tree_at(lambda d: d.banks[0].weight, model.dynamics, jnp.asarray(weight))
    return replace(model, dynamics=dynamics)


@pytest.fixture(scope="module")
def model():
    return model_of(Sepsis())


@pytest.mark.parametrize("noise", ["monotone", "scattered"])
@pytest.mark.parametrize("done", [Set("antibiotic", 1, at=1), Set("heart", "high", at=2)])
def test_bounds_hold_the_truth_whatever_the_coupling(model, noise, done):
    world = Sepsis(noise=noise)
    recording = world.record(3, STEPS, seed=5)
    altered = world.replay(recording, [done])
    for n in range(3):
        episode = recording.log[n]
        answer = counterfactual(model, Counterfactual(episode=episode, interventions=[done]))
        many = world.replay(world.behind(recording, n, DRAWS, seed=n), [done])
        rows = many.values.reshape(DRAWS, STEPS + 1, -1)
        for name in PARENTS:
            series, i = answer[name], world.schema.position(name)
            if not series.probabilities_lower:
                assert (rows[..., i] == episode.column(name)).all()
                continue
            low, high = np.array(series.probabilities_lower), np.array(series.probabilities_upper)
            share = np.stack([(rows[..., i] == c).mean(0) for c in range(3)], -1)
            slack = 4 * np.sqrt(share * (1 - share) / DRAWS) + 1e-4
            assert (low - slack <= share).all()
            assert (share <= high + slack).all()
            own = np.array(series.probabilities)
            assert (low - 0.15 <= own).all()  # Gumbel-max is one of the couplings, in 256 draws
            assert (own <= high + 0.15).all()
            truth = altered[n].column(name).astype(int)
            assert (high[np.arange(STEPS + 1), truth] > 0).all()
            assert (np.array(series.lower) <= truth).all()
            assert (truth <= np.array(series.upper)).all()
        lactate = world.schema.position("lactate")
        low, high = answer.interval["lactate"]
        assert (low - 1e-4 <= rows[..., lactate]).all()
        assert (rows[..., lactate] <= high + 1e-4).all()
        if answer.status is Status.BOUNDED:
            assert Answer.from_json(answer.to_json()) == answer


def test_bounds_are_narrower_than_everything_and_sharp_on_a_chain(model):
    """Heart depends on itself and a treatment only: some coupling attains each end."""
    world = Sepsis()
    episode = world.record(1, STEPS, seed=1).log[0]
    flip = 1 - int(episode.column("antibiotic")[0])
    asked = Counterfactual(episode=episode, interventions=[Set("antibiotic", flip, at=0)])
    answer = counterfactual(model, asked)
    heart = answer["heart"]
    low, high = np.array(heart.probabilities_lower), np.array(heart.probabilities_upper)
    assert (high[1] - low[1] < 1).all()
    # by hand: the closed form at row 1, then an interval Markov chain with every vertex tried
    before = episode.values[:-1]
    other = before.copy()
    other[0, world.schema.position("antibiotic")] = flip
    p, q = (world.probabilities("heart", b)[0] for b in (before, other))
    y = int(episode.column("heart")[1])
    np.testing.assert_allclose(high[1], np.minimum(1, q / p[y]), atol=1e-5)
    np.testing.assert_allclose(low[1], np.maximum(0, (q + p[y] - 1) / p[y]), atol=1e-5)
    assert any("They are tight" in a or "always tight" in a for a in answer.why.assumptions)


def test_what_is_the_same_stays_the_fact(model):
    world = Sepsis()
    episode = world.record(1, STEPS, seed=2).log[0]
    fact = int(episode.column("antibiotic")[0])
    asked = Counterfactual(episode=episode, interventions=[Set("antibiotic", fact, at=0)])
    answer = counterfactual(model, asked)
    assert answer.status is Status.IDENTIFIED
    assert answer["heart"].estimate == tuple(episode.column("heart"))


def test_the_chain_attains_what_it_bounds():
    """Against every corner of every row's distributions, three levels over three rows."""
    import itertools

    from doworld.infer.counterfactual.level_bounds import _chain

    rng = np.random.default_rng(0)
    steps = []
    for t in range(3):
        middle = rng.dirichlet(np.ones(3), size=(1, 1 if t == 0 else 3))
        low, high = middle * 0.6, np.minimum(1, middle + 0.15)
        shape = (1, 3, 3)
        steps.append((np.broadcast_to(low, shape), np.broadcast_to(high, shape)))
    low, high = _chain(steps)

    def corners(least, most):
        for order in itertools.permutations(range(3)):
            v = least.copy()
            for level in order:
                v[level] += min(most[level] - least[level], 1 - v.sum())
            yield v

    def every(t):
        rows = [list(corners(steps[t][0][0, s], steps[t][1][0, s])) for s in range(3)]
        return [np.array(r) for r in itertools.product(*rows)]

    ends = [
        v @ b @ c
        for v in corners(steps[0][0][0, 0], steps[0][1][0, 0])
        for b in every(1)[::7]
        for c in every(2)[::7]
    ]
    reached = np.array(ends)
    assert (low[0, 2] - 1e-9 <= reached).all()
    assert (reached <= high[0, 2] + 1e-9).all()
    best = [max(v[s] for v in corners(steps[0][0][0, 0], steps[0][1][0, 0])) for s in range(3)]
    np.testing.assert_allclose(high[0, 0], best)
    full = [v @ b for v in corners(steps[0][0][0, 0], steps[0][1][0, 0]) for b in every(1)]
    np.testing.assert_allclose(high[0, 1], np.max(full, 0), atol=1e-9)
    np.testing.assert_allclose(low[0, 1], np.min(full, 0), atol=1e-9)
