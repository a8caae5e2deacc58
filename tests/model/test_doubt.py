"""Doubt: what residuals leave open is drawn, kept with the model, and never breaks the fact."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import doworld as dw
from doworld.mechanisms.doubt import DoubtBank
from doworld.model import doubt, store
from doworld.model.wave_regression import WAVES, Waves
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
    x = rng.normal(size=(200, 2))
    design = doubt._Design.of(Waves.of(np.ones(2, bool), rng), x, np.zeros(200), np.full(200, 1e-3))
    place, scale = design.posteriors(np.zeros(200), np.full(200, 1e-3))
    for weight, free in (place.draw(rng), scale.draw(rng)):
        assert np.isfinite(weight).all()
        assert np.isfinite(free).all()
    weight, free = place.draw(rng)
    assert max(np.abs(weight).max(), np.abs(free).max()) < 1e-3


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
            wave = np.cos(x @ own.frequency[j] + own.phase[j])
            drawn = (wave @ own.log_scale[:, :, j].reshape(-1, WAVES).T).mean(1)
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


def test_the_doubt_is_worked_out_when_it_is_first_asked_for(world):
    light = dw.Settings(members=2, structures=0, neural=None, laws=False)
    log = world.collect(20, 50, seed=0)
    one, other = (dw.learn(log, graph=world.graph, settings=light) for _ in range(2))
    assert "by_bank" not in vars(one.doubts)
    asked = dw.Predict(given=log[0][:1], horizon=2)
    dw.ask(one, asked)
    assert "by_bank" not in vars(one.doubts)
    for mine, theirs in zip(one.doubt, other.doubt, strict=True):
        assert mine is not None
        assert theirs is not None
        np.testing.assert_array_equal(mine.location, theirs.location)
    assert one.doubt is one.doubt


def test_a_doubt_saved_before_it_had_lines_is_read_as_it_was(model):
    arrays = {f"doubt0.{k}": np.asarray(v) for k, v in vars(model.doubt[0]).items()}
    del arrays["doubt0.tilt"]
    own = store._doubt(0, model.dynamics.banks[0], arrays)
    assert own is not None
    np.testing.assert_allclose(own.location, model.doubt[0].location * np.sqrt(2 / WAVES))
    assert not own.tilt.any()


def test_rows_that_are_no_numbers_say_nothing(model):
    sample = model.doubts.make.args[0]
    values = sample.values.copy()
    values[:5] = np.inf
    other = doubt.fit_doubt(replace(sample, values=values), model.dynamics, seed=0)
    for own in other:
        assert own is not None
        assert all(np.isfinite(array).all() for array in vars(own).values())
