"""What rows older than the present still say: of a policy that saw more, of effects that come late.

A policy that saw only the logged row s_t, and a world whose next row follows from row and action,

    a_t ⫫ s_{<t}, a_{<t} | s_t,        s_{t+1} ⫫ s_{<t}, a_{<t} | s_t, a_t,

forget. Where something unrecorded lasts, moves the action and moves a state, both fail: older rows
tell what the hidden cause is, to the action and to the state alike. So does a cause that was logged
with error. A controller with a memory of its own beside a state with one looks the same; saying
that the policy saw only logged values (``Policy.KNOWN``) rules the hidden cause out.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import f as f_law

from doworld.data import Kind, Policy, Role, Trajectories
from doworld.graph import Reason, Unidentified

__all__ = ["late_effects", "policies_that_saw_more"]

SPANS, LATER = (1, 2), 5
"""How many rows before the present are asked, each by itself, and rows beyond the longest lag."""
CLOSED, MEMORY, MOVED = 0.01, 0.005, 0.1
"""p-values below which an action follows the states, remembers, and a state remembers too."""
LEAST_SHARE = 0.003
"""Share of the unexplained variance below which what older rows add is left alone."""
LATE_SHARE = 0.01
MOST_ROWS, MOST_VARIABLES, MOST_PRODUCTS = 20_000, 30, 8
HINGES = (0.2, 0.4, 0.6, 0.8)


def policies_that_saw_more(log: Trajectories, names: tuple[str, ...]) -> tuple[Unidentified, ...]:
    """The actions of an unknown policy that something unrecorded seems to move with the states.

    Asked by F-tests of what older rows add to a regression with bends on the present row; ``names``
    are the variables that vary. A log with too few rows or too many variables is not asked.
    """
    rows = _Rows.of(log, names, max(SPANS))
    states = [n for n in log.schema.of(Role.STATE) if n in names]
    actions = [n for n in log.schema.of(Role.ACTION) if n in names]
    if log.schema.policy is not Policy.UNKNOWN or rows is None or not states or not actions:
        return ()
    contexts = [n for n in log.schema.of(Role.CONTEXT) if n in names]
    spans = [rows.block([*states, *actions], range(1, back + 1)) for back in SPANS]
    acted = bent(rows.block([*states, *contexts, *actions], [0]))
    moved = [_clearest(rows.after(n), acted, spans)[0] for n in states]
    if min(moved) * len(states) > MOVED:
        return ()
    seen = bent(rows.block([*states, *contexts], [0]))
    out = []
    for name in actions:
        own = rows.now(name)
        others = rows.block(actions, range(1, max(SPANS) + 1))
        closed, _ = _more(own, others, np.hstack([rows.block(states, [0]), spans[-1]]))
        memory, share = _clearest(own, seen, spans)
        if closed < CLOSED and memory < MEMORY / len(actions) and share > LEAST_SHARE:
            out.append(_hidden(name, states))
    return tuple(out)


def _clearest(outcomes, known, spans) -> tuple[float, float]:
    """``_more`` of the span of rows that adds most clearly, Bonferroni over spans."""
    p, share = min(_more(outcomes, known, span) for span in spans)
    return min(1.0, p * len(spans)), share


def _hidden(action: str, states: list[str]) -> Unidentified:
    return Unidentified(
        action,
        Reason.POLICY,
        f"something unrecorded may move {action} and what it acts on: rows before the present one "
        f"still tell {action}, and the states after it, what the present row does not. Log what "
        f"{action} was chosen by, or rows in which it is random; if it was chosen by logged values "
        "alone, read the log with policy='known'.",
        tuple(states),
    )


def late_effects(
    log: Trajectories, names: tuple[str, ...], max_lag: int
) -> tuple[Unidentified, ...]:
    """The actions and states that still act after ``max_lag`` rows, more than all shorter lags say.

    Asked for where somebody else than the data chose ``max_lag``.
    """
    further = max_lag + LATER
    rows = _Rows.of(log, names, further)
    if rows is None:
        return ()
    effects = [n for n in log.schema.of(Role.STATE, Role.REWARD) if n in names]
    known = rows.block(list(names), range(max_lag))
    out = []
    for name in (n for n in log.schema.of(Role.ACTION) if n in names):
        more = rows.block([name], range(max_lag, further))
        tests = {e: _more(rows.after(e), known, more) for e in effects}
        late = [e for e, (p, s) in tests.items() if p < MEMORY / len(tests) and s > LATE_SHARE]
        if late:
            out.append(_late(name, late, max_lag))
    return tuple(out)


def _late(action: str, effects: list[str], max_lag: int) -> Unidentified:
    span = "1 row" if max_lag == 1 else f"{max_lag} rows"
    return Unidentified(
        action,
        Reason.LATE,
        f"{action} acts on {', '.join(effects)} later than {span}, the longest lag that was "
        "allowed. Raise max_lag, or leave it out so that the data decide.",
        tuple(effects),
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows t with ``back`` rows before and one after them in the same episode."""

    log: Trajectories
    at: Int[np.ndarray, " rows"]

    @classmethod
    def of(cls, log: Trajectories, names: tuple[str, ...], back: int) -> "_Rows | None":
        ends = zip(log.starts[:-1], log.starts[1:], strict=True)
        at = np.concatenate([np.arange(s + back, e - 1) for s, e in ends] or [np.zeros(0)])
        at = at.astype(np.int64)
        columns = [log.schema.position(n) for n in names]
        window = at[:, None] - np.arange(back + 1)
        whole = ~np.isnan(log.values[window][..., columns]).any((1, 2))
        states = [log.schema.position(n) for n in log.schema.of(Role.STATE, Role.REWARD)]
        whole &= ~np.isnan(log.values[at + 1][:, states]).any(1)
        at = at[whole]
        if len(at) > MOST_ROWS:
            at = at[np.linspace(0, len(at) - 1, MOST_ROWS).astype(np.int64)]
        wide = len(names) * (back + 2)
        return cls(log, at) if len(names) <= MOST_VARIABLES and len(at) >= 20 * wide else None

    def block(self, names: list[str], lags) -> Float[np.ndarray, "rows columns"]:
        """Columns of ``names`` so many rows before, levels as indicators."""
        parts = [self._column(n, self.at - lag) for lag in lags for n in names]
        return np.hstack(parts) if parts else np.zeros((len(self.at), 0))

    def now(self, name: str) -> Float[np.ndarray, "rows columns"]:
        """The variable at row t."""
        return self._column(name, self.at)

    def after(self, name: str) -> Float[np.ndarray, "rows columns"]:
        """The variable at row t + 1."""
        return self._column(name, self.at + 1)

    def _column(self, name: str, at: np.ndarray) -> Float[np.ndarray, "rows columns"]:
        variable = self.log.schema[name]
        column = self.log.values[at, self.log.schema.position(name)]
        if variable.kind in (Kind.CATEGORICAL, Kind.BINARY):
            return (column[:, None] == np.arange(1, max(variable.levels, 2))).astype(float)
        return column[:, None]


