"""Necessity and sufficiency of a binary cause: PN, PS and PNS."""

from dataclasses import dataclass

import numpy as np

from doworld._core.errors import QueryError
from doworld.infer.bounding.bound import Bound
from doworld.infer.bounding.confidence import clopper_pearson
from doworld.infer.bounding.counts import Counts
from doworld.infer.bounding.diagram import Diagram
from doworld.infer.bounding.potential import Expression, Outcome, Potential, Term
from doworld.infer.bounding.program import Experiment, linear_program

__all__ = ["Causation", "tian_pearl"]


@dataclass(frozen=True)
class Causation:
    """Bounds of the three probabilities of causation.

    Attributes:
        pn: P(Y₀ = 0 | X = 1, Y = 1): without the cause, the effect would not have been.
        ps: P(Y₁ = 1 | X = 0, Y = 0): with the cause, it would have been.
        pns: P(Y₁ = 1, Y₀ = 0): both.
    """

    pn: Bound
    ps: Bound
    pns: Bound


def tian_pearl(
    counts: Counts | None,
    treatment: str,
    outcome: str,
    *,
    trial: Counts | None = None,
    rising: bool = False,
    level: float = 0.95,
) -> Causation:
    """Bounds of PN, PS and PNS from a log, a trial, or both (Tian & Pearl 2000).

    With y_x the event Y₁ = 1, y_x' the event Y₀ = 1, both kinds of data give

        max(0, P(y_x) − P(y_x'), P(y) − P(y_x'), P(y_x) − P(y)) ≤ PNS
            ≤ min(P(y_x), 1 − P(y_x'), P(x, y) + P(x', y'),
                  P(y_x) − P(y_x') + P(x, y') + P(x', y))

    and like forms for PN and PS. ``rising`` (the cause never prevents the effect) makes them
    points where P(y_x) and P(y_x') are known.

    Args:
        counts: of the log, in which anything may have moved the treatment; None where there is
            only a trial, which says nothing of PN and PS by itself.
        trial: counts in which the treatment was set at random. A log without confounding is its
            own trial: hand it in twice.
        level: chance that [low, high] covers each bound.

    Raises ``UnknownNameError`` and ``QueryError`` for names or levels that do not fit.

    >>> log = Counts(("X", "Y"), np.array([[80.0, 20], [30, 70]]))
    >>> found = tian_pearl(log, "X", "Y", trial=log)
    >>> round(found.pns.lower, 3), round(found.pns.upper, 3)
    (0.5, 0.7)
    """
    if counts is None and trial is None:
        raise QueryError("there is neither a log nor a trial. Give at least one table of counts.")
    tables = [None if t is None else _binary(t, treatment, outcome) for t in (counts, trial)]
    log, arms = tables
    ends = _Ends.of(log, arms, rising)
    if log is None:
        limits = _trial_alone(arms, level, rising)
    else:
        limits = _programs(log, arms, treatment, outcome, rising, level)
    assumed = (f"{treatment} never prevents {outcome}.",) if rising else ()
    return Causation(
        *(
            Bound(
                lower=lower,
                upper=max(upper, lower),
                low=min(limits[name][0], lower),
                high=max(limits[name][1], upper),
                level=level,
                method="Tian–Pearl",
                assumptions=assumed,
                refuted=limits[name][2],
            )
            for name, (lower, upper) in (
                ("pn", _within(ends.pn())),
                ("ps", _within(ends.ps())),
                ("pns", _within(ends.pns())),
            )
        )
    )


def _binary(counts: Counts, treatment: str, outcome: str) -> Counts:
    table = counts.marginal((treatment, outcome))
    if table.table.shape != (2, 2):
        raise QueryError(
            f"{treatment!r} and {outcome!r} have {table.table.shape[0]} and "
            f"{table.table.shape[1]} levels. PN, PS and PNS are of two binary variables: merge "
            "levels first."
        )
    return table


def _within(ends: tuple[float, float]) -> tuple[float, float]:
    low, high = (float(np.clip(e, 0.0, 1.0)) for e in ends)
    return low, high


