"""Random linear DAGs that several benchmarks draw tables from."""

import numpy as np


def linear_dag(
    variables: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """An order, the weights ±U(0.5, 1.5) of a DAG of degree 2, and all pairs along the order."""
    order = rng.permutation(variables)
    pairs = [(order[i], order[j]) for i in range(variables) for j in range(i + 1, variables)]
    dag = np.zeros((variables, variables), bool)
    for k in rng.choice(len(pairs), variables, replace=False):
        dag[pairs[k]] = True
    weight = dag * rng.uniform(0.5, 1.5, dag.shape) * rng.choice([-1, 1], dag.shape)
    return order, weight, pairs
