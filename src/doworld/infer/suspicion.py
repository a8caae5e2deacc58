"""Did whoever chose the logged actions see something that the log does not hold?

A policy that looks at the logged row alone makes the action independent of the past given that row.
A hidden variable that lasts and that the policy sees leaves a trace: where the world was more
restless than its average at the same state and action (because of the hidden variable), actions
lean away from their average at the same state later on (because the policy sees it).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import chi2

from doworld._core.errors import QueryError
from doworld.data import Policy, Trajectories
from doworld.infer.offpolicy.held_out import ridge_means, stratum_means
from doworld.infer.offpolicy.steps import Steps, codes_of, steps_of

__all__ = ["Suspicion", "remembers", "suspected"]

LEVEL = 0.01
FEWEST = 5
"""Rows of other episodes with the same state from which a mean is taken."""

MEMORY = 3.0
"""Rows of nothing unusual that stand before each episode, so that short pasts count less."""


@dataclass(frozen=True)
class Suspicion:
    """Whether the logging policy saw something hidden that also moves the world.

    Attributes:
        suspected: the test fired.
        tested: whether it could be tested at all.
        actions: the actions that lean on something hidden.
        states: the states whose past surprises tell of it.
        p_value: of the test over all of them.
        level: at which it fires.
        rows: how many steps it is based on.
        reason: in words.
    """

    suspected: bool
    tested: bool
    actions: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    p_value: float = float("nan")
    level: float = LEVEL
    rows: int = 0
    reason: str = ""


def suspected(log: Trajectories, *, level: float = LEVEL) -> Suspicion:
    """Tests whether past surprises of the world predict present actions, given the present state.

    With r = A_t − E[A_t | S_t], e = Y_{t+1} − E[Y_{t+1} | S_t, A_t] for every next state and for
    whether it moved at all, and H_t the mean of past e,

        D_i = Σ_t r_t (H_t − E[H_t | S_t])     by episode i,     n D̄ᵀ V⁻¹ D̄ ~ χ²

    if actions depend on the past through S_t alone. Means come from other episodes (a generalised
    covariance measure, Shah & Peters 2020, with cross-fitting); V is the covariance of D_i over
    episodes. A policy that uses older rows, which the log does hold, leaves the same trace.

    Args:
        log: episodes over time. A table, or a log whose actions are declared randomised or of
            known propensity, is not tested.
        level: chance of an alarm where there is nothing.
    """
    said = _untestable(log)
    if said:
        return Suspicion(False, False, level=level, reason=said)
    try:
        steps = steps_of(log)
    except QueryError as error:
        return Suspicion(False, False, level=level, reason=str(error))
    chosen, owner, told = _leaning(steps)
    if not chosen.shape[1]:
        reason = (
            "The actions follow from the logged state without exception, so a hidden cause of "
            "them would leave no trace."
        )
        return Suspicion(False, False, level=level, rows=len(steps), reason=reason)
    past, about, known, _ = _surprises(steps)
    score = _scores(steps, chosen * told[:, None], _centred(steps, past) * told[:, None])
    if len(score) < 3 * score.shape[1]:
        reason = f"There are too few episodes or rows ({len(steps)}) to test it."
        return Suspicion(False, False, level=level, rows=len(steps), reason=reason)
    total = _p_value(score)
    actions = _named(score, [a for a in owner for _ in about], steps.done_names, level)
    states = _named(score, [s for _ in owner for s in about], steps.seen_names, level)
    fired = total < level
    return Suspicion(
        suspected=fired,
        tested=True,
        actions=actions if fired else (),
        states=states if fired else (),
        p_value=total,
        level=level,
        rows=int(known),
        reason=_words(fired, total, actions, states),
    )


def remembers(log: Trajectories, *, level: float = LEVEL) -> Suspicion:
    """Tests whether past surprises of the world predict present ones, given state and action.

    They do where a hidden variable lasts: the logged state then does not hold all that decides what
    comes next, whoever chose the actions. ``states`` are those that it moves.
    """
    try:
        steps = steps_of(log)
    except QueryError as error:
        return Suspicion(False, False, level=level, reason=str(error))
    if log.schema.static:
        return Suspicion(False, False, level=level, reason="A table has no past.")
    past, about, known, now = _surprises(steps)
    mean, told = _means(steps, [steps.seen, steps.done], past)
    score = _scores(steps, now, np.where(told[:, None], past - mean, 0.0))
    if len(score) < 3 * score.shape[1] or not score.size:
        return Suspicion(False, False, level=level, reason="There are too few rows to test it.")
    total = _p_value(score)
    states = _named(score, [a for a in about for _ in about], steps.seen_names, level)
    p = "p < 1e-6" if total < 1e-6 else f"p = {total:.2g}"
    fired = total < level
    reason = f"Nothing hidden seems to last from row to row ({p})."
    if fired:
        reason = (
            f"Something hidden that lasts moves {', '.join(states) or 'the states'}: past "
            f"surprises predict later ones at the same state and action ({p})."
        )
    return Suspicion(fired, True, (), states if fired else (), total, level, known, reason)


def _untestable(log: Trajectories) -> str:
    if log.schema.static:
        return "A table without time holds no past that could tell of a hidden cause of actions."
    if log.schema.policy is Policy.RANDOMISED:
        return "The actions are declared to be randomised."
    if log.schema.policy is Policy.KNOWN and log.propensity is not None:
        return "The logging policy is declared to be known."
    return ""


def _means(steps: Steps, given: list[np.ndarray], values: np.ndarray):
    """Held-out means of ``values``, and where there are enough rows to take one."""
    found = codes_of(*given)
    if found is None:
        return ridge_means(np.concatenate(given, 1), values, steps.fold)
    mean, count = stratum_means(found[0], values, steps.fold)
    return mean, count >= FEWEST


def _leaning(steps: Steps) -> tuple[np.ndarray, list[str], np.ndarray]:
    """r: actions less what the state says of them; the action behind each column; where told."""
    parts, owner = [], []
    for n, name in enumerate(steps.done_names):
        column = steps.done[:, n]
        values = np.unique(column)
        few = len(values) <= 12
        marks = column[:, None] == values[None, 1:] if few else column[:, None] / _spread(column)
        parts.append(marks.astype(float))
        owner += [name] * parts[-1].shape[1]
    values = np.concatenate(parts, 1)
    mean, told = _means(steps, [steps.seen], values)
    rest = values - mean
    spread = rest[told].std(0) if told.any() else np.zeros(values.shape[1])
    free = spread > 1e-3
    return rest[:, free], [o for o, f in zip(owner, free, strict=True) if f], told


def _surprises(steps: Steps) -> tuple[np.ndarray, list[str], int, np.ndarray]:
    """H, the mean surprise so far in the episode; the state behind each column; rows; surprises."""
    parts, about = [], []
    for n, name in enumerate(steps.seen_names):
        now, after = steps.seen[:, n], steps.next[:, n]
        after = np.where(np.isnan(after), now, after)
        if (after == after[0]).all():
            continue
        scale = _spread(after)
        few = len(np.unique(after)) <= 12
        moved = (after != now).astype(float) if few else np.abs(after - now) / scale
        parts += [moved, after / scale]
        about += [name, name]
    values = np.stack(parts, 1) if parts else np.zeros((len(steps), 0))
    mean, told = _means(steps, [steps.seen, steps.done], values)
    surprise = np.where(told[:, None], values - mean, 0.0)
    before = np.cumsum(surprise, 0) - surprise
    first = np.flatnonzero(np.diff(steps.episode, prepend=-1))
    lengths = np.diff(np.append(first, len(steps)))
    before -= np.repeat(before[first], lengths, 0)
    elapsed = np.arange(len(steps)) - np.repeat(first, lengths)
    return before / (elapsed + MEMORY)[:, None], about, int(told.sum()), surprise


def _spread(column: np.ndarray) -> float:
    return float(column.std()) or 1.0


def _centred(steps: Steps, past: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    mean, told = _means(steps, [steps.seen], past)
    return np.where(told[:, None], past - mean, 0.0)


def _scores(steps: Steps, chosen: np.ndarray, past: np.ndarray) -> np.ndarray:
    """D by episode; by row where there are few episodes, since rows are then uncorrelated too."""
    product = (chosen[:, :, None] * past[:, None, :]).reshape(len(steps), -1)
    if steps.episodes < max(50, 5 * product.shape[1]):
        return product
    first = np.flatnonzero(np.diff(steps.episode, prepend=-1))
    return np.add.reduceat(product, first, axis=0)


def _p_value(score: Float[np.ndarray, "n k"]) -> float:
    """The chance of a mean score as far from 0 if there is nothing."""
    size = len(score)
    mean, spread = score.mean(0), score.std(0)
    kept = spread > 1e-12
    if not kept.any():
        return 1.0
    unit = mean[kept] / spread[kept]
    correlation = np.atleast_2d(np.corrcoef(score[:, kept].T))
    values, vectors = np.linalg.eigh(correlation)
    fine = values > 1e-6
    along = vectors[:, fine].T @ unit / np.sqrt(values[fine])
    return float(chi2.sf(size * (along**2).sum(), int(fine.sum())))


def _named(score, labels, names, level: float) -> tuple[str, ...]:
    """The names whose own scores fire, each at its share of the level; most certain first."""
    labels = np.array(labels)
    own = {n: _p_value(score[:, labels == n]) for n in names if (labels == n).any()}
    firing = [n for n, p in own.items() if p < level / len(own)]
    return tuple(sorted(firing, key=lambda n: own[n]))


def _words(fired: bool, p_value: float, actions, states) -> str:
    p = "p < 1e-6" if p_value < 1e-6 else f"p = {p_value:.2g}"
    if not fired:
        return f"No trace of a hidden cause of the actions was found ({p})."
    what = ", ".join(actions) or "the actions"
    where = ", ".join(states) or "the states"
    return (
        f"Something that the log does not hold seems to have moved both {what} and {where}: past "
        f"surprises of {where} predict {what} beyond the present state ({p}). An unobserved "
        "confounder is suspected; or the policy used older rows than the present one."
    )
