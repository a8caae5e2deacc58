"""Double robustness, and questions that cannot be asked: one line with what to do."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import doworld as dw
from doworld._core.errors import DoworldError
from doworld.infer.effect import effect_of
from doworld.infer.effects.discrete import Nuisance, mean_of, scores
from doworld.infer.effects.sample import Sample
from doworld.query import Effect, Status

pytestmark = pytest.mark.filterwarnings("ignore::doworld.DoworldWarning")
SIZE = 20_000


def sample():
    """a by odds of x, y = 2 a + 3 x + e: the true nuisances of both levels."""
    rng = np.random.default_rng(0)
    x, e = rng.normal(size=(2, SIZE))
    chance = 1 / (1 + np.exp(-x))
    a = (rng.random(SIZE) < chance).astype(float)
    rows = np.arange(SIZE)
    own = Sample(a, 2 * a + 3 * x + e, x[:, None], ("x",), (0,), rows, rows)
    outcome = np.stack([3 * x, 2 + 3 * x], 1)
    return own, outcome, np.stack([1 - chance, chance], 1)


def estimate(outcome, propensity, own):
    phi = scores(own, Nuisance(own.treatment.astype(int), outcome, propensity))
    return mean_of(phi[:, 1] - phi[:, 0], own.unit)


def test_one_wrong_nuisance_does_no_harm_and_two_do():
    own, outcome, propensity = sample()
    no_outcome, no_odds = np.zeros_like(outcome), np.full_like(propensity, 0.5)
    for one, other in ((outcome, propensity), (outcome, no_odds), (no_outcome, propensity)):
        found = estimate(one, other, own)
        low, high = found.interval(0.999)
        assert low <= 2 <= high
        assert high - low < 0.7
    assert estimate(no_outcome, no_odds, own).interval(0.999)[0] > 3


def world():
    rng = np.random.default_rng(1)
    x = rng.normal(size=200)
    a = rng.integers(0, 2, 200)
    frame = pl.DataFrame(
        {
            "x": x,
            "a": a,
            "y": a + x,
            "drug": np.array(["no", "old", "new"])[rng.integers(0, 3, 200)],
            "same": np.ones(200),
            "never": x,
        }
    )
    log = dw.Trajectories.from_frame(frame, state=frame.columns)
    values = log.values.copy()
    values[:, log.schema.position("never")] = np.nan  # as in a part of a log
    log = replace(log, values=values)
    links = [dw.Edge("x", "y", 0)]
    links += [dw.Edge(n, "y", 0) for n in ("a", "drug", "same")]
    return log, dw.CausalGraph(log.schema.names, tuple(links), max_lag=0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"treatment": "b"}, "'b'"),
        ({"outcome": "b"}, "'b'"),
        ({"adjust": "b"}, "'b'"),
        ({"instrument": "b"}, "'b'"),
        ({"given": {"b": 1}}, "'b'"),
        ({"negative_controls": "b"}, "'b'"),
        ({"estimand": "nde", "mediator": "b"}, "'b'"),
        ({"outcome": "a"}, "Name two"),
        ({"adjust": "a"}, "Leave it out"),
        ({"treatment": "drug", "levels": ("no", "newest")}, "newest"),
        ({"levels": (0, 7)}, "7"),
        ({"levels": (0,)}, "two levels"),
    ],
)
def test_a_malformed_question_is_one_line_with_what_to_do(change, says):
    log, graph = world()
    with pytest.raises(DoworldError) as caught:
        effect_of(log, graph, Effect(**({"treatment": "a", "outcome": "y"} | change)))
    line = str(caught.value)
    assert says in line
    assert "\n" not in line
    assert line.endswith((".", "?"))


def test_adjusting_for_the_outcome_is_refused_where_the_question_draws_the_graph_too():
    log, _ = world()
    with pytest.raises(DoworldError, match=r"is the outcome and cannot stand in adjust\. Leave"):
        dw.effect_of(log, Effect(treatment="a", outcome="y", adjust="y"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"treatment": "same"}, "nothing to compare"),
        ({"treatment": "never"}, "no value"),
        ({"outcome": "never"}, "no value"),
        ({"outcome": "same"}, "nothing to compare"),
        ({"treatment": "x", "levels": (0.0, 99.0)}, "outside the logged"),
    ],
)
def test_what_no_row_shows_is_a_refusal_with_the_fix(change, says):
    log, graph = world()
    answer = effect_of(log, graph, Effect(**({"treatment": "a", "outcome": "y"} | change)))
    assert answer.status is Status.NOT_IDENTIFIED
    (line,) = answer.why.warnings
    assert says in line
    assert answer.fix
    assert "\n" not in line + answer.fix
