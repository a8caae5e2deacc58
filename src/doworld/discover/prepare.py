"""What in a log can be used, and what the log forbids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from doworld._core.errors import DataError, GraphError
from doworld.data import Kind, Policy, Role, Trajectories
from doworld.data.freedom import freedom
from doworld.discover.numerics.standard import Standardised
from doworld.discover.time.design import Block
from doworld.graph import Prior, Reason, Unidentified

__all__ = [
    "Usable",
    "check_count",
    "check_required",
    "constants",
    "independent",
    "lonely",
    "unidentified",
    "usable",
]

FEWEST_ROWS = 20
COLLINEAR = 1e-10


@dataclass(frozen=True)
class Usable:
    """Variables that vary, and what cannot be known of those that do not."""

    names: tuple[str, ...]
    unidentified: tuple[Unidentified, ...]


def usable(log: Trajectories) -> Usable:
    """Leaves out variables that are empty or never vary, and says what that forbids.

    Raises ``DataError`` where nothing is left to explain.
    """
    facts = constants(log)
    idle = {fact.variable for fact in facts}
    names = tuple(name for name in log.schema.names if name not in idle)
    if not any(log.schema[n].role is not Role.CONTEXT for n in names):
        raise DataError(
            "no state variable varies in this log, so there is nothing to explain. "
            "Check which columns were given as state."
        )
    return Usable(names, facts)


def constants(log: Trajectories) -> tuple[Unidentified, ...]:
    """The variables that are empty or never vary."""
    facts = []
    for variable in log.schema.variables:
        values = log.column(variable.name)
        known = values[np.isfinite(values)]
        name = variable.name
        if not known.size:
            message = (
                f"{name!r} has no values at all and was left out: no edge to or from it can be "
                "found. Drop the column or read the right one."
            )
            facts.append(Unidentified(name, Reason.EMPTY, message))
        elif np.all(known == known[0]):
            message = (
                f"{name!r} is {variable.label(known[0])!s} in every row and was left out: its "
                f"effects cannot be learned from this log. "
            )
            if variable.role is Role.ACTION:
                message += "Log episodes in which it takes other values."
            elif variable.role is Role.STATE:
                message += "Log situations in which it moves, or drop it."
            else:
                message += "Log environments in which it differs."
            facts.append(Unidentified(name, Reason.CONSTANT, message))
    return tuple(facts)


def lonely(log: Trajectories) -> tuple[str, ...]:
    """Notes on variables that were observed in some of the environments only."""
    places = np.unique(log.environment)
    if len(places) < 2:
        return ()
    place = log.environment[log.episode_of_row]
    notes = []
    for name in log.schema.names:
        known = np.isfinite(log.column(name))
        seen = [e for e in places if known[place == e].any()]
        if 0 < len(seen) < len(places):
            where = ", ".join(log.schema.environments[e] for e in seen[:5])
            notes.append(
                f"{name!r} was observed in {len(seen)} of {len(places)} environments only "
                f"({where}): tests that need it rest on their rows, and what it does elsewhere "
                "cannot be told. Log it there too, or leave it out to use all rows fully."
            )
    return tuple(notes)


def check_rows(block: Block, log: Trajectories, max_lag: int) -> None:
    """Raises ``DataError`` where too few complete rows are left to test anything."""
    check_count(len(block.outcomes), log, max_lag)


def check_count(n: int, log: Trajectories, max_lag: int) -> None:
    """Raises ``DataError`` where ``n`` complete transitions, or rows of a table, are too few."""
    if n >= FEWEST_ROWS:
        return
    longest = int(np.diff(log.starts).max(initial=0))
    if longest <= max_lag:
        raise DataError(
            f"only {n} complete transitions are left: no episode has more than {longest} rows, so "
            f"nothing in one lies {max_lag} rows back. "
            f"Use max_lag={max(longest - 2, 1)} or less, drop required edges at longer lags, or "
            "log longer episodes."
        )
    share = log.missing.mean(0)
    worst = int(np.argmax(share))
    why = (
        f"{log.schema.names[worst]!r} is missing in {share[worst]:.0%} of the rows. Drop it, or "
        "fill it in."
        if share[worst] > 0.2
        else f"The log has {log.rows} rows in {len(log)} episodes. Log more or longer episodes"
        + (f", or lower max_lag (it is {max_lag})." if max_lag > 1 else ".")
    )
    raise DataError(
        f"only {n} complete {'rows' if log.schema.static else 'transitions'} are left, and "
        f"{FEWEST_ROWS} is the least to test an edge. {why}"
    )


def independent(
    block: Block, log: Trajectories, *, quiet: bool = False
) -> tuple[Block, list[Unidentified]]:
    """Drops candidates that are an exact linear combination of those before them.

    The order is states, contexts, actions, then longer lags, so the state stays and the action
    that was computed from it goes: no log can tell their effects apart.
    """
    columns = block.standardised
    size = np.maximum(block.inputs.max(0), -block.inputs.min(0))
    constant = columns.scale <= 1e-12 * np.maximum(size, 1e-300)
    dependent = constant | _combinations(columns, ~constant)
    lost = [i for i, c in enumerate(block.candidates) if any(dependent[k] for k in c.columns)]
    if not lost:
        return block, []
    facts = []
    for i in lost:
        candidate = block.candidates[i]
        if all(constant[k] for k in candidate.columns):
            continue
        if not quiet:
            facts.append(_collinear(block, log, i, lost))
    kept = [i for i in range(len(block.candidates)) if i not in lost]
    return block.keep(kept), facts


def _collinear(block: Block, log: Trajectories, lost: int, gone: list[int]) -> Unidentified:
    candidate = block.candidates[lost]
    earlier = [i for i in range(lost) if i not in gone]
    x = block.inputs[:, block.columns_of(earlier)]
    y = block.inputs[:, candidate.columns[0]]
    x, y = x - x.mean(0), y - y.mean()
    weight = np.abs(np.linalg.lstsq(x, y, rcond=None)[0]) * x.std(0) / max(y.std(), 1e-300)
    columns = {c: i for i in earlier for c in block.candidates[i].columns}
    places = list(columns)
    strong = {columns[places[k]] for k in np.flatnonzero(weight > 1e-4)}
    others = [block.candidates[i].name for i in sorted(strong)]
    twins = ", ".join(f"{name!r}" for name in others)
    role = log.schema[candidate.name].role
    message = (
        f"{candidate.name!r} at lag {candidate.lag} is an exact linear function of {twins} in this "
        f"log and was left out as a cause: an edge found from {twins} may be its doing. "
    )
    others = tuple(dict.fromkeys(others))
    if candidate.lag > 1:
        message += "The shorter lags say it all."
        return Unidentified(candidate.name, Reason.LAGS, message, others)
    fix = (
        "Log some actions chosen at random to tell them apart."
        if role is Role.ACTION
        else "Drop one of them, or log situations in which they differ."
    )
    return Unidentified(candidate.name, Reason.DETERMINED, message + fix, others)


def _combinations(columns: Standardised, live: np.ndarray) -> np.ndarray:
    """Which columns are linear combinations of earlier ones (Cholesky with skipped pivots)."""
    n, p = columns.table.shape
    square = columns.square() / n
    out = np.zeros(p, bool)
    try:
        pivots = np.diag(np.linalg.cholesky(square)) ** 2
        if pivots[live].min(initial=1) > 1e-8:
            return out
    except np.linalg.LinAlgError:
        pass
    if p >= n - 1:  # selection copes with these, and every column depends on the others
        near = np.triu(np.abs(square) > 1 - COLLINEAR, 1)
        return np.asarray(near.any(0))
    left = columns.part(slice(None)).copy()
    for i in range(p):
        size = float((left[:, i] ** 2).mean())
        if live[i] and size < COLLINEAR:
            out[i] = True
        elif live[i]:
            direction = left[:, i] / np.sqrt(size)
            left[:, i + 1 :] -= np.outer(direction, direction @ left[:, i + 1 :] / n)
    return out


def _nearly(action: str, free: float) -> Unidentified:
    message = (
        f"action {action!r} is almost a function of the state in this log: only {free:.0%} of its "
        f"variance is free, so what is said of do({action}) rests on the few rows in which it "
        "departed from its rule, and on the form of the model elsewhere; its intervals do not "
        f"hold that. Log rows in which {action} is varied at random, and learn again."
    )
    return Unidentified(action, Reason.NEARLY, message)


def deterministic_actions(
    log: Trajectories, unexplained: Mapping[str, float], known: Sequence[Unidentified]
) -> list[Unidentified]:
    """Actions that the log makes a function of what was seen, or almost, unless that was ``known``.

    ``unexplained`` holds the share of an action's variance that the tests' own models leave; they
    see smooth laws, ``data.freedom`` also thresholds and saturation.
    """
    facts = []
    said = {f.variable for f in known}
    for each in freedom(log):
        name = each.name
        levels = log.schema[name].kind is Kind.CATEGORICAL
        share = 1.0 if levels else unexplained.get(name, 1.0)
        if name in said or not each.varies:
            continue
        if share > 1e-4 and not each.fixed:
            if each.nearly_fixed:
                facts.append(_nearly(name, min(share, each.free)))
            continue
        share = min(share, float(np.nan_to_num(each.free, nan=1.0)))
        message = (
            f"action {name!r} is a function of the state in this log (all but "
            f"{share:.1g} of its variance is explained): its effects cannot be told from the "
            "state's own, and do() on it reaches outside the data. Log some actions chosen at "
            "random."
        )
        facts.append(Unidentified(name, Reason.DETERMINED, message))
    return facts


def unidentified(log: Trajectories) -> tuple[Unidentified, ...]:
    """What a log cannot say whatever its graph: variables that never vary, actions that follow.

    For graphs that were given, not found. Which linear combinations of other variables hide an
    effect depends on the lags tried, so ``discover`` alone looks for those.
    """
    idle = constants(log)
    if log.schema.policy is Policy.RANDOMISED:
        return idle
    return (*idle, *deterministic_actions(log, {}, idle))


def check_required(prior: Prior, log: Trajectories, max_lag: int) -> None:
    """Raises ``GraphError`` where required edges contradict a role or the longest lag."""
    for pair in prior.required:
        lag = pair[2] if len(pair) == 3 else 1
        if log.schema[pair[1]].role is Role.CONTEXT:
            raise GraphError(
                f"edge {pair[0]} → {pair[1]} is required, but {pair[1]!r} is a context, which "
                "nothing in the log causes. Drop the edge or make it a state."
            )
        if lag > max_lag:
            raise GraphError(
                f"edge {pair[0]} → {pair[1]} is required at lag {lag}, but max_lag is {max_lag}. "
                "Raise max_lag."
            )
