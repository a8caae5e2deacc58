"""A part of the population that nobody is compared with opens the interval, and says so."""

import numpy as np
import polars as pl
import pytest

import doworld as dw
from doworld.query import Effect

ROWS = 4000


def table(sure: float, seed: int = 0) -> tuple[dw.Trajectories, float, float]:
    """Units with x = 1, a share ``sure``, are always treated; their effect is −2, others' 1."""
    rng = np.random.default_rng(seed)
    x = (rng.random(ROWS) < sure).astype(int)
    z = rng.normal(size=ROWS)
    a = np.where(x == 1, 1, rng.random(ROWS) < 1 / (1 + np.exp(-z)))
    y = np.where(x == 1, -2.0, 1.0) * a + z + 0.5 * x + rng.normal(size=ROWS)
    frame = pl.DataFrame({"x": x, "z": z, "a": a, "y": y})
    log = dw.Trajectories.from_frame(frame, state=frame.columns)
    share = x[a == 1].mean()
    return log, 1 - 3 * sure, 1 - 3 * share


def asked(log, **change):
    return dw.effect_of(log, Effect(treatment="a", outcome="y", adjust=("x", "z"), **change))


@pytest.mark.parametrize("sure", [0.04, 0.07])
def test_units_without_overlap_open_the_interval(sure):
    log, all_of_them, treated = table(sure)
    for estimand, truth in (("ate", all_of_them), ("att", treated)):
        answer = asked(log, estimand=estimand)
        point = answer.details.points[0]
        assert answer.status == "bounded"
        assert point.lower < truth < point.upper
        assert point.upper - point.lower > sure * np.ptp(log.column("y"))
        assert any("anywhere in its logged range" in a for a in answer.why.assumptions)


def test_with_overlap_nothing_is_opened():
    log, truth, _ = table(0.004)
    answer = asked(log)
    assert answer.status == "identified"
    assert answer.details.points[0].lower < truth < answer.details.points[0].upper


def test_those_with_overlap_alone_are_identified():
    log, _, _ = table(0.1)
    answer = asked(log, population="overlap")
    point = answer.details.points[0]
    assert answer.status == "identified"
    assert point.lower < 1 < point.upper < 1.5
