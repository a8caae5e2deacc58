"""Runs a peer that knows of interventions on a table and prints what it found.

    python benchmarks/_interventional_peers.py METHOD FILE

Methods: gies (the package gies), igsp and ut-igsp (the package causaldag). FILE is JSON: "table",
rows of numbers; "place", the environment of each row; "targets", for each environment the columns
that were acted on; "level", of the tests of IGSP. The answer is one line of JSON: CPU seconds, and
edges as [source, target, mark]; without the package, "absent".
"""

import contextlib
import importlib.util
import io
import json
import random
import sys
import time
import warnings
from pathlib import Path

import numpy as np

RUNS = 10

Edges = list[tuple[int, int, str]]


def _marked(matrix: np.ndarray) -> Edges:
    """``[i, j]``: i → j, or i — j where both ways."""
    out: Edges = []
    for i, j in np.argwhere(np.triu((matrix != 0) | (matrix.T != 0), 1)).tolist():
        if matrix[i, j] and matrix[j, i]:
            out.append((i, j, "---"))
        else:
            out.append((i, j, "-->") if matrix[i, j] else (j, i, "-->"))
    return out


def _gies(parts: list[np.ndarray], targets: list[list[int]]) -> Edges:
    import gies

    found, _ = gies.fit_bic(parts, targets)
    return _marked(found)


def _igsp(parts: list[np.ndarray], targets: list[list[int]], level: float, *, known: bool) -> Edges:
    from causaldag import igsp, unknown_target_igsp
    from conditional_independence import (
        MemoizedCI_Tester,
        MemoizedInvarianceTester,
        gauss_invariance_suffstat,
        gauss_invariance_test,
        partial_correlation_suffstat,
        partial_correlation_test,
    )

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  the package draws from there
    calm = np.concatenate([p for p, t in zip(parts, targets, strict=True) if not t])
    acted = [(p, t) for p, t in zip(parts, targets, strict=True) if t]
    settings = [p for p, _ in acted]
    tester = MemoizedCI_Tester(
        partial_correlation_test, partial_correlation_suffstat(calm), alpha=level
    )
    alike = MemoizedInvarianceTester(
        gauss_invariance_test, gauss_invariance_suffstat(calm, settings), alpha=level
    )
    nodes = set(range(calm.shape[1]))
    if known:
        which = [{"interventions": set(t)} for _, t in acted]
        found = igsp(which, nodes, tester, alike, nruns=RUNS)
    else:
        none = [{"known_interventions": set()} for _ in acted]
        found, _ = unknown_target_igsp(none, nodes, tester, alike, nruns=RUNS)
    return _marked(found.to_amat()[0])


def run(method: str, task: dict) -> dict:
    """The edges and seconds of one method on one table."""
    if importlib.util.find_spec("gies" if method == "gies" else "causaldag") is None:
        return {"absent": True}
    table, place = np.array(task["table"]), np.array(task["place"])
    parts = [table[place == e] for e in range(len(task["targets"]))]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        begin = time.process_time()
        if method == "gies":
            edges = _gies(parts, task["targets"])
        else:
            edges = _igsp(parts, task["targets"], task["level"], known=method == "igsp")
    return {"seconds": time.process_time() - begin, "edges": edges}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))))