def bent(columns: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows features"]:
    """The columns, hinges at their quantiles and, of a few, their products."""
    parts = [columns]
    for column in columns.T:
        if len(np.unique(column[:200])) > len(HINGES):
            knots = np.quantile(column, HINGES)
            parts.append(np.maximum(column[:, None] - knots, 0.0))
    if columns.shape[1] <= MOST_PRODUCTS:
        first, second = np.triu_indices(columns.shape[1])
        parts.append(columns[:, first] * columns[:, second])
    return np.hstack(parts)


def _more(
    outcomes: Float[np.ndarray, "rows outcomes"],
    known: Float[np.ndarray, "rows known"],
    more: Float[np.ndarray, "rows more"],
) -> tuple[float, float]:
    """(p, share of the unexplained variance) of what ``more`` adds, the clearest outcome's.

    F = (Δ/k)/(rest/(n − p)), Bonferroni over outcomes; p is 1 where nothing is left to explain.
    """
    basis = _orthonormal(np.hstack([np.ones((len(known), 1)), known]))
    left = outcomes - basis @ (basis.T @ outcomes)
    own = more - basis @ (basis.T @ more)
    extra = _orthonormal(own, more.std(0))
    total, gained = (left**2).sum(0), ((extra.T @ left) ** 2).sum(0)
    spread = outcomes.var(0) * len(outcomes)
    free = len(known) - basis.shape[1] - extra.shape[1]
    open_ = total > 1e-9 * np.maximum(spread, 1e-300)
    if free < 1 or not extra.shape[1] or not open_.any():
        return 1.0, 0.0
    gained, total = gained[open_], total[open_]
    rest = np.maximum(total - gained, 1e-300)
    p = f_law.sf(gained / extra.shape[1] / (rest / free), extra.shape[1], free)
    best = int(np.argmin(p))
    return float(min(1.0, p[best] * len(p))), float(gained[best] / total[best])


def _orthonormal(columns: np.ndarray, scale: np.ndarray | None = None) -> np.ndarray:
    """An orthonormal basis of the columns' span, near repetitions left out."""
    size = columns.std(0) if scale is None else scale
    size = np.where(size > 0, size, np.maximum(np.abs(columns).max(0, initial=0.0), 1e-12))
    u, s, _ = np.linalg.svd(columns / size / np.sqrt(max(len(columns), 1)), full_matrices=False)
    return u[:, s > 1e-6]
