"""The value of another policy: sepsis logs with and without a hidden confounder, and open-bandit.

The sepsis simulator gives the exact value of every policy; the logged file was made by the same
program with a policy that saw the diabetes that the file hides.
"""

import argparse
from dataclasses import replace

import numpy as np
import polars as pl

import doworld as dw
from _table import Row, data_folder
from doworld.data import Policy, Trajectories
from doworld.discover.latent.suspicion import suspected
from doworld.infer.offpolicy.steps import steps_of
from doworld.infer.offpolicy.target import target_of
from doworld.infer.policy_value import value_from_log
from doworld.query import Case, PolicyValue, Rules
from doworld.worlds.sepsis_simulator import ACTIONS, SepsisSimulator

STATES = ("hr", "sysbp", "percoxyg", "glucose", "antibiotic", "vaso", "vent")
LEVEL = 0.95


def _lean(likely: float) -> dict[str, float]:
    return {"1": likely, "0": 1 - likely}


def _policies() -> dict[str, dict[str, Rules]]:
    abx, vaso, vent = ACTIONS

    def when(name: str, level: object, then: float, otherwise: float) -> Rules:
        case = Case(when={name: level}, then=_lean(then))
        return Rules(cases=(case,), otherwise=_lean(otherwise))

    return {
        "uniform": dict.fromkeys(ACTIONS, Rules(otherwise=_lean(0.5))),
        "everything mostly": dict.fromkeys(ACTIONS, Rules(otherwise=_lean(0.8))),
        "by the signs": {
            abx: when("hr", "2", 0.9, 0.2),
            vaso: when("sysbp", "0", 0.9, 0.2),
            vent: when("percoxyg", 0.0, 0.9, 0.2),
        },
        "antibiotics only": {
            abx: Rules(otherwise=1.0),
            vaso: Rules(otherwise=0.0),
            vent: Rules(otherwise=0.0),
        },
        "few vasopressors": {vaso: Rules(otherwise=_lean(0.2))},
    }


def _truth(world: SepsisSimulator, policies: dict[str, Rules], logging: np.ndarray) -> float:
    """The exact value; actions without a policy are chosen as the logging policy chooses them."""
    count = len(world.states)
    every = Trajectories(
        schema=replace(world.schema, step=0.0),
        values=np.concatenate([world.states.astype(float), np.zeros((count, 4))], 1),
        starts=np.arange(count + 1),
        times=np.zeros(count),
        environment=np.zeros(count, np.int64),
        terminated=np.zeros(count, bool),
        truncated=np.ones(count, bool),
        labels=tuple(map(str, range(count))),
    )
    left = [n for n in ACTIONS if n not in policies]
    own = {**policies, **dict.fromkeys(left, Rules(otherwise=_lean(0.5)))}
    chance = target_of(every, steps_of(every, actions=ACTIONS), own).chance
    if left:
        cube = chance.reshape(count, 2, 2, 2)
        done = tuple(1 + ACTIONS.index(n) for n in left)
        asked = cube.sum(done, keepdims=True)
        behaved = np.broadcast_to(logging, (2, count, 8)).reshape(2, count, 2, 2, 2)
        rest = behaved.sum(tuple(2 + ACTIONS.index(n) for n in policies), keepdims=True)
        return world.value((asked[None] * rest).reshape(2, count, 8))
    return world.value(chance)


def logged_file() -> Trajectories:
    """The file, its last states appended; the hidden diabetes is not in it."""
    table = pl.read_csv(data_folder() / "sepsis-logs" / "log.csv.gz").sort("episode", "t")
    done = [pl.lit(None, dtype=pl.Int64).alias(a) for a in ACTIONS]
    ends = (
        table.group_by("episode", maintain_order=True)
        .last()
        .select(
            "episode",
            pl.col("t") + 1,
            *[pl.col(f"next_{n}").alias(n) for n in STATES],
            *done,
            pl.lit(None, dtype=pl.Float64).alias("reward"),
            (pl.col("reward") != 0).alias("terminated"),
        )
    )
    body = table.select(
        "episode", "t", *STATES, *ACTIONS, "reward", pl.lit(False).alias("terminated")
    )
    schema = SepsisSimulator().schema
    levels = {v.name: v for v in schema.variables if v.name in STATES}
    whole = pl.concat([body, ends], how="vertical_relaxed").sort("episode", "t")
    signs = [pl.col(n).cast(pl.String) for n in STATES if levels[n].categories]
    return dw.Trajectories.from_frame(
        whole.with_columns(signs),
        state=STATES,
        action=ACTIONS,
        reward="reward",
        episode="episode",
        time="t",
        terminated="terminated",
        variables=levels,
    )


