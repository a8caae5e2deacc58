"""The monolithic baseline learns the same worlds and answers in the same shape."""

import numpy as np
import pytest
from model_worlds import linear_log, one_row_ahead, weather_log

from doworld._core.errors import SchemaError
from doworld.model.monolith import fit_monolith
from doworld.model.store import load, save


@pytest.fixture(scope="module")
def model():
    return fit_monolith(linear_log(), hidden=16, updates=750, members=2)


def test_learns_the_linear_world(model):
    log = linear_log(seed=1)
    error = np.nanstd((one_row_ahead(model, log) - log.values)[:, [0, 2]], axis=0)
    assert (error < 0.36).all()  # the world's own σ is 0.3
    assert {f.family for f in model.fits} == {"monolith"}


def test_reads_every_variable(model):
    assert set(model.graph.parents("x")) == {("x", 1), ("u", 1), ("y", 1)}


def test_is_saved_like_any_model(model, tmp_path):
    save(model, tmp_path)
    again = load(tmp_path)
    log = linear_log((10,) * 3)
    np.testing.assert_array_equal(one_row_ahead(model, log), one_row_ahead(again, log))


def test_refuses_discrete_states():
    with pytest.raises(SchemaError, match="predicts numbers"):
        fit_monolith(weather_log(50))
