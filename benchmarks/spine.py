"""The spine's whole table by one command: what was asked beside what was reached.

    python benchmarks/spine.py [PART …] [--quick] [--json FILE] [--resume]

tour: the tour's checks over seeds. speed: rollouts against the matrix-product peak. control:
CartPole and Pendulum from random transitions. drone, tclab, hvac, hvac-lead: real logs held out,
beside ARX and FROLS. coverage: 90 % intervals on held-out episodes. ``--quick`` takes one seed and
few episodes, and leaves out the coverage of hvac. The table is stored after every part; parts run
alone replace their own rows of a stored table.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

import control
import intervals
import real_logs
import rollout
from _table import Row, interval, parts
from doworld._core.devices import prepare
from doworld.session.tour import Check
from doworld.session.tour import run as run_tour


def tour(quick: bool) -> list[Row]:
    """One row a check; ``reached`` lists the seeds."""
    runs = [run_tour(seed=seed) for seed in range(1 if quick else 3)]
    rows = []
    for same in zip(*(r.checks for r in runs), strict=True):
        checks: tuple[Check, ...] = same
        first = checks[0]
        rows.append(
            Row(
                f"tour: {first.name}",
                first.promised,
                "; ".join(c.measured for c in checks),
                all(c.passed for c in checks),
                {k: "; ".join(c.beside[k] for c in checks) for k in first.beside},
                len(checks),
                first.detail,
            )
        )
    return rows


def controls(quick: bool) -> list[Row]:
    """Mean return of ours, the baselines beside it."""
    seeds, episodes = (1, 5) if quick else (3, 20)
    rows = []
    for world in control.worlds():
        results = {a: control.run(world, a, range(seeds), episodes) for a in control.ARMS}
        ours = results["ours"]
        mean, half = interval([float(np.mean(r)) for r in ours["returns"]])
        rows.append(
            Row(
                f"{world.name} from {world.transitions:,} random transitions, mean return",
                f"≥ {world.reach:g}",
                f"{mean:.1f} ± {half:.1f}",
                mean >= world.reach,
                {a: f"{r['mean']:.1f}" for a, r in results.items() if a != "ours"},
                seeds,
                f"{ours['step_ms']:.1f} ms a step",
            )
        )
    return rows


def covers(quick: bool) -> list[Row]:
    """90 % intervals on episodes that the model never saw."""
    seeds = 1 if quick else 3
    rows = intervals.worlds(seeds) + intervals.drone(seeds)
    return rows if quick else rows + intervals.hvac(1)


def speed(quick: bool) -> list[Row]:
    """Rollouts as a share of the same run's matrix-product peak."""
    rows = []
    for d in (8, 32) if quick else (8, 32, 128):
        top, own = rollout.peak(), rollout.rollouts(d)
        share = own / max(top, rollout.peak())
        rows.append(
            Row(
                f"rollout, {d} variables, batch 1024 × 50 rows",
                f"≥ {rollout.ASKED:.0%} of the matrix-product peak",
                f"{share:.0%}",
                share >= rollout.ASKED,
                {"peak": f"{top / 1e9:.0f} GFLOP/s", "rollout": f"{own / 1e9:.0f} GFLOP/s"},
            )
        )
    return rows


PARTS: dict[str, Callable[[bool], list[Row]]] = {
    "tour": tour,
    "speed": speed,
    "control": controls,
    "drone": lambda quick: real_logs.drone(1 if quick else 3),
    "tclab": lambda quick: real_logs.tclab(1 if quick else 3),
    "coverage": covers,
    "hvac": lambda quick: real_logs.hvac(1, lead=False),
    "hvac-lead": lambda quick: real_logs.hvac(1, lead=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("which", nargs="*", choices=[[], *PARTS], default=[])
    parser.add_argument("--quick", action="store_true", help="one seed, few episodes")
    parser.add_argument("--json", type=Path, default=Path("results/spine.json"))
    parser.add_argument("--resume", action="store_true", help="leave out what this code has run")
    options = parser.parse_args()
    prepare()
    every = {name: partial(part, options.quick) for name, part in PARTS.items()}
    settings = "--quick" if options.quick else ""
    parts("The spine", every, options.which, options.json, settings=settings, resume=options.resume)


if __name__ == "__main__":
    main()