def _agreement(log: Trajectories) -> float:
    """The largest gap between logged and simulated chances of a move, signs without diabetes."""
    world, worst = SepsisSimulator(), 0.0
    values = {n: log.column(n) for n in log.schema.names}
    last = np.zeros(log.rows, bool)
    last[log.starts[1:] - 1] = True
    at = np.flatnonzero(~last)
    for sign, lever, going, place, bit in (
        ("hr", "do_antibiotic", "antibiotic", 0, 4),
        ("percoxyg", "do_ventilation", "vent", 2, 1),
    ):
        for was in (0, 1):
            for done in (0, 1):
                state = np.zeros(7, int)
                state[STATES.index(going)] = was
                truth = world.matrices(0, state, done * bit)[place]
                here = at[(values[going][at] == was) & (values[lever][at] == done)]
                for level, chances in enumerate(truth):
                    mine = here[values[sign][here] == level]
                    if len(mine) < 500:
                        continue
                    seen = np.bincount(values[sign][mine + 1].astype(int), minlength=len(chances))
                    worst = max(worst, float(np.abs(seen / len(mine) - chances).max()))
    return worst


def _values(name: str, log, world, logging, policies, *, confounded: bool) -> tuple[list[Row], int]:
    rows, held = [], 0
    for title, own in policies.items():
        answer = value_from_log(log, PolicyValue(policies=own, level=LEVEL))
        truth = None if logging is None else _truth(world, own, logging)
        series, details = answer["reward"], answer.details
        by_name = {r.name: r for r in details.readings}
        lower, upper = series.lower[0], series.upper[0]
        inside = truth is not None and lower <= truth <= upper
        named = any("glucose" in w and "confounder" in w for w in answer.why.warnings)
        held += inside
        beside = {
            "truth": f"{truth:.3f}",
            "WDR": f"{by_name['weighted doubly robust'].estimate:.3f}",
            "table": f"{by_name['by table (Markov)'].estimate:.3f}",
            "no assumptions": f"{details.readings[-1].lower:.2f}…{details.readings[-1].upper:.2f}",
            "weighed episodes": f"{details.effective:.0f}",
        }
        reached = f"{answer.status.value} {lower:.3f}…{upper:.3f}"
        if details.strength:
            reached += f", Λ={details.strength:g}"
        if confounded:
            reached += ", diabetes' glucose named" if named else ", no confounder named"
        asked = "holds the truth" + ("; the confounder named" if confounded else "")
        good = inside and (named or not confounded)
        rows.append(Row(f"{name}: {title}", asked, reached, good, beside))
    return rows, held


