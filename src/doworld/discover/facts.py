"""What discovery sees in a log, as numbers: the conditions of the rule table are about these."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum

import numpy as np
from jaxtyping import Float
from scipy import stats

from doworld.data import Kind, Policy, Role, Trajectories
from doworld.data.freedom import freedom
from doworld.discover.numerics.standard import standardise
from doworld.discover.time.assess import SELECTED_TEST, Assessment
from doworld.discover.time.design import Block

__all__ = ["Facts", "Method", "Seen", "drift", "facts_of"]

MOST_CELLS = 2_000_000
"""Numbers of a table that the comparison of its halves looks at."""


class Method(StrEnum):
    """How the edges were looked for."""

    LAGGED = "tests of every lag given all others"
    LEVERS = "actions that set levels by force, read as experiments"
    COUNTS = "search of orders by tables of counts"
    LINES = "search of orders by linear regressions"
    MIXED = "the same with levels as indicators"
    SMOOTH = "search of orders by smooth regressions"
    SHARED = "search of orders along which environments share mechanisms"
    INDEPENDENCE = "tests of independence alone"
    GIVEN = "a method that was given"

    @property
    def of_tables(self) -> bool:
        """Whether it is for static tables."""
        return self not in (Method.LAGGED, Method.LEVERS)


@dataclass
class Seen:
    """What the steps of one run take down for the rule table as they go."""

    method: Method = Method.LAGGED
    test: str = ""
    asked: bool = False
    bends: bool | None = None
    compared: bool = True
    lags: int = 0
    lags_chosen: bool = False
    linear: list[str] = field(default_factory=list)
    bent: list[str] = field(default_factory=list)
    unexplained: list[float] = field(default_factory=list)
    drift: float = float("nan")
    drifting: str = ""
    rows: int = 0
    leftover: float = float("nan")
    within: bool = False
    tests: int = 0
    skipped: int = 0
    cut: float = float("nan")
    selected: bool = False
    testwise: bool = False

    def watch(self, block: Block, found: Assessment) -> None:
        """Takes down what the models of a block say, and whether the halves of its rows differ."""
        for target, straight in zip(block.targets, found.linear, strict=True):
            (self.linear if straight else self.bent).append(target.name)
        self.unexplained += found.unexplained.tolist()
        self.rows = max(self.rows, len(block.outcomes))
        self.testwise |= block.holes is not None
        self.selected |= any(t.startswith(SELECTED_TEST) for t in found.tests.test)
        columns = [t.name for t in block.targets for _ in t.columns]
        every = max(1, block.outcomes.size // MOST_CELLS)
        changes, _ = standardise(block.thinned(every).increments(range(len(columns)))[:])
        residual = found.residual[::every]
        p, worst = drift(residual, changes - residual, columns)
        if np.isnan(self.drift) or p < self.drift:
            self.drift, self.drifting = p, worst


def drift(
    residual: Float[np.ndarray, "rows outcomes"],
    fitted: Float[np.ndarray, "rows outcomes"],
    names: Sequence[str],
) -> tuple[float, str]:
    """Whether what models leave differs between the first and the second half of the rows.

    Welch's t-test of the means of e, e² and e·f, which levels, noise and answers move, for each
    column (residual e and fitted f, trimmed at three standard deviations), the smallest p-value
    times the number of tests (Bonferroni); and whose it is.
    """
    n = len(residual) // 2
    if n < 20 or not len(names):
        return float("nan"), ""
    scale = residual.std(0)
    live = scale > 1e-12
    e = np.clip(residual / np.where(live, scale, 1.0), -3, 3)
    size = fitted.std(0)
    f = np.clip(fitted / np.where(size > 1e-12, size, 1.0), -3, 3)
    both = np.concatenate([e, e**2, e * f], 1)
    one, other = both[:n], both[n:]
    gap = one.mean(0) - other.mean(0)
    error = np.sqrt(one.var(0) / len(one) + other.var(0) / len(other))
    t = np.where(error > 1e-12, np.abs(gap) / np.maximum(error, 1e-12), 0.0)
    p = 2 * stats.norm.sf(t)
    best = int(np.argmin(p))
    return float(min(p[best] * len(p), 1.0)), names[best % len(names)]


@dataclass(frozen=True)
class Facts:
    """The numbers that rules are about; a share is 0…1, NaN is what could not be measured.

    Attributes:
        static: whether each row stands for itself.
        episodes, rows, variables, idle: counts; ``idle`` variables never vary.
        continuous, counts, binary, categorical, levels: kinds, and the most levels of a variable.
        missing, complete: share of cells without a value, and rows that tests can use.
        ties: the largest share of one value of a number.
        bent, targets: targets with a bent answer, among all.
        noise: median share of a target's variance that is left unexplained; ``exact`` targets
            have next to none.
        drift: p-value of equal halves.
        environments, smallest: how many, and the rows of the smallest.
        actions, free: how many, and the least share of one's variance that the state leaves free.
        randomised: whether actions were chosen at random.
        lags, back, leftover, tests, skipped, cut, chances: of the tests.
        test: what a method by tests of independence asks; ``asked`` says that a method was given.
        bends: whether a table shows bends; None where that was not looked for.
        compared: whether environments of a table were compared.
    """

    static: bool
    method: Method
    test: str
    asked: bool
    bends: bool | None
    compared: bool
    episodes: int
    rows: int
    variables: int
    idle: int
    continuous: int
    counts: int
    binary: int
    categorical: int
    levels: int
    missing: float
    complete: int
    ties: float
    bent: int
    targets: int
    noise: float
    exact: int
    drift: float
    drifting: str
    environments: int
    smallest: int
    actions: int
    free: float
    randomised: bool
    lags: int
    back: str
    lags_chosen: bool
    leftover: float
    within: bool
    tests: int
    skipped: int
    cut: float
    chances: int
    fdr: float
    selected: bool
    testwise: bool

    def numbers(self, names: Sequence[str]) -> tuple[tuple[str, float], ...]:
        """Some of them by name, as the table shows them."""
        known = {f.name for f in fields(self)}
        return tuple((n.replace("_", " "), float(getattr(self, n))) for n in names if n in known)


def facts_of(
    log: Trajectories, names: Sequence[str], seen: Seen, *, fdr: float, chances: int
) -> Facts:
    """What a log and a run over its variables ``names`` show."""
    schema = log.schema
    kinds = [schema[n].kind for n in names]
    place = log.environment[log.episode_of_row]
    sizes = np.unique(place, return_counts=True)[1]
    actions = [n for n in names if schema[n].role is Role.ACTION]
    randomised = schema.policy is Policy.RANDOMISED
    free = [f.free for f in freedom(log) if f.varies] if actions and not randomised else []
    left = seen.unexplained
    return Facts(
        static=schema.static,
        method=seen.method,
        test=seen.test,
        asked=seen.asked,
        bends=seen.bends,
        compared=seen.compared,
        episodes=len(log),
        rows=log.rows,
        variables=len(schema.names),
        idle=len(schema.names) - len(names),
        continuous=kinds.count(Kind.CONTINUOUS),
        counts=kinds.count(Kind.COUNT),
        binary=kinds.count(Kind.BINARY),
        categorical=kinds.count(Kind.CATEGORICAL),
        levels=max((schema[n].levels for n in names), default=0),
        missing=float(log.missing.mean()),
        complete=seen.rows,
        ties=_ties(log, names),
        bent=len(seen.bent),
        targets=len(seen.linear) + len(seen.bent),
        noise=float(np.nanmedian(left)) if np.isfinite(left).any() else float("nan"),
        exact=sum(v < 1e-6 for v in left),
        drift=seen.drift,
        drifting=seen.drifting,
        environments=len(sizes),
        smallest=int(sizes.min()),
        actions=len(actions),
        free=float(np.nanmin(free)) if np.isfinite(free).any() else float("nan"),
        randomised=randomised,
        lags=seen.lags,
        back="1 row" if seen.lags == 1 else f"{seen.lags} rows",
        lags_chosen=seen.lags_chosen,
        leftover=seen.leftover,
        within=seen.within,
        tests=seen.tests,
        skipped=seen.skipped,
        cut=seen.cut,
        chances=chances,
        fdr=fdr,
        selected=seen.selected,
        testwise=seen.testwise,
    )


def _ties(log: Trajectories, names: Sequence[str]) -> float:
    """The largest share of rows in which a number takes the same value, next to all others."""
    share = 0.0
    for name in names:
        if log.schema[name].kind is Kind.CONTINUOUS:
            known = log.column(name)
            known = known[np.isfinite(known)]
            counts = np.unique(known, return_counts=True)[1]
            share = max(share, float(counts.max() / max(len(known), 1)))
    return share
