"""dowhy.gcm's counterfactuals of a linear model, timed: run by a Python that has dowhy.

python _gcm.py NODE VALUE TABLE WEIGHTS
"""

import json
import sys
import time


def main() -> None:
    try:
        import networkx as nx
        import numpy as np
        import pandas as pd
        from dowhy import gcm
    except ImportError:
        print(json.dumps({"absent": "dowhy"}))
        return
    gcm.config.disable_progress_bars()
    node, value = int(sys.argv[1]), float(sys.argv[2])
    table, weights = pd.read_csv(sys.argv[3]), pd.read_csv(sys.argv[4]).to_numpy()
    names = list(table.columns)
    graph = nx.DiGraph()
    graph.add_nodes_from(names)
    graph.add_edges_from((names[i], names[j]) for i, j in np.argwhere(weights))
    model = gcm.InvertibleStructuralCausalModel(graph)
    for name in names:
        linear = gcm.AdditiveNoiseModel(gcm.ml.create_linear_regressor())
        root = graph.in_degree(name) == 0
        model.set_causal_mechanism(name, gcm.EmpiricalDistribution() if root else linear)
    gcm.fit(model, table)
    done = {names[node]: lambda x: 0 * x + value}
    times, values = {}, {}
    for count in (1, 1000):
        spent = []
        for _ in range(31):
            began = time.perf_counter()
            out = gcm.counterfactual_samples(model, done, observed_data=table[:count])
            spent.append(1e3 * (time.perf_counter() - began))
        times[str(count)] = {"first": spent[0], "median": float(np.median(spent[1:]))}
        values[str(count)] = out[names].to_numpy()[:50].tolist()
    print(json.dumps({"times": times, "values": values}))


if __name__ == "__main__":
    main()