def rows(options: argparse.Namespace) -> list[Row]:
    world, every = SepsisSimulator(), _policies()
    everyone = {n: p for n, p in every.items() if len(p) == len(ACTIONS)}
    file = logged_file()
    found = suspected(file)
    out = [
        Row(
            "sepsis-logs: the simulator moves as the file (signs without diabetes)",
            "largest gap of a chance small",
            f"{_agreement(file):.3f}",
            _agreement(file) < 0.04,
            {"rows": f"{file.rows:,}"},
        ),
        Row(
            "sepsis-logs: unobserved confounder suspected",
            "yes, glucose named",
            f"p = {found.p_value:.1g}: {', '.join(found.actions)} by {', '.join(found.states)}",
            found.suspected and "glucose" in found.states,
        ),
    ]
    blind = np.zeros((2, len(world.states), 8))  # not read: every action has a policy
    out += _values("sepsis-logs", file, world, blind, everyone, confounded=True)[0]
    count = 1500 if options.quick else 4000
    fired = {True: 0, False: 0}
    held = {True: 0, False: 0}
    asked = {True: 0, False: 0}
    seeds = range(1 if options.quick else options.seeds)
    for sees in (True, False):
        logging = world.best(sees_diabetes=sees, random=0.2)
        for seed in seeds:
            log = world.collect(count, logging, seed=seed)
            fired[sees] += suspected(log).suspected
            some = every if seed == 0 else everyone
            own, good = _values(
                f"simulated, policy {'saw' if sees else 'did not see'} diabetes",
                log,
                world,
                logging,
                some,
                confounded=sees,
            )
            out += own if seed == 0 else []
            held[sees] += good
            asked[sees] += len(some)
    null = 5 if options.quick else 40
    blind_policy = world.best(sees_diabetes=False, random=0.2)
    alarms = sum(
        suspected(world.collect(800, blind_policy, seed=500 + s)).suspected for s in range(null)
    )
    out += [
        Row(
            "simulated: truth inside, all seeds",
            "every policy",
            f"{held[True]}/{asked[True]} confounded, {held[False]}/{asked[False]} not",
            held[True] == asked[True] and held[False] >= 0.9 * asked[False],
            seeds=len(seeds),
        ),
        Row(
            "simulated: suspicion fires",
            "confounded always, else at most 5 %",
            f"{fired[True]}/{len(seeds)} confounded; false alarms {alarms}/{null}",
            fired[True] == len(seeds) and alarms <= max(1, 0.05 * null),
            seeds=null,
        ),
    ]
    return out + _bandit_rows(options)


def _bandit(campaign: str) -> tuple[Trajectories, dict[str, Rules]]:
    folder = data_folder() / "open-bandit" / "bts" / campaign
    table = pl.read_csv(folder / f"{campaign}.csv.gz")
    users = [f"user_feature_{k}" for k in range(4)]
    frame = table.select(
        *users,
        pl.col("position").cast(pl.String),
        pl.format("item{}", pl.col("item_id")).alias("item"),
        pl.col("click").cast(pl.Float64),
        (pl.col("propensity_score")).alias("p"),
    )
    log = dw.Trajectories.from_frame(
        frame,
        state=[*users, "position"],
        action="item",
        reward="click",
        propensity="p",
        policy=Policy.KNOWN,
    )
    items = log.schema["item"].categories
    uniform = Rules(otherwise={i: 1 / len(items) for i in items})
    clicked = frame.group_by("item").agg(pl.col("click").sum(), pl.len())
    top = clicked.sort(pl.col("click") / (pl.col("len") + 50), descending=True)["item"][
        :5
    ].to_list()
    return log, {"uniform": uniform, "five most clicked": Rules(otherwise=dict.fromkeys(top, 0.2))}


def _words(series) -> str:
    return f"{series.estimate[0]:.4f} ({series.lower[0]:.4f}…{series.upper[0]:.4f})"


def _bandit_rows(options: argparse.Namespace) -> list[Row]:
    out = []
    for campaign in ("men", "women"):
        log, policies = _bandit(campaign)
        clicked = log.column("click")
        first, second = log.select(range(0, len(log), 2)), log.select(range(1, len(log), 2))
        shown = log.column("item").astype(int)
        items = log.schema["item"].categories
        share = np.bincount(shown[::2], minlength=len(items)) / len(shown[::2])
        same = {i: float(s) for i, s in zip(items, share, strict=True)}
        for title, policy in {**policies, "item shares of one half": Rules(otherwise=same)}.items():
            query = PolicyValue(policies={"item": policy}, level=LEVEL)
            answer = value_from_log(first, query)
            other = value_from_log(second, query)
            a, b = answer["click"], other["click"]
            by_name = {r.name: r for r in answer.details.readings}
            agree = a.lower[0] <= b.upper[0] and b.lower[0] <= a.upper[0]
            out.append(
                Row(
                    f"open-bandit {campaign}: {title}",
                    "the halves agree",
                    f"{answer.status.value} {_words(a)}",
                    agree,
                    {
                        "other half": _words(b),
                        "IPS": f"{by_name['importance sampling'].estimate:.4f}",
                        "SNIPS": f"{by_name['self-normalised importance sampling'].estimate:.4f}",
                        "logged": f"{clicked.mean():.4f}",
                        "weighed rows": f"{answer.details.effective:.0f} of {len(first)}",
                    },
                )
            )
    return out
