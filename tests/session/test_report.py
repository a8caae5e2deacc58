"""The report is one safe file, drawn without faults, and renders in a browser."""

import base64
import hashlib
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise
from types import SimpleNamespace

import polars as pl
import pytest

from doworld.data import Role, Variable
from doworld.graph import CausalGraph, Edge, Reason, Unidentified
from doworld.query import Answer, Do, Plan, Predict, Series, Set, Status, Why
from doworld.query.goal import Goal
from doworld.session.report import answer_report, graph_section, model_report, tour_report
from doworld.session.report.layout import lay_out
from doworld.session.report.page import Report, Section
from worlds_by_hand import linear_world

EVIL = "<script>alert('x')</script>\" onload=\"x"
VOID = {"meta", "br", "link", "img", "input"}


class Checker(HTMLParser):
    """Tags close in order; nothing is fetched or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            assert not name.startswith("on"), name
            if name in ("href", "src"):
                assert value.startswith("#"), value
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def checked(page: str) -> str:
    checker = Checker()
    checker.feed(page)
    assert not checker.open
    assert "script" not in checker.tags
    assert "http:" not in page.replace("http://www.w3.org", "")
    assert "https:" not in page
    assert "NaN" not in page
    assert "nan" not in re.findall(r'(?:d|x|y|cx|cy|width)="[^"]*"', page).__str__()
    return page


@pytest.fixture(scope="module")
def model():
    variables = (
        Variable(EVIL, unit=EVIL, description=EVIL),
        Variable("T2"),
        Variable("heater", Role.ACTION),
    )
    weights = {EVIL: {(EVIL, 1): 0.9, ("heater", 2): 0.1}, "T2": {(EVIL, 1): 0.5, ("T2", 1): 0.3}}
    facts = (Unidentified("heater", Reason.DETERMINED, f"heater follows {EVIL}"),)
    return linear_world(variables, weights, notes=(EVIL,), unidentified=facts)


def an_answer(query, **more) -> Answer:
    rows = tuple(range(1, 9))
    numbers = tuple(float(r) for r in rows)
    series = Series(
        variable=EVIL,
        unit=EVIL,
        rows=rows,
        estimate=numbers,
        lower=tuple(n - 1 for n in numbers),
        upper=tuple(n + 1 for n in numbers),
        noise=(1.0,) * 8,
        parameters=(1.0,) * 8,
        structure=(0.0,) * 8,
        support=(1.0, 1.0, 0.9, 0.6, 0.4, 0.2, 0.0, 0.0),
        past_rows=(-1, 0),
        past=(0.0, None),
    )
    why = Why(summary=EVIL, warnings=(EVIL,), assumptions=(EVIL,), edges=(EVIL,), outside=5)
    series = more.pop("series", (series,))
    return Answer(
        query=query, status=more.pop("status", Status.IDENTIFIED), level=0.9, series=series,
        why=why, **more,
    )  # fmt: skip


def test_names_from_a_log_cannot_run(model):
    frame = {"nrmse": 0.1, "nrmse_persistence": None, "nrmse_linear": 0.2, "coverage": None}
    rows = [{"variable": EVIL, **frame, "windows": 3}]
    evaluation = SimpleNamespace(frame=lambda: pl.DataFrame(rows))
    page = checked(model_report(model, evaluation=evaluation).html())
    assert "&lt;script&gt;" in page
    assert page.count("heater follows") == 1


@pytest.mark.parametrize("status", list(Status))
def test_answers_of_every_status(status):
    done = (Set(EVIL, EVIL, at=(2, 3)), Set("b", 1.0))
    query = Do(given={EVIL: 1.0}, interventions=done, horizon=8)
    series = Series(variable="y", rows=(1, 2), estimate=None)
    more = {} if status is not Status.NOT_IDENTIFIED else {"series": (series,), "fix": EVIL}
    page = checked(answer_report(an_answer(query, status=status, **more)).html())
    assert "outside its data" in page
    assert ("no number" in page) == (status is Status.NOT_IDENTIFIED)


def test_a_plan_shows_its_actions():
    query = Plan(given={"x": 0.0}, objective=Goal(target={"x": 1.0}))
    actions = {"a": (0.0, 1.0, 1.0), EVIL: ("on", EVIL)}
    assert "Expected cost" in checked(
        answer_report(an_answer(query, actions=actions, objective=2.0)).html()
    )


def test_levels_and_a_single_row():
    series = Series(
        variable="m", rows=(0,), estimate=(1.0,), lower=(0.0,), upper=(1.0,), categories=("a", EVIL)
    )
    checked(answer_report(an_answer(Predict(given={"m": 0.0}), series=(series,))).html())


def test_truth_marks_missed_and_spurious(model):
    truth = CausalGraph(("a", "b", "c"), (Edge("a", "b"), Edge("b", "c")))
    found = CausalGraph(("a", "b", "c"), (Edge("a", "b"), Edge("a", "c")))
    from doworld.data import Schema

    schema = Schema(tuple(Variable(n) for n in "abc"))
    body = graph_section(found, schema, truth).body
    assert body.count('stroke="#b3362b"') == 1
    assert body.count('stroke="#c22f8e"') == 1


def test_a_large_graph_becomes_a_matrix():
    from doworld.data import Schema

    names = tuple(f"v{i}" for i in range(40))
    graph = CausalGraph(names, tuple(Edge(a, b) for a, b in pairwise(names)))
    body = graph_section(graph, Schema(tuple(Variable(n) for n in names))).body
    assert "causal graph" not in body
    assert body.count("<rect") == 39


def test_layers_go_from_cause_to_effect():
    plan = lay_out(["u"], ["x", "y", "z"], [("u", "x"), ("x", "y"), ("y", "z"), ("x", "z")])
    assert [[p for p in c if isinstance(p, str)] for c in plan.layers] == [
        ["u"],
        ["x"],
        ["y"],
        ["z"],
    ]
    assert len(plan.routes["x", "z"]) == 3


def test_the_tour_report_holds_every_check(model):
    check = SimpleNamespace(
        name="predict", promised="≤ 2 %", measured=EVIL, passed=False, beside={"linear": "9 %"},
        detail="",
    )  # fmt: skip
    log = SimpleNamespace(transitions=10, schema=model.schema, notes=())
    tour = SimpleNamespace(
        checks=(check,), log=log, graph=model.graph, truth=model.graph, model=model,
        seconds={"a": 1.0},
        answers={"predict": an_answer(Predict(given={"T2": 1.0}))},
    )  # fmt: skip
    page = checked(tour_report(tour).html())
    assert "0 of 1 promises kept" in page


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [1200, 500])
def test_it_renders_without_overflow(model, tmp_path, width):
    page = tmp_path / "report.html"
    page.write_text(model_report(model).html(), encoding="utf-8")
    picture = tmp_path / "report.png"
    words = (
        "chromium --headless --no-sandbox --disable-gpu --no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync "
        f"--user-data-dir={tmp_path / 'profile'} --screenshot={picture} "
        f"--window-size={width},1600"
    ).split()
    subprocess.run([*words, page.as_uri()], check=True, capture_output=True, timeout=240)
    assert picture.stat().st_size > 20_000


def test_a_page_runs_its_own_scripts_and_no_other():
    own = "let a = '<b>';\nf(a);"
    page = Report("a", sections=(Section("b", f'<script type="x">{own}</script>'),)).html()
    digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
    policy = re.search(r'Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].endswith(f"script-src 'sha256-{digest}'")
    assert "script-src" not in Report("a").html()
