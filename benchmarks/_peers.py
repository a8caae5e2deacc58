"""Runs a peer's discovery on a table and prints what it found, so that peers may live elsewhere.

    python benchmarks/_peers.py METHOD FILE discrete|continuous

Methods: causal-learn-pc, causal-learn-kci-LEVEL (PC with the kernel test at that level),
causal-learn-fci (of which only ``<->`` are listed), causal-learn-ges, causal-learn-boss,
causal-learn-grasp, pgmpy-hc. The file is a CSV with a header. The answer is one line of JSON: CPU
seconds, and edges as [source, target, mark]; without the package, "absent".
"""

import contextlib
import importlib.util
import io
import json
import sys
import time
import warnings

import numpy as np

Edges = list[tuple[int, int, str]]


def _marked(graph: np.ndarray) -> Edges:
    """causal-learn's ends: graph[i, j] = −1 is a tail and 1 an arrowhead at i of the edge i, j."""
    out: Edges = []
    for i, j in np.argwhere(np.triu((graph != 0) | (graph.T != 0), 1)).tolist():
        if graph[i, j] == -1 and graph[j, i] == 1:
            out.append((i, j, "-->"))
        elif graph[i, j] == 1 and graph[j, i] == -1:
            out.append((j, i, "-->"))
        else:
            out.append((i, j, "---"))
    return out


def _causal_learn(method: str, table: np.ndarray, kind: str) -> Edges:
    discrete = kind == "discrete"
    if method == "pc":
        from causallearn.search.ConstraintBased.PC import pc

        test = "gsq" if discrete else "fisherz"
        return _marked(pc(table, 0.01, test, show_progress=False).G.graph)
    if method.startswith("kci-"):
        from causallearn.search.ConstraintBased.PC import pc

        level = float(method.removeprefix("kci-"))
        return _marked(pc(table, level, "kci", show_progress=False).G.graph)
    if method == "fci":
        from causallearn.search.ConstraintBased.FCI import fci

        graph = fci(table, "gsq" if discrete else "fisherz", 0.01, show_progress=False)[0].graph
        both = [(i, j, "<->") for i, j in np.argwhere((graph == 1) & (graph.T == 1)) if i < j]
        return [(int(i), int(j), m) for i, j, m in both]
    if method == "ges":
        from causallearn.search.ScoreBased.GES import ges

        found = ges(table, "local_score_BDeu" if discrete else "local_score_BIC_from_cov")
        return _marked(found["G"].graph)
    score = "local_score_BDeu" if discrete else "local_score_BIC_from_cov"
    if method == "grasp":
        from causallearn.search.PermutationBased.GRaSP import grasp as run
    else:
        from causallearn.search.PermutationBased.BOSS import boss as run
    return _marked(run(table, score, verbose=False).graph)


def _hill_climb(table: np.ndarray, kind: str) -> Edges:
    import pandas as pd
    from pgmpy.base import DAG
    from pgmpy.estimators import HillClimbSearch

    names = [f"x{i}" for i in range(table.shape[1])]
    frame = pd.DataFrame(table, columns=pd.Index(names))
    if kind == "discrete":
        frame = frame.astype(int).astype("category")
    score = "bic-d" if kind == "discrete" else "bic-g"
    found = HillClimbSearch(frame).estimate(scoring_method=score, show_progress=False)
    pattern = DAG(found.edges()).to_pdag()
    at = {name: i for i, name in enumerate(names)}
    out: Edges = [(at[a], at[b], "-->") for a, b in pattern.directed_edges]
    return out + [(at[a], at[b], "---") for a, b in pattern.undirected_edges]


def run(method: str, table: np.ndarray, kind: str) -> dict:
    """The edges and seconds of one method on one table."""
    package = "pgmpy" if method == "pgmpy-hc" else "causallearn"
    if importlib.util.find_spec(package) is None:
        return {"absent": True}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        _find(method, table[:200, :3], kind)  # imports and compiles what it needs
        begin = time.process_time()
        edges = _find(method, table, kind)
    return {"seconds": time.process_time() - begin, "edges": edges}


def _find(method: str, table: np.ndarray, kind: str) -> Edges:
    if method == "pgmpy-hc":
        return _hill_climb(table, kind)
    return _causal_learn(method.removeprefix("causal-learn-"), table, kind)


if __name__ == "__main__":
    rows = np.loadtxt(sys.argv[2], delimiter=",", skiprows=1, ndmin=2)
    print(json.dumps(run(sys.argv[1], rows, sys.argv[3])))
