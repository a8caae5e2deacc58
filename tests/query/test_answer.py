"""Answers as data, text and figure, without a model behind them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from doworld._core.errors import QueryError, UnknownNameError
from doworld.query import Answer, Counterfactual, Do, Plan, Predict, Series, Set, Status, Why
from doworld.query.goal import Goal
from doworld.query.text import plain

GOLDEN = Path(__file__).parent / "golden"

T1 = Series(
    variable="T1",
    unit="°C",
    rows=(1, 2, 3),
    estimate=(21.25, 22.5, 23.625),
    lower=(20.5, 21.0, 21.5),
    upper=(22.0, 24.0, 25.75),
    half_lower=(21.0, 22.0, 22.75),
    half_upper=(21.5, 23.0, 24.5),
    noise=(0.4, 0.8, 1.1),
    parameters=(0.1, 0.2, 0.3),
    structure=(0.0, 0.0, 0.05),
    support=(1.0, 0.875, 0.4375),
    past_rows=(-1, 0),
    past=(None, 20.0),
)
MODE = Series(
    variable="mode",
    rows=(1, 2, 3),
    estimate=(0.0, 1.0, 1.0),
    lower=(0.0, 0.0, 0.0),
    upper=(1.0, 1.0, 1.0),
    half_lower=(0.0, 1.0, 1.0),
    half_upper=(0.0, 1.0, 1.0),
    noise=(0.4, 0.3, 0.25),
    parameters=(0.0, 0.0, 0.0),
    structure=(0.0, 0.0, 0.0),
    support=(1.0, 1.0, 1.0),
    categories=("off", "on"),
    probabilities=((0.75, 0.25), (0.125, 0.875), (0.0625, 0.9375)),
)
WHY = Why(
    summary="do: heater set to 60 at rows 0–2",
    assumptions=("The logged heater was randomised.",),
    edges=("heater(t-1) --> T1(t), probability 0.98",),
    weakest_edge="heater(t-1) --> T1(t), probability 0.98",
    support="heater leaves first: 60 % at row 2 is outside 0…50 % of the log.",
    outside=3,
    rows=1234,
)


@pytest.fixture
def answer():
    query = Do(
        given={"T1": 20.0, "mode": "off"},
        interventions=[Set("heater", 60, at=range(0, 3))],
        horizon=3,
        target=["T1", "mode"],
    )
    return Answer(
        query=query,
        status=Status.IDENTIFIED,
        level=0.9,
        series=(T1, MODE),
        why=WHY,
        step=0.5,
        time_unit="s",
    )


@pytest.fixture
def refused():
    query = Do(given={"T1": 20.0}, interventions=[Set("T1", 1.0)], target="T2")
    return Answer(
        query=query,
        status=Status.NOT_IDENTIFIED,
        level=0.9,
        series=(Series(variable="T2", rows=(), estimate=None),),
        why=Why(summary="do: T1 set to 1 throughout"),
        fix="Log rows in which T1 is set at random.",
    )


def test_json_round_trips_exactly(answer, refused):
    for each in (answer, refused):
        assert Answer.from_json(each.to_json()) == each
        assert Answer.from_dict(json.loads(json.dumps(each.to_dict(), allow_nan=False))) == each


def test_draws_do_not_count_in_equality_and_are_not_in_json(answer):
    drawn = answer.with_draws(lambda: {"T1": np.zeros((1, 2, 3))})
    assert drawn == answer
    assert drawn.samples()["T1"].shape == (1, 2, 3)
    with pytest.raises(QueryError, match="Ask its query again"):
        Answer.from_json(drawn.to_json()).samples()


def test_numpy_numbers_and_odd_names_are_taken_as_they_are():
    assert Set("a", 1.5, at=np.int64(3)).at == (3,)
    assert Set("a", 1.0, at=np.arange(2)).at == (0, 1)
    assert Predict(given={"columns": 1.0}).given.columns == {"columns": (1.0,)}
    with pytest.raises(ValueError, match="a range is"):
        Goal(limit={"y": (0, 1, 2)})  # type: ignore[arg-type]


def test_every_query_round_trips_inside_an_answer():
    episode = {"x": [1.0, None, np.float64("nan")], "mode": ["a", "b", "b"]}
    queries = [
        Predict(given={"x": np.float32(0.5), "n": np.int64(3), "b": True}),
        Counterfactual(episode=episode, interventions=[Set("mode", "a", at=1)]),
        Plan(given={"x": 0.0}, objective=Goal(target={"x": 1.0}, limit={"x": (None, 2.0)})),
    ]
    for query in queries:
        answer = Answer(query=query, status=Status.IDENTIFIED, level=0.9)
        assert Answer.from_json(answer.to_json()) == answer


def test_access_by_name(answer, refused):
    assert answer["T1"].unit == "°C"
    np.testing.assert_array_equal(answer.estimate["T1"], [21.25, 22.5, 23.625])
    low, high = answer.interval["T1"]
    assert (low <= answer.estimate["T1"]).all()
    assert (answer.estimate["T1"] <= high).all()
    assert answer.support["T1"][-1] == 0.4375
    assert set(answer.uncertainty["T1"]) == {"noise", "parameters", "structure"}
    assert refused.estimate == {"T2": None}
    assert refused.interval == {"T2": None}
    with pytest.raises(UnknownNameError, match="Did you mean 'T1'"):
        answer["T11"]


def test_frame(answer):
    frame = answer.frame()
    assert frame.height == 6
    assert frame.filter(pl.col("variable") == "mode")["label"].to_list() == ["off", "on", "on"]
    assert frame["time"].to_list()[:3] == [0.5, 1.0, 1.5]


def golden(name: str, text: str) -> None:
    """Compares with a stored text; a missing one is written, to be read by a person."""
    path = GOLDEN / name
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_text_is_readable_in_60_columns(answer, refused):
    for name, each in (("do.txt", answer), ("refused.txt", refused)):
        text = plain(each)
        assert max(map(len, text.splitlines())) <= 60
        golden(name, text + "\n")


def test_the_first_line_says_what_to_think_of_it(answer, refused):
    assert str(answer).startswith("OUTSIDE ITS DATA from row 3")
    assert str(refused).startswith("NOT IDENTIFIED")
    inside = answer.model_copy(
        update={"why": WHY.model_copy(update={"outside": None}), "series": (MODE,)}
    )
    assert str(inside).startswith("inside its data · identified")
    edge = T1.model_copy(update={"support": (1.0, 0.7, 0.6)})
    near = inside.model_copy(update={"series": (edge,)})
    assert str(near).startswith("at the edge of its data")
    bounded = inside.model_copy(update={"status": Status.BOUNDED})
    assert str(bounded).splitlines()[0] == "inside its data · bounded: the interval is a bound"


def test_json_form(answer):
    golden("do.json", answer.to_json(indent=1) + "\n")


def test_figure_shows_history_fan_support_and_what_was_done(answer):
    figure = answer.figure()
    names = [t.name for t in figure.data if t.name]
    assert {"given", "estimate", "90% interval", "50% interval"} <= set(names)
    strips = [t for t in figure.data if t.type == "heatmap"]
    assert list(strips[0].z[0]) == [1.0, 0.875, 0.4375]
    text = figure.to_json()
    assert "heater set to 60" in text
    assert "OUTSIDE ITS DATA" in text
    assert figure.layout.yaxis.title.text == "°C"
    assert list(figure.layout.yaxis3.ticktext) == ["off", "on"]
    fan = next(t for t in figure.data if t.name == "estimate")
    assert list(fan.x) == [0.0, 0.5, 1.0, 1.5]  # begins at the last given row
    assert fan.y[0] == 20.0


def test_a_refused_answer_has_a_figure_that_says_so(refused):
    assert "no number" in refused.figure().to_json()
    assert "NOT IDENTIFIED" in refused._repr_html_()


def test_html_escapes_and_holds_the_figure(answer):
    odd = answer.model_copy(update={"why": WHY.model_copy(update={"summary": "<b>&"})})
    page = odd._repr_html_()
    assert "plotly" in page
    assert "&lt;b&gt;&amp;" in page


def test_reading_and_showing_an_answer_needs_no_jax():
    code = (
        "import sys; from doworld.query import Answer; "
        f"a = Answer.from_json(open({str(GOLDEN / 'do.json')!r}, encoding='utf-8').read()); "
        "str(a); a.figure(); a.frame(); assert 'jax' not in sys.modules, 'jax'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
