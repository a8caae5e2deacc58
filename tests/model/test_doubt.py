"""Doubt: what residuals leave open is drawn, kept with the model, and never breaks the fact."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import doworld as dw
from doworld.mechanisms.doubt import DoubtBank
from doworld.model import doubt
from doworld.worlds.random import Form, RandomWorld


@pytest.fixture(scope="module")
def world():
    return RandomWorld(3, parents=1, actions=1, form=Form.LOCATION_SCALE, strength=0.8, seed=4)


@pytest.fixture(scope="module")
def model(world):
    light = dw.Settings(members=3, structures=0, neural=None, laws=False)
    return dw.learn(world.collect(20, 50, seed=0), graph=world.graph, settings=light)


def test_a_law_that_leaves_nothing_has_finite_doubt_without_size():
    rng = np.random.default_rng(0)
    waves = doubt.Waves.of(rng.normal(size=(200, doubt.WAVES)))
    location, log_scale = doubt._draws(waves, np.zeros(200), np.full(200, 1e-3), rng)
    assert np.isfinite(location).all()
    assert np.isfinite(log_scale).all()
    assert np.abs(location).max() < 1e-3


def test_every_member_stands_several_times_and_abducts_exactly(model):
    many = doubt.doubtful(model)
    assert many.dynamics.members == doubt.COPIES * model.dynamics.members
    assert len(many.members_of_structure) == many.dynamics.members
    bank = next(b for b in many.dynamics.banks if isinstance(b, DoubtBank))
    own = jax.tree.map(lambda leaf: leaf[1], bank)
    n, k = own.columns.shape
    rng = np.random.default_rng(1)
    inputs = jnp.asarray(rng.normal(size=(n, k)), jnp.float32) * own.mask
    previous, value = (jnp.asarray(rng.normal(size=n), jnp.float32) for _ in range(2))
    again = own.sample(inputs, previous, own.abduct(inputs, previous, value))
    np.testing.assert_allclose(again, value, atol=1e-4)
    assert doubt.doubtful(many) is many


def test_uneven_noise_is_found_where_a_family_has_none(world, model):
    """Spread set by a cause is not in a linear law; its doubt follows the true log spread."""
    found = 0
    for i, causes in enumerate(world.causes):
        cause = causes[0]
        for bank, own in zip(model.dynamics.banks, model.doubt, strict=True):
            targets = np.asarray(bank.targets)[0].tolist()
            if own is None or i not in targets or cause.source >= len(world.order):
                continue
            j = targets.index(i)
            at = np.asarray(bank.columns)[0, j].tolist()
            feature = model.schema.names.index(model.schema.names[cause.source])
            place = [s for s, c in enumerate(at) if c % len(model.schema) == feature]
            place = [s for s in place if np.asarray(bank.mask)[0, j, s] > 0]
            grid = np.linspace(-1.5, 1.5, 31)
            x = np.zeros((31, len(at)))
            x[:, place[0]] = grid
            wave = np.sqrt(2 / doubt.WAVES) * np.cos(x @ own.frequency[j] + own.phase[j])
            drawn = (wave @ own.log_scale[:, :, j].reshape(-1, doubt.WAVES).T).mean(1)
            raw = grid / own.spread[0, j, place[0]] + own.shift[0, j, place[0]]
            raw = raw * model.scale[cause.source] + model.center[cause.source]
            truth = np.log(0.5 + np.abs(np.tanh(raw)))
            found += np.corrcoef(drawn, truth)[0, 1] > 0.8
    assert found >= 2


def test_the_fact_stays_the_fact(world, model):
    episode = world.collect(1, 8, seed=3)[0]
    action = float(episode.column("a0")[2])
    asked = dw.Counterfactual(episode=episode, interventions=[dw.Set("a0", action, at=2)])
    answer = dw.ask(model, asked)
    for name in ("z0", "z1", "z2"):
        np.testing.assert_allclose(answer.estimate[name], episode.column(name), atol=1e-5)


def test_a_saved_model_keeps_its_doubt(model, tmp_path):
    model.save(tmp_path)
    again = dw.load(tmp_path)
    assert len(again.doubt) == len(model.doubt)
    for one, other in zip(model.doubt, again.doubt, strict=True):
        assert one is not None
        assert other is not None
        np.testing.assert_allclose(one.location, other.location, atol=1e-5)
