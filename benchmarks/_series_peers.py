"""Runs a peer's discovery on one long series and prints what it found, in its own interpreter.

    python benchmarks/_series_peers.py METHOD FILE LAG

Methods: tigramite-pcmci, antecedent-pcmci, both with partial correlation and Benjamini–Hochberg at
1 %. The file is a CSV with a header. The answer is one line of JSON: CPU seconds, and edges as
[source, target, lag]; without the package, "absent".
"""

import contextlib
import importlib.util
import io
import json
import re
import sys
import time

import numpy as np

LINK = re.compile(r"x(\d+)\[t(?:-(\d+))?\] -> x(\d+)\[t\]")
RATE = 0.01


def _tigramite(table: np.ndarray, lag: int) -> list[list[int]]:
    from tigramite.data_processing import DataFrame
    from tigramite.independence_tests.parcorr import ParCorr
    from tigramite.pcmci import PCMCI

    search = PCMCI(DataFrame(table), ParCorr(), verbosity=0)
    found = search.run_pcmci(tau_min=1, tau_max=lag, pc_alpha=0.05, alpha_level=RATE)
    adjusted = search.get_corrected_pvalues(
        found["p_matrix"], tau_min=1, tau_max=lag, fdr_method="fdr_bh"
    )
    return [[int(a) for a in link] for link in np.argwhere(adjusted <= RATE) if link[2] > 0]


def _antecedent(table: np.ndarray, lag: int) -> list[list[int]]:
    from antecedent import discovery

    columns = {f"x{i}": np.ascontiguousarray(table[:, i]) for i in range(table.shape[1])}
    method = discovery.PCMCI(max_lag=lag, alpha=RATE)
    found, _ = discovery.run_temporal_discovery(columns, method, threads=1)
    links = [LINK.search(str(link)) for link in found.links]
    return [[int(m[1]), int(m[3]), int(m[2] or 0)] for m in links if m]


def run(method: str, table: np.ndarray, lag: int) -> dict:
    """The edges and CPU seconds of one method on one table."""
    package = method.partition("-")[0]
    if importlib.util.find_spec(package) is None:
        return {"absent": True}
    work = _tigramite if package == "tigramite" else _antecedent
    begin = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        edges = work(table, lag)
    return {"seconds": time.process_time() - begin, "edges": edges}


if __name__ == "__main__":
    rows = np.loadtxt(sys.argv[2], delimiter=",", skiprows=1, ndmin=2)
    print(json.dumps(run(sys.argv[1], rows, int(sys.argv[3]))))