@dataclass(frozen=True)
class _Ends:
    """The closed forms; ``p[x, y]`` of the log, ``done`` = least and greatest (P(y_x'), P(y_x))."""

    p: np.ndarray | None
    least: np.ndarray
    most: np.ndarray
    rising: bool

    @classmethod
    def of(cls, log: Counts | None, arms: Counts | None, rising: bool) -> "_Ends":
        p = None if log is None else log.table / log.total
        if arms is not None:
            rows = arms.table.sum(1)
            if (rows == 0).any():
                raise QueryError("an arm of the trial is empty. Give a trial with both arms.")
            done = arms.table[:, 1] / rows
            return cls(p, done, done, rising)
        assert p is not None
        least = p[:, 1].copy()
        most = 1 - p[:, 0]
        if rising:  # Y₁ ≥ Y ≥ Y₀
            least[1], most[0] = p[:, 1].sum(), p[:, 1].sum()
        return cls(p, least, most, rising)

    def pns(self) -> tuple[float, float]:
        (a0, a1), (b0, b1) = self.least, self.most
        if self.p is None:
            upper = min(b1, 1 - a0)
            return max(0.0, a1 - b0), (b1 - a0 if self.rising else upper)
        y, agree = self.p[:, 1].sum(), self.p[1, 1] + self.p[0, 0]
        lower = max(0.0, a1 - b0, y - b0, a1 - y)
        if self.rising:
            return lower, min(b1 - a0, agree)
        return lower, min(b1, 1 - a0, agree, b1 - a0 + 1 - agree)

    def pn(self) -> tuple[float, float]:
        if self.p is None or self.p[1, 1] == 0:
            return 0.0, 1.0
        y = self.p[:, 1].sum()
        low = (y - self.most[0]) / self.p[1, 1]
        spare = y - self.least[0] if self.rising else 1 - self.least[0] - self.p[0, 0]
        return low, spare / self.p[1, 1]

    def ps(self) -> tuple[float, float]:
        if self.p is None or self.p[0, 0] == 0:
            return 0.0, 1.0
        y = self.p[:, 1].sum()
        low = (self.least[1] - y) / self.p[0, 0]
        spare = self.most[1] - y if self.rising else self.most[1] - self.p[1, 1]
        return low, spare / self.p[0, 0]


def _trial_alone(arms: Counts | None, level: float, rising: bool):
    """Limits from the exact limits of both arms; the forms move one way in each."""
    assert arms is not None
    rows = arms.table.sum(1)
    low, high = clopper_pearson(arms.table[:, 1], rows, (1 - level) / 2)
    ends = _within(_Ends(None, low, high, rising).pns())
    return {"pn": (0.0, 1.0, False), "ps": (0.0, 1.0, False), "pns": (*ends, False)}


def _programs(log: Counts, arms: Counts | None, x: str, y: str, rising: bool, level: float):
    """Limits from linear programs over the cells' limits."""
    diagram = Diagram((x, y), ((x, y),), ((x, y),))

    def fact(a: int) -> tuple[Outcome, Outcome]:
        return Outcome(Potential(x), a), Outcome(Potential(y), a)

    without, with_it = Outcome(Potential(y, {x: 0}), 0), Outcome(Potential(y, {x: 1}), 1)
    asked = {
        "pn": Expression((Term(1.0, (without,)),), fact(1)),
        "ps": Expression((Term(1.0, (with_it,)),), fact(0)),
        "pns": Expression((Term(1.0, (with_it, without)),)),
    }
    arm = [] if arms is None else [(v, Counts((y,), arms.table[v])) for v in (0, 1)]
    trials = [Experiment({x: v}, table) for v, table in arm]
    out = {}
    for name, expression in asked.items():
        bound = linear_program(
            log,
            diagram,
            expression,
            rising=((x, y),) if rising else (),
            experiments=trials,
            level=level,
        )
        out[name] = (bound.low, bound.high, bound.refuted)
    return out
