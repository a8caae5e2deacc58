"""Panels show the estimate, whatever its bound; and the answer, however long its past."""

import pytest

from doworld.query import Do, Series, Set
from doworld.query.answer import Answer
from doworld.query.scale import narrowed
from doworld.session.report.charts import fan


def answer(*, lower: float, upper: float, status: str = "bounded", past: int = 3) -> Answer:
    rows = (1, 2, 3)
    series = Series(
        variable="T",
        unit="K",
        rows=rows,
        estimate=(1.0, 2.0, 3.0),
        lower=(lower,) * 3,
        upper=(upper,) * 3,
        support=(0.0, 0.0, 0.0),
        past_rows=tuple(range(1 - past, 1)),
        past=(1.0,) * past,
    )
    query = Do(given={"T": 1.0}, interventions=[Set("T", 1.0)], horizon=3)
    return Answer(query=query, status=status, level=0.9, series=(series,))


def test_a_wide_bound_is_cut_and_said():
    wide = answer(lower=-500.0, upper=500.0)
    figure = wide.figure()
    assert figure.layout.yaxis.range == (-0.5, 4.5)
    assert any("bound -500 … 500" in a.text for a in figure.layout.annotations)
    assert "bound -500 … 500, beyond the panel" in fan(wide.series[0], wide)


@pytest.mark.parametrize(
    "near", [answer(lower=0.0, upper=4.0), answer(lower=-500.0, upper=500.0, status="identified")]
)
def test_a_narrow_bound_and_an_interval_are_drawn_whole(near):
    figure = near.figure()
    assert figure.layout.yaxis.range is None
    assert "beyond the panel" not in fan(near.series[0], near)


def test_a_flat_estimate_leaves_the_scale_to_its_bound():
    assert narrowed([2.0, 2.0], [-9.0], [9.0]) is None


def test_a_long_past_is_there_and_begins_beyond_the_panel():
    figure = answer(lower=0.0, upper=4.0, past=150).figure()
    assert figure.layout.xaxis.range == (-5.0, 3.0)
    assert min(min(t.x) for t in figure.data) == -149
