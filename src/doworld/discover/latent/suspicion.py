"""Did what chose the logged actions see more than was logged, and does something hidden last?

A policy that saw only the logged row s_t, and a world whose next row follows from row and action,

    a_t ⫫ s_{<t}, a_{<t} | s_t,        s_{t+1} ⫫ s_{<t}, a_{<t} | s_t, a_t,

forget. Where something unrecorded lasts, moves the action and moves a state, both fail: older rows
tell what the hidden cause is, to the action and to the state alike. So does a cause that was logged
with error. A controller with a memory of its own beside a state with one looks the same; saying
that the policy saw only logged values (``Policy.KNOWN``) rules the hidden cause out.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from doworld.data import Policy, Role, Trajectories
from doworld.discover.latent.older_rows import (
    Bends,
    Rows,
    Strata,
    bends_of,
    more,
    surprise,
    told_by,
)
from doworld.graph import Reason, Unidentified

__all__ = [
    "Suspicion",
    "Suspicions",
    "policies_that_saw_more",
    "remembers",
    "suspected",
    "suspicions",
]

SPANS = (1, 2)
"""How many rows before the present are asked, each by itself, beside all that surprised so far."""

CLOSED, MEMORY, MOVED = 0.01, 0.005, 0.1
"""p-values below which an action follows the states, remembers, and a state remembers too."""

LEAST_SHARE = 0.003
"""Share of the unexplained variance below which what older rows add to a regression is left alone:
its bends may have missed it. Combinations of levels miss nothing."""


@dataclass(frozen=True)
class Suspicion:
    """Whether something hidden was found.

    Attributes:
        suspected: the test fired.
        tested: whether it could be tested at all.
        actions: the actions that lean on something hidden, most certain first.
        states: the states that it moves, most certain first.
        p_value: of the clearest one, by Bonferroni.
        rows: how many rows it is based on.
        reason: in words.
    """

    suspected: bool
    tested: bool
    actions: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    p_value: float = float("nan")
    rows: int = 0
    reason: str = ""


class Suspicions(NamedTuple):
    """Of what chose the actions, and of the world; see ``suspected`` and ``remembers``."""

    policy: Suspicion
    world: Suspicion


def suspicions(log: Trajectories) -> Suspicions:
    """``suspected`` and ``remembers`` in one go."""
    found = _Older.of(log, _varying(log))
    if isinstance(found, str):
        none = Suspicion(False, False, reason=found)
        return Suspicions(_declared(log) or none, none)
    return Suspicions(_declared(log) or found.policy(), found.world())


def suspected(log: Trajectories) -> Suspicion:
    """Whether what chose the actions saw something that the log does not hold.

    Three tests of what older rows tell beyond the present one (``older_rows.more``), of every
    action: it follows the states, it remembers (p < 0.005 over the actions), and a state remembers
    too. A log whose policy is declared is not tested.
    """
    return suspicions(log).policy


def _declared(log: Trajectories) -> Suspicion | None:
    said = {
        Policy.RANDOMISED: "The actions are declared to be randomised.",
        Policy.KNOWN: "The logging policy is declared to have used logged values alone.",
    }.get(log.schema.policy)
    return None if said is None else Suspicion(False, False, reason=said)


def remembers(log: Trajectories) -> Suspicion:
    """Whether something hidden lasts, whoever chose the actions.

    The logged state then does not hold all that decides what comes next: older rows tell the next
    state beyond state and action. ``states`` are those that it moves.
    """
    return suspicions(log).world


def policies_that_saw_more(log: Trajectories, names: tuple[str, ...]) -> tuple[Unidentified, ...]:
    """The actions of an unknown policy that something unrecorded seems to move with the states.

    ``names`` are the variables that vary; see ``suspected``.
    """
    if log.schema.policy is not Policy.UNKNOWN:
        return ()
    found = _Older.of(log, names)
    if isinstance(found, str) or not found.moved(MOVED):
        return ()
    seen = found.policy()
    return tuple(_hidden(a, found.states) for a in found.actions if a in seen.actions)


def _varying(log: Trajectories) -> tuple[str, ...]:
    """The variables that are not the same in every row."""
    columns = {n: log.column(n) for n in log.schema.names}
    return tuple(n for n, c in columns.items() if len(np.unique(c[~np.isnan(c)])) > 1)


@dataclass(frozen=True, eq=False)
class _Older:
    """The tests of one log; each is made when it is asked for."""

    rows: Rows
    states: tuple[str, ...]
    actions: tuple[str, ...]
    contexts: tuple[str, ...]

    @classmethod
    def of(cls, log: Trajectories, names: tuple[str, ...]) -> "_Older | str":
        """The tests, or why there are none."""
        if log.schema.static:
            return "A table without time holds no past that could tell of something hidden."
        parts = [
            tuple(n for n in log.schema.of(role) if n in names)
            for role in (Role.STATE, Role.ACTION, Role.CONTEXT)
        ]
        states, actions, contexts = parts
        if not states or not actions:
            return "No state varies." if not states else "No action varies."
        rows = Rows.of(log, (*states, *actions, *contexts), max(SPANS), states)
        if rows is None:
            return "There are too few rows, or too many variables, to ask what older rows tell."
        return cls(rows, states, actions, contexts)

    @cached_property
    def acted(self) -> Bends | Strata:
        """What row and action say."""
        return told_by(self.rows, (*self.states, *self.contexts, *self.actions))

    @cached_property
    def spans(self) -> list[np.ndarray]:
        """What older rows hold: the last one, the last two, and how all so far surprised."""
        names = (*self.states, *self.actions)
        near = [self.rows.block(names, range(1, back + 1)) for back in SPANS]
        parts = [f(n) for n in self.states for f in (self.rows.after, self.rows.moved)]
        return [*near, self.rows.so_far(surprise(np.hstack(parts), self.acted))]

    @cached_property
    def memory(self) -> dict[str, tuple[float, float]]:
        """``more`` of older rows by state, beyond row and action; (1, 0) where nothing is left."""
        return {
            name: self._clearest(self.rows.after(name), self.acted) or (1.0, 0.0)
            for name in self.states
        }

    def _clearest(self, outcomes, known) -> tuple[float, float] | None:
        """``more`` of the span that adds most clearly, Bonferroni over spans."""
        found = [m for span in self.spans if (m := more(outcomes, known, span)) is not None]
        if not found:
            return None
        p, share = min(found)
        return min(1.0, p * len(found)), share

    def world(self) -> Suspicion:
        """Does something hidden last."""
        p, count = min(self.memory.values())[0] * len(self.memory), len(self.rows.at)
        least = _least(self.acted)
        firing = tuple(n for n in self.moved(MEMORY) if self.memory[n][1] > least)
        reason = f"Nothing hidden seems to last from row to row ({_words(p)})."
        if firing:
            reason = (
                f"Something hidden that lasts moves {', '.join(firing)}: older rows tell what "
                f"comes next beyond state and action ({_words(p)})."
            )
        return Suspicion(bool(firing), True, (), firing, min(1.0, p), count, reason)

    def moved(self, level: float) -> tuple[str, ...]:
        """The states that remember, most certain first."""
        own = {n: p for n, (p, _) in self.memory.items() if p * len(self.memory) < level}
        return tuple(sorted(own, key=lambda n: own[n]))

    def policy(self) -> Suspicion:
        """Did what chose the actions see more than was logged."""
        count = len(self.rows.at)
        seen = told_by(self.rows, (*self.states, *self.contexts))
        least = _least(seen)
        found = {a: self._clearest(self.rows.now(a), seen) for a in self.actions}
        told = {a: m for a, m in found.items() if m is not None}
        if not told:
            return Suspicion(False, False, rows=count, reason=_SURE)
        p = min(1.0, min(m[0] for m in told.values()) * len(self.actions))
        moved = self.moved(MOVED)
        level = MEMORY / len(self.actions)
        leaning = [a for a, (q, s) in told.items() if moved and q < level and s > least]
        leaning = [a for a in leaning if self._follows(a)]
        if not leaning:
            reason = f"No trace of a hidden cause of the actions was found ({_words(p)})."
            return Suspicion(False, True, p_value=p, rows=count, reason=reason)
        actions = tuple(sorted(leaning, key=lambda a: told[a][0]))
        states = self.moved(MEMORY) or moved
        p = min(1.0, told[actions[0]][0] * len(self.actions))
        reason = _saw_more(", ".join(actions), ", ".join(states), p)
        return Suspicion(True, True, actions, states, p, count, reason)

    def _follows(self, action: str) -> bool:
        """Whether states tell the action beyond what the actions before it do."""
        before = bends_of(self.rows.block(self.actions, range(1, max(SPANS) + 1)), bent=False)
        states = np.hstack([self.rows.block(self.states, [0]), self.spans[len(SPANS) - 1]])
        found = more(self.rows.now(action), before, states)
        return found is not None and found[0] < CLOSED


def _least(known: Bends | Strata) -> float:
    """The share of the unexplained variance that counts."""
    return 0.0 if isinstance(known, Strata) else LEAST_SHARE


_SURE = (
    "The actions follow from the logged state without exception, so a hidden cause of them would "
    "leave no trace."
)


def _words(p: float) -> str:
    return "p < 1e-6" if p < 1e-6 else f"p = {min(p, 1.0):.2g}"


def _saw_more(actions: str, states: str, p: float) -> str:
    return (
        f"Something that the log does not hold seems to have moved both {actions} and {states}: "
        f"older rows tell {actions} beyond the present state ({_words(p)}), and what comes next "
        "too. An unobserved confounder is suspected; or the policy used older rows than the "
        "present one."
    )


def _hidden(action: str, states: tuple[str, ...]) -> Unidentified:
    return Unidentified(
        action,
        Reason.POLICY,
        f"something unrecorded may move {action} and what it acts on: rows before the present one "
        f"still tell {action}, and the states after it, what the present row does not. Log what "
        f"{action} was chosen by, or rows in which it is random; if it was chosen by logged values "
        "alone, read the log with policy='known'.",
        states,
    )
