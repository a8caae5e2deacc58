"""Rollout speed of the learned dynamics, as a share of the machine's own matrix-product peak.

d variables with four parents each, networks of two hidden layers of 64, a batch of 1024 worlds over
50 rows, one member. Both numbers are measured in the same run: the best of several repeats.

    python benchmarks/rollout.py [--json FILE]
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from doworld._core.devices import prepare
from doworld.mechanisms import Coding, NeuralBank
from doworld.mechanisms.noise import GRID
from doworld.model.dynamics import Dynamics, World
from doworld.model.simulate import simulate

BATCH, STEPS, PARENTS, HIDDEN = 1024, 50, 4, 64
ASKED = 0.5


def dynamics(d: int) -> Dynamics:
    """Random stable networks: variable i has itself and three others as parents."""
    rng = np.random.default_rng(d)
    columns = np.array([[i, *(rng.choice(d, PARENTS - 1) if d > 1 else [i] * 3)] for i in range(d)])

    def leaf(*shape: int, spread: float) -> jnp.ndarray:
        return jnp.asarray(rng.normal(size=(1, d, *shape)) * spread, jnp.float32)

    def full(*shape: int, value: float) -> jnp.ndarray:
        return jnp.full((1, d, *shape), value, jnp.float32)

    bank = NeuralBank(
        targets=jnp.arange(d)[None],
        columns=jnp.asarray(columns + d)[None],  # lag 1
        mask=full(PARENTS, value=1.0),
        residual=full(value=1.0),
        scale=full(value=0.1),
        chain=full(PARENTS, value=0.0),
        shift=full(PARENTS, value=0.0),
        spread=full(PARENTS, value=1.0),
        skip=leaf(PARENTS, spread=0.1),
        weight1=leaf(PARENTS, HIDDEN, spread=0.5),
        bias1=leaf(HIDDEN, spread=0.1),
        weight2=leaf(HIDDEN, HIDDEN, spread=0.1),
        bias2=leaf(HIDDEN, spread=0.1),
        weight3=leaf(HIDDEN, 2, spread=0.1),
        bias3=leaf(2, spread=0.1),
        knots=jnp.broadcast_to(jnp.asarray(GRID, jnp.float32), (1, d, len(GRID))),
    )
    return Dynamics.of(
        (bank,),
        coding=Coding(jnp.arange(d), jnp.full(d, -1)),
        order=np.zeros(d, np.int32),
        lower=np.full(d, -5.0),
        upper=np.full(d, 5.0),
        max_lag=1,
    )


def flops(d: int) -> int:
    """Multiplications and additions of one batch's matrix products."""
    row = 2 * (PARENTS * HIDDEN + HIDDEN * HIDDEN + 2 * HIDDEN + PARENTS)
    return row * d * BATCH * STEPS


def best(run: Callable[[], jax.Array], repeats: int) -> float:
    """Seconds of the fastest of several runs, after one to compile."""
    run().block_until_ready()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run().block_until_ready()
        times.append(time.perf_counter() - start)
    return min(times)


def peak() -> float:
    """FLOP/s of a large float32 matrix product that uses every core."""
    size = 2048
    a = jnp.ones((size, size), jnp.float32)
    product = jax.jit(lambda x: x @ x)
    return 2 * size**3 / best(lambda: product(a), 8)


def rollouts(d: int) -> float:
    """FLOP/s of the batched rollout."""
    model = dynamics(d)
    start = jax.random.normal(jax.random.key(0), (BATCH, 1, d))
    rows = jnp.zeros((BATCH, STEPS, d))
    world = World(start, rows, jnp.ones_like(rows), rows)
    noise = model.draw_noise(jax.random.key(1), (BATCH, STEPS))
    return flops(d) / best(lambda: simulate(model, world, noise), 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    devices = prepare()
    table = []
    print(f"{devices} host devices; asked: at least {ASKED:.0%} of the matrix-product peak")
    print(f"{'d':>5} {'peak GFLOP/s':>13} {'rollout GFLOP/s':>16} {'M steps/s':>10} {'share':>7}")
    for d in (8, 32, 128):
        top, own = peak(), rollouts(d)
        top = max(top, peak())
        rate = own / flops(d) * BATCH * STEPS / 1e6
        table.append({"d": d, "peak": top, "rollout": own, "share": own / top, "asked": ASKED})
        print(f"{d:>5} {top / 1e9:>13.1f} {own / 1e9:>16.1f} {rate:>10.2f} {own / top:>7.1%}")
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
