"""Runs causal-learn's CD-NOD on tables and prints which modules it says change, one line a table.

    python benchmarks/_cdnod.py TEST LEVEL FILE…

TEST is one of causal-learn's: fisherz, kci, rcit. A file is a CSV with a header whose last column
is the domain index. An answer is one line of JSON: seconds of CPU, the positions of variables next
to the index, and directed edges; "absent" where the package is not installed.
"""

import contextlib
import importlib.util
import io
import json
import sys
import time
import warnings

import numpy as np


def run(test: str, level: float, table: np.ndarray) -> dict:
    """One table: seconds, changing modules, and edges i → j."""
    from causallearn.search.ConstraintBased.CDNOD import cdnod

    data, index = table[:, :-1], table[:, -1:]
    begin = time.process_time()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        ends = cdnod(data, index, level, test, show_progress=False).G.graph
    seconds = time.process_time() - begin
    last = data.shape[1]
    changed = [i for i in range(last) if ends[i, last] or ends[last, i]]
    pairs = ((i, j) for i in range(last) for j in range(last))
    edges = [(i, j) for i, j in pairs if ends[i, j] == -1 and ends[j, i] == 1]
    return {"seconds": seconds, "changed": changed, "edges": edges}


if __name__ == "__main__":
    if importlib.util.find_spec("causallearn") is None:
        print(json.dumps({"absent": True}))
        raise SystemExit
    for name in sys.argv[3:]:
        rows = np.loadtxt(name, delimiter=",", skiprows=1, ndmin=2)
        print(json.dumps(run(sys.argv[1], float(sys.argv[2]), rows)), flush=True)
