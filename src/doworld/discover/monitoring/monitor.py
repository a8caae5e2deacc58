r"""When the mechanisms of a running world stop being what they were, without looking ahead.

Each mechanism is learned in normal operation. The surprise z_t of a new row given the causes of the
row (``discover.monitoring.predictive``) becomes a normal score by its rank among held-out rows of
normal operation, once with its sign (the answer) and once without (the size of the noise):

    s_t = Φ⁻¹(rank of z_t),     S = mean of the last ℓ scores / its spread in normal operation

for ℓ = 1, 2, 4, …, 64: a scan over window lengths (Siegmund & Venkatraman 1995, "Using the
generalized likelihood ratio statistic for sequential detection of a change-point"). Scores bound
what one odd row can do, and the spread of a mean of ℓ rows, measured in normal operation, holds for
rows that depend on each other. From n rows of normal operation that spread has ν = 3n/2ℓ freedoms
(overlapping batch means; Meketon & Schmeiser 1984), so S is judged by Student's t of ν freedoms,
and an alarm asks for

    p ≤ chance / (horizon · number of scores · number of lengths)

so that false alarms, in any mechanism, have the chance asked for within ``horizon`` rows
(Bonferroni: less than that, as windows overlap).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from scipy import special, stats

from doworld._core.errors import DataError, QueryError, SchemaError
from doworld.data import Role, Trajectories
from doworld.discover.monitoring.predictive import FEWEST_ROWS, same_variables, surprises
from doworld.graph import CausalGraph

__all__ = ["Alarm", "Watched", "detect_changes"]

LENGTHS = (1, 2, 4, 8, 16, 32, 64)
FEWEST_WINDOWS = 8
"""Windows of normal operation behind the spread of their means, at least."""
OVERLAP = 1.5
"""Freedoms that overlapping windows have for each one that they would have apart."""


@dataclass(frozen=True)
class Alarm:
    """A change noticed.

    Attributes:
        episode: label of the episode.
        row: the row of that episode at which it was noticed; nothing later was looked at.
        time: of that row.
        since: the first row of the window that gave it away.
        variables: whose mechanisms were beyond the limit there, the surest first.
        p_value: of the surest, before the correction for the number of looks.
        rows: for how many rows the state of alarm lasted, gaps of a window's length bridged.
    """

    episode: str
    row: int
    time: float
    since: int
    variables: tuple[str, ...]
    p_value: float
    rows: int


@dataclass(frozen=True, eq=False)
class Watched:
    """What watching a log found.

    Attributes:
        alarms: in order of episode and row.
        evidence: −log p of the surest mechanism in each row of the log.
        limit: what ``evidence`` must exceed.
        variables: the mechanisms watched.
        notes: what could not be watched, in words.
    """

    alarms: tuple[Alarm, ...]
    evidence: Float[np.ndarray, " rows"]
    limit: float
    variables: tuple[str, ...]
    notes: tuple[str, ...]


def detect_changes(
    normal: Trajectories,
    log: Trajectories,
    graph: CausalGraph,
    *,
    chance: float = 0.05,
    horizon: int = 1000,
) -> Watched:
    """Watches a log row by row for mechanisms that are not as in normal operation.

    Args:
        normal: a log of usual operation, of one regime.
        log: what is watched; no row is judged by later ones.
        graph: which variable acts on which, found in ``normal`` or given by hand.
        chance: of a false alarm within ``horizon`` rows.
        horizon: see there.

    Raises:
        SchemaError: the logs have different variables, or no time.
        UnknownNameError: the graph names a variable that they do not have.
        QueryError: ``chance`` is not between 0 and 1, or ``horizon`` below 1.
        DataError: no mechanism has enough rows of normal operation.

    >>> from doworld.worlds.changes import ChangingWorld
    >>> world = ChangingWorld(3, changes=1, static=False, seed=1)
    >>> usual, other = (rules.collect(1, 400, seed=s) for s, rules in enumerate(world.rules))
    >>> calm = detect_changes(usual, world.rules[0].collect(1, 400, seed=5), world.graph)
    >>> calm.alarms, detect_changes(usual, other, world.graph).alarms[0].variables[0]
    ((), 'z1')
    """
    _check(normal, log, graph, chance, horizon)
    roles = {v.name: v.role for v in normal.schema.variables}
    usual: list[np.ndarray] = []
    now: list[np.ndarray] = []
    names: list[str] = []
    left: list[str] = []
    for name in graph.names:
        if roles[name] is Role.CONTEXT:
            continue
        before, after = surprises(normal, log, name, graph.parents(name), online=True)
        if np.isfinite(before).any(1).sum() < FEWEST_ROWS:
            left.append(name)
            continue
        usual.append(before)
        now.append(after)
        names += [name] * before.shape[1]
    if not names:
        raise DataError(
            f"no mechanism has the {FEWEST_ROWS} complete rows of normal operation that watching "
            "it asks for. Log more of it."
        )
    z, new = np.concatenate(usual, 1), np.concatenate(now, 1)
    scan = _Scan.of(z, normal)
    limit = float(np.log(horizon * scan.looks / chance))
    evidence, length = scan(new, log)
    alarms = _alarms(log, names, evidence, length, limit)
    return Watched(alarms, evidence.max(1), limit, tuple(dict.fromkeys(names)), _notes(left))


def _check(
    normal: Trajectories, log: Trajectories, graph: CausalGraph, chance: float, horizon: int
) -> None:
    same_variables(normal, log, graph)
    if log.schema.static or normal.schema.static:
        raise SchemaError(
            "a static table has no time in which something could change. Name the time column, or "
            "compare two tables with localise_change()."
        )
    if not 0 < chance < 1 or horizon < 1:
        raise QueryError(
            f"chance is {chance} and horizon {horizon}, but a chance lies between 0 and 1 and a "
            "horizon is a number of rows. Use 0.05 and 1000."
        )


def _notes(left: list[str]) -> tuple[str, ...]:
    if not left:
        return ()
    shown = ", ".join(map(repr, left[:5])) + (" and more" if len(left) > 5 else "")
    return (
        f"{shown}: not watched, as normal operation has fewer than {FEWEST_ROWS} complete rows.",
    )


@dataclass(frozen=True, eq=False)
class _Scan:
    """Means of scores over the last rows, in units of their spread in normal operation.

    Attributes:
        signed, sizes: z and |z| of normal operation, sorted; one row a mechanism.
        spread: of the means of signed scores and of scores of sizes, for each length.
        lengths: ℓ, as far as normal operation is long enough.
        freedom: ν of each length.
    """

    signed: tuple[Float[np.ndarray, " _"], ...]
    sizes: tuple[Float[np.ndarray, " _"], ...]
    spread: Float[np.ndarray, "lengths two mechanisms"]
    lengths: tuple[int, ...]
    freedom: tuple[float, ...]

    @classmethod
    def of(cls, z: Float[np.ndarray, "rows mechanisms"], normal: Trajectories) -> "_Scan":
        known = [np.sort(c[np.isfinite(c)]) for c in z.T]
        sizes = [np.sort(np.abs(c)) for c in known]
        count = min(len(c) for c in known)
        lengths = tuple(n for n in LENGTHS if count >= n * FEWEST_WINDOWS)
        scores = _scores(z, known, sizes)
        one = scores.std(1)
        spread = []
        for length in lengths:
            parts = [_means(scores[:, a:b], length) for a, b in pairwise(normal.starts)]
            means = np.concatenate([p[:, length - 1 :] for p in parts], 1)
            measured = np.sqrt((means**2).mean(1)) if means.shape[1] else np.inf * one
            spread.append(np.maximum(measured, one / np.sqrt(length)))
        freedom = tuple(OVERLAP * count / n for n in lengths)
        return cls(tuple(known), tuple(sizes), np.array(spread), lengths, freedom)

    @property
    def looks(self) -> int:
        """How many statistics are looked at in each row."""
        return 2 * len(self.signed) * len(self.lengths)

    def __call__(
        self, z: Float[np.ndarray, "rows mechanisms"], log: Trajectories
    ) -> tuple[Float[np.ndarray, "rows mechanisms"], Int[np.ndarray, "rows mechanisms"]]:
        """−log p of each mechanism in each row, and the length of the window behind it."""
        scores = _scores(z, self.signed, self.sizes)
        best, chosen = np.zeros(z.shape), np.ones(z.shape, np.int64)
        for k, length in enumerate(self.lengths):
            means = np.concatenate(
                [_means(scores[:, a:b], length) for a, b in pairwise(log.starts)], 1
            )
            size = np.abs(means) / np.maximum(self.spread[k][:, None], 1e-12)
            value = -(np.log(2) + stats.t.logsf(size, self.freedom[k]).min(0))
            better = value > best
            best[better], chosen[better] = value[better], length
        return best, chosen


def _scores(
    z: Float[np.ndarray, "rows mechanisms"],
    signed: tuple[np.ndarray, ...] | list[np.ndarray],
    sizes: tuple[np.ndarray, ...] | list[np.ndarray],
) -> Float[np.ndarray, "two rows mechanisms"]:
    """Normal scores of z and of |z| by rank, about their mean in normal operation; 0 if unknown."""
    out = np.zeros((2, *z.shape))
    for half, values, known in ((0, z, signed), (1, np.abs(z), sizes)):
        for j, own in enumerate(known):
            usual = _ranked(own, own).mean()
            out[half, :, j] = _ranked(values[:, j], own) - usual
    return np.where(np.isfinite(z)[None], out, 0.0)


def _ranked(values: Float[np.ndarray, " rows"], known: np.ndarray) -> np.ndarray:
    low, high = (np.searchsorted(known, values, side) for side in ("left", "right"))
    return special.ndtri(((low + high) / 2 + 0.5) / (len(known) + 1))


def _means(
    scores: Float[np.ndarray, "two rows mechanisms"], length: int
) -> Float[np.ndarray, "two rows mechanisms"]:
    """The mean of the last ``length`` rows; 0 in the first rows, which have fewer before them."""
    total = np.cumsum(np.concatenate([np.zeros_like(scores[:, :1]), scores], 1), 1)
    out = np.zeros_like(scores)
    if scores.shape[1] >= length:
        out[:, length - 1 :] = (total[:, length:] - total[:, :-length]) / length
    return out


def _alarms(
    log: Trajectories,
    names: list[str],
    evidence: Float[np.ndarray, "rows mechanisms"],
    length: Int[np.ndarray, "rows mechanisms"],
    limit: float,
) -> tuple[Alarm, ...]:
    """The spells of rows beyond the limit, each by its first row."""
    out = []
    for number, (a, b) in enumerate(pairwise(log.starts.tolist())):
        beyond = np.flatnonzero(evidence[a:b].max(1) > limit) + a
        breaks = np.flatnonzero(np.diff(beyond) > LENGTHS[-1]) + 1
        for spell in np.split(beyond, breaks) if len(beyond) else ():
            row = int(spell[0])
            order = np.argsort(-evidence[row], kind="stable")
            over = [names[j] for j in order if evidence[row, j] > limit]
            window = int(length[row, order[0]])
            out.append(
                Alarm(
                    log.labels[number],
                    row - a,
                    float(log.times[row]),
                    max(row - a - window + 1, 0),
                    tuple(dict.fromkeys(over)),
                    float(np.exp(-evidence[row].max())),
                    int(spell[-1]) - row + 1,
                )
            )
    return tuple(out)
