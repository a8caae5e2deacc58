"""Logs from worlds whose edges are known."""

import numpy as np

from doworld.data import Kind, Role, Schema, Trajectories, Variable

CARTPOLE = {
    *(("x", "x"), ("v", "x"), ("v", "v"), ("th", "v"), ("w", "v"), ("a", "v"), ("g", "v")),
    *(("l", "v"), ("th", "th"), ("w", "th"), ("w", "w"), ("th", "w"), ("a", "w"), ("g", "w")),
    ("l", "w"),
}
PENDULUM = {(s, t) for t in ("cos", "sin") for s in ("cos", "sin", "thd", "u")} | {
    ("sin", "thd"),
    ("thd", "thd"),
    ("u", "thd"),
}


def make_log(episodes, *, state, action=(), context=(), kinds=None, step=1.0):
    """``episodes`` are arrays of rows; columns are states, actions, contexts."""
    kinds = kinds or {}
    roles = [Role.STATE] * len(state) + [Role.ACTION] * len(action) + [Role.CONTEXT] * len(context)
    names = [*state, *action, *context]
    schema = Schema(
        tuple(
            Variable(n, role=r, kind=kinds.get(n, Kind.CONTINUOUS))
            for n, r in zip(names, roles, strict=True)
        ),
        step=step,
    )
    lengths = [len(e) for e in episodes]
    n = len(episodes)
    return Trajectories(
        schema=schema,
        values=np.concatenate([np.asarray(e, float) for e in episodes]),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        times=np.concatenate([np.arange(k, dtype=float) for k in lengths]),
        environment=np.zeros(n, np.int64),
        terminated=np.zeros(n, bool),
        truncated=np.ones(n, bool),
        labels=tuple(str(i) for i in range(n)),
    )


def linear_world(matrix, rows, rng, *, noise=1.0):
    """x(t) = matrixᵀ x(t−1) + ε: ``matrix[i, j]`` is the effect of i on j."""
    d = len(matrix)
    x = np.zeros((rows + 50, d))
    for t in range(1, rows + 50):
        x[t] = x[t - 1] @ matrix + noise * rng.standard_normal(d)
    return x[50:]


def random_matrix(d, parents, rng):
    """Own past 0.5 and ``parents`` other causes each, stable."""
    matrix = np.eye(d) * 0.5
    for j in range(d):
        others = rng.choice([i for i in range(d) if i != j], parents, replace=False)
        matrix[others, j] = rng.choice([-1, 1], parents) * rng.uniform(0.2, 0.4, parents)
    radius = np.abs(np.linalg.eigvals(matrix)).max()
    return matrix * min(1.0, 0.9 / radius)


def cartpole(episodes, seed):
    """Random actions in nine environments of gravity and pole length."""
    import gymnasium as gym

    rng = np.random.default_rng(seed)
    world = gym.make("CartPole-v1").unwrapped
    out = []
    for _ in range(episodes):
        gravity, length = rng.choice([5.0, 9.8, 15.0]), rng.choice([0.3, 0.5, 0.8])
        world.gravity, world.length = gravity, length
        world.polemass_length = world.masspole * length
        seen, _ = world.reset(seed=int(rng.integers(2**31)))
        rows, over = [], False
        while not over:
            action = int(rng.integers(2))
            rows.append([*seen, action, gravity, length])
            seen, _, over, _, _ = world.step(action)
        out.append(np.array([*rows, [*seen, np.nan, gravity, length]]))
    return make_log(
        out,
        state=["x", "v", "th", "w"],
        action=["a"],
        context=["g", "l"],
        kinds={"a": Kind.BINARY},
    )


def pendulum(episodes, seed):
    """Random torques."""
    import gymnasium as gym

    rng = np.random.default_rng(seed)
    world = gym.make("Pendulum-v1").unwrapped
    out = []
    for _ in range(episodes):
        seen, _ = world.reset(seed=int(rng.integers(2**31)))
        rows = []
        for _ in range(200):
            action = rng.uniform(-2, 2, 1).astype(np.float32)
            rows.append([*seen, *action])
            seen = world.step(action)[0]
        out.append(np.array([*rows, [*seen, np.nan]]))
    return make_log(out, state=["cos", "sin", "thd"], action=["u"])


def pairs(graph, lag=1):
    """(source, target) of the directed edges at one lag."""
    return {(e.source, e.target) for e in graph.edges() if e.lag == lag and e.mark.value == "-->"}
