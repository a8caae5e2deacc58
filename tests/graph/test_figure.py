"""The picture of a graph: nothing overlaps, marks and doubts are drawn, small and large."""

import shutil
import subprocess

import numpy as np
import pytest

from doworld.graph import CausalGraph, Edge, Evidence, LocalGraph, Mark, Reason, Unidentified
from doworld.graph.figure import _labels, page
from doworld.graph.geometry import HEIGHT, boxes_of, groups_of, lines_of
from doworld.graph.layout import layout


def random_graph(count, degree, seed):
    rng = np.random.default_rng(seed)
    names = tuple(f"sensor {i}" for i in range(count))
    roles = tuple(
        "action" if i < 2 else "reward" if i == count - 1 else "state" for i in range(count)
    )
    links, doubtful = {}, []
    for j in range(2, count):
        for i in rng.choice(count - 1, degree, replace=False).tolist():
            lag = int(rng.choice([1, 1, 2]))
            edge = Edge(names[i], names[j], lag, probability=float(rng.uniform(0.3, 1)))
            if rng.random() < 0.1:
                doubtful.append(edge)
            else:
                links[names[i], names[j], lag] = edge
    held = {(e.source, e.target) for e in links.values()}
    doubtful = [e for e in doubtful if (e.source, e.target) not in held]
    return CausalGraph(names, tuple(links.values()), tuple(doubtful), 2, roles=roles)


@pytest.mark.parametrize("count", [5, 15, 40])
def test_nothing_lies_upon_anything(count):
    graph = random_graph(count, 2, count)
    groups = groups_of(graph)
    every = boxes_of(graph, groups)
    lines = lines_of(groups, every)
    boxes = [every[n] for n in graph.names]
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            beside = abs(a.x - b.x) >= a.half + b.half
            assert beside or abs(a.y - b.y) >= HEIGHT + 8, (a, b)
    for line in lines:  # an edge passes no node but its own
        ends = {line.first.source, line.first.target}
        for box in (b for b in boxes if b.name not in ends):
            inside = (np.abs(line.points[:, 0] - box.x) < box.half - 1) & (
                np.abs(line.points[:, 1] - box.y) < HEIGHT / 2 - 1
            )
            assert not inside.any(), (str(line.first), box.name)
    labels = _labels(lines, {b.name: b for b in boxes}, 1)
    near = [
        (a, b)
        for i, a in enumerate(labels)
        for b in labels[:i]
        if abs(a["x"] - b["x"]) < 14 and abs(a["y"] - b["y"]) < 12
    ]
    assert len(near) <= 0.03 * len(labels) ** 2


def test_causes_stand_to_the_left():
    found = layout("abcd", [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")], [], {"a": -1})
    assert [found.layer[n] for n in "abcd"] == [0, 1, 2, 3]
    assert len(found.route["d", "a"]) == 2


def test_the_same_graph_is_drawn_the_same():
    one, other = (random_graph(12, 2, 3).plot().to_json() for _ in range(2))
    assert one == other


def test_all_marks_roles_and_doubts_are_drawn():
    names = ("u", "g", "a", "b", "c", "r")
    links = (
        Edge("u", "a", 1),
        Edge("a", "a", 1, evidence=Evidence("a test", 3.0, 0.001, 500, "why")),
        Edge("a", "b", 0, Mark.UNDIRECTED, 0.7),
        Edge("b", "c", 0, Mark.BIDIRECTED),
        Edge("g", "c", 1, Mark.PARTIAL),
        Edge("a", "c", 0, Mark.CIRCLE),
        Edge("c", "r", 0),
    )
    roles = ("action", "context", "state", "state", "state", "reward")
    facts = (Unidentified("u", Reason.DETERMINED, "it follows <a>", ("a",)),)
    graph = CausalGraph(
        names, links, (Edge("u", "b", 1, probability=0.2),), 1, ("n",), facts, roles=roles
    )
    drawn = graph.plot(title="a plant & its <parts>")
    legend = {t.name for t in drawn.data if t.showlegend}
    assert {"action: what is done", "context: what is given", "left out, but open"} <= legend
    assert sum("open" in name for name in legend) >= 2
    assert "common cause" in " ".join(legend)
    hover = " ".join(h for t in drawn.data for h in (t.hovertext or ()))
    assert "a test" in hover
    assert "it follows &lt;a&gt;" in hover
    assert "&lt;parts&gt;" in drawn.layout.title.text
    assert "numbered" in drawn.layout.title.subtitle.text
    dashes = {t.line.dash for t in drawn.data if t.mode == "lines" and t.line.dash}
    assert {"dot", "dash", "solid"} <= dashes
    assert any(s.line.dash == "dot" for s in drawn.layout.shapes)  # whose effects cannot be told


@pytest.mark.parametrize("names", [(), ("alone",), ("a", "b")])
def test_hardly_anything_to_draw(names):
    drawn = CausalGraph(names, ()).plot()
    assert f"{len(names)} variables" in drawn.layout.title.text


def test_only_the_edges_that_act_now_remain():
    links = (Edge("g", "y", 0), Edge("a", "y", 0), Edge("b", "y", 0), Edge("a", "y", 1))
    local = (
        LocalGraph("y", ("g", 0), 0, ("a",)),
        LocalGraph("y", ("g", 0), 1, ("b",)),
    )
    graph = CausalGraph(("g", "a", "b", "y"), links, local=local)
    now = {g: {str(e) for e in graph.at({"g": g}).links} for g in (0, 1, 2)}
    always = {"g(t) --> y(t)", "a(t-1) --> y(t)"}
    assert now[0] == always | {"a(t) --> y(t)"}
    assert now[1] == always | {"b(t) --> y(t)"}
    assert now[2] == {str(e) for e in links}
    assert graph.at({}).links == graph.links
    # the global graph is the union of what acts anywhere
    assert set().union(*now.values()) == {str(e) for e in links}


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_it_renders(tmp_path):
    path = tmp_path / "graph.html"
    path.write_text(page(random_graph(15, 2, 0)), encoding="utf-8")
    picture = tmp_path / "graph.png"
    words = (
        "chromium --headless --no-sandbox --disable-gpu --no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync "
        f"--user-data-dir={tmp_path / 'profile'} --screenshot={picture} --window-size=1400,800"
    ).split()
    subprocess.run([*words, path.as_uri()], check=True, capture_output=True, timeout=240)
    assert picture.stat().st_size > 20_000
