"""``doworld rootcause`` on tables of metrics."""

import json

import numpy as np
import pytest

from doworld.infer.root_cause.monitored import graph_of, read_metrics
from doworld.worlds.services import METRICS, Fault, Services


@pytest.fixture
def incident(tmp_path):
    """A folder with usual operation, an incident at s2, and who calls whom."""
    shop = Services(4, seed=1)
    odd = shop.collect(5, fault=Fault("s2", delay=2.0), seed=3)
    for name, log in (("usual", shop.collect(150, seed=2)), ("odd", odd)):
        head = [
            ["service", *np.repeat(shop.names, len(METRICS))],
            ["metric", *(m.split()[0] for m in METRICS * 4)],
            ["statistic", *(m.split()[-1] for m in METRICS * 4)],
        ]
        body = np.concatenate([np.asarray(log.times)[:, None], log.values], 1)
        lines = [",".join(r) for r in head]
        lines += [",".join("" if np.isnan(v) else repr(float(v)) for v in r) for r in body]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    names = shop.names
    rows = ["," + ",".join(names)]
    for i, caller in enumerate(names):
        marks = [str(float(shop.calls.get(j) == i)) for j in range(len(names))]
        rows.append(",".join([caller, *marks]))
    (tmp_path / "graph.csv").write_text("\n".join(rows))
    return tmp_path


def test_the_service_at_fault_is_named(command, incident):
    words = ("rootcause", incident / "usual.csv", incident / "odd.csv", "--graph")
    target = ("--target", "s0 latency mean")
    printed = command(*words, incident / "graph.csv", *target)
    assert printed.code == 0, printed.err
    assert "s2 is the likeliest root cause" in " ".join(printed.out.split())
    page = incident / "x.html"
    printed = command(*words, incident / "graph.csv", *target, "--json", "--out", page)
    assert json.loads(printed.out)["entities"][0]["name"] == "s2"
    assert "What explains the anomaly" in page.read_text()


def test_a_target_beside_the_rows_is_taken(command, incident):
    seen = {"node": "s0", "metric": "latency", "agg": "mean"}
    (incident / "target.json").write_text(json.dumps({"target": seen}))
    words = ("rootcause", incident / "usual.csv", incident / "odd.csv", "--graph")
    assert command(*words, incident / "graph.csv").code == 0


def test_calls_become_the_graph_of_the_world(incident):
    usual, _ = read_metrics(incident / "usual.csv", incident / "odd.csv")
    shop = Services(4, seed=1)
    found = graph_of(incident / "graph.csv", usual.schema)

    def pairs(graph):
        return {(e.source.split()[0], e.target.split()[0]) for e in graph.links}

    assert pairs(found) == pairs(shop.graph)


def test_edges_may_be_listed(incident):
    usual, _ = read_metrics(incident / "usual.csv", incident / "odd.csv")
    listed = incident / "edges.csv"
    listed.write_text("source,target,lag\ns1 latency mean,s0 latency mean,2\n")
    (edge,) = graph_of(listed, usual.schema).links
    assert (edge.lag, edge.source) == (2, "s1 latency mean")


@pytest.mark.parametrize(
    ("graph", "target", "said"),
    [
        ("a,b\n1,2\n", "s0 latency mean", "no variable or service"),
        ("x\ny,z\n", "s0 latency mean", "is no graph"),
        ("source,target\ns1,s0\n", "s0 latency meen", "Did you mean"),
    ],
)
def test_what_is_wrong_is_one_line(command, incident, graph, target, said):
    (incident / "bad.csv").write_text(graph)
    words = ("rootcause", incident / "usual.csv", incident / "odd.csv", "--graph")
    printed = command(*words, incident / "bad.csv", "--target", target)
    assert printed.code != 0
    assert said in printed.err
    assert "Traceback" not in printed.err


def test_tables_that_are_none(command, incident):
    (incident / "empty.csv").write_text("a,b\n")
    printed = command(
        "rootcause", incident / "empty.csv", incident / "odd.csv", "--graph", incident / "graph.csv"
    )
    assert printed.code != 0
    assert "header" in printed.err
