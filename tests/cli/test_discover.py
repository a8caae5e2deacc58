"""``discover`` prints the graph, why it is so, and stops when told to."""

import json

import numpy as np
import polars as pl
import pytest


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    rng = np.random.default_rng(0)
    x = np.zeros((500, 3))
    for t in range(499):
        x[t + 1] = x[t] @ [[0.5, 0.6, 0], [0, 0.5, 0.6], [0, 0, 0.5]] + rng.standard_normal(3)
    path = tmp_path_factory.mktemp("chain") / "chain.csv"
    pl.DataFrame(x, schema=list("abc")).with_columns(t=np.arange(500)).write_csv(path)
    return path


ROLES = ("--state", "a,b,c", "--time", "t")


def test_edges_and_two_sentences(command, chain):
    printed = command("discover", chain, *ROLES)
    assert printed.code == 0, printed.err
    assert printed.out.startswith("Method: every source and lag is tested given all the")
    for edge in ("a → b", "b → c", "a → a"):
        assert edge in printed.out
    assert "because" in printed.out
    assert max(map(len, printed.out.splitlines())) <= 60


def test_the_table_row_by_row(command, chain):
    printed = command("discover", chain, *ROLES, "--explain")
    for question in ("kinds", "size", "missing values", "stationarity", "lags", "multiplicity"):
        assert any(line.startswith(question) for line in printed.out.splitlines()), question
    assert max(map(len, printed.out.splitlines())) <= 60


def test_json_holds_all_of_it(command, chain):
    printed = command("discover", chain, *ROLES, "--json", "--falsify")
    data = json.loads(printed.out)
    assert {c["question"] for c in data["choices"]} >= {"kinds", "method", "tests"}
    assert data["summary"] == data["notes"][0]
    assert data["falsify"]["verdict"] == "not falsifiable"  # three variables have six orders


def test_files_that_learning_reads(command, chain, tmp_path):
    graph, picture = tmp_path / "deep/graph.json", tmp_path / "graph.html"
    printed = command("discover", chain, *ROLES, "--out", graph, "--plot", picture)
    assert printed.code == 0, printed.err
    from doworld.graph import CausalGraph

    assert CausalGraph.from_dict(json.loads(graph.read_text("utf-8"))).parents("b")
    assert "plotly" in picture.read_text("utf-8")


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_knowledge_from_a_file(command, chain, tmp_path, suffix):
    known = tmp_path / f"known{suffix}"
    if suffix == ".json":
        known.write_text(json.dumps({"forbidden": [["a", "b"]], "groups": [["b", "c"]]}), "utf-8")
    else:
        known.write_text(
            "forbidden:\n  - [a, b]\nprobabilities:\n"
            "  - {source: b, target: c, probability: 0.9}\n",
            "utf-8",
        )
    printed = command("discover", chain, *ROLES, "--prior", known, "--lagged-only")
    assert printed.code == 0, printed.err
    assert "a → b" not in printed.out.split("left out")[0].split("Where")[0]
    assert "Where knowledge and data disagree" in printed.out
    assert "≠ a(t-1) → b(t) is ruled out" in printed.out


def test_bad_knowledge_is_one_line(command, chain, tmp_path):
    known = tmp_path / "known.yaml"
    for text, words in (("wanted: []", "no part 'wanted'"), ("a: [", "neither YAML nor JSON")):
        known.write_text(text, "utf-8")
        printed = command("discover", chain, *ROLES, "--prior", known)
        assert printed.code == 2
        assert words in printed.err
        assert printed.err.count("\n") == 1


def test_a_budget_is_kept_and_said(command, chain):
    printed = command("discover", chain, *ROLES, "--budget", "0.000001")
    assert printed.code == 0, printed.err
    assert "the budget of 1e-06 s ended" in " ".join(printed.out.split())
    assert "a → b" in printed.out


def test_ctrl_c_gives_the_best_graph_so_far(command, chain, monkeypatch):
    """The first one ends the budget; the handler of before is put back."""
    import os
    import signal

    from doworld.discover.time import search

    real, before = search.choose_lag, signal.getsignal(signal.SIGINT)

    def interrupted(*args, **how):
        os.kill(os.getpid(), signal.SIGINT)
        return real(*args, **how)

    monkeypatch.setattr(search, "choose_lag", interrupted)
    printed = command("discover", chain, *ROLES)
    assert printed.code == 0, printed.err
    assert "finishing with what was found so far" in printed.err
    assert "the search was stopped" in " ".join(printed.out.split())
    assert "a → b" in printed.out
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_stops_at_once(command, chain, monkeypatch):
    import os
    import signal

    from doworld.discover.time import search

    def interrupted(*args, **how):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("still running")

    monkeypatch.setattr(search, "choose_lag", interrupted)
    printed = command("discover", chain, *ROLES)
    assert printed.code == 130
    assert "stopped" in printed.err
