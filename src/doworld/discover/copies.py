"""Variables that repeat others: exact copies over time, and near functions of others in a row.

A direction, or which of two causes acts, is read from situations in which variables differ. Where
one is a function of others, faithfulness fails (Spirtes, Glymour and Scheines 2000): independencies
hold that no graph implies, and edges may be missing or stand in for each other.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from scipy import special

from doworld.data import Kind, Role, Trajectories
from doworld.discover.numerics.standard import standardise
from doworld.graph import Edge, Evidence, Mark, Prior, Reason, Unidentified

__all__ = ["copied_edges", "copy_fact", "nearly_determined", "state_copies"]

SAME = 1e-10
NEAR = 0.01
"""Share of a variable's variance left by others of its row below which it nearly follows them."""
MOST_ROWS, MOST_VARIABLES = 1000, 100
FEW = 200
TEST = "the same content in every row"


def state_copies(log: Trajectories, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """(copy, original) of states with the same content but for scale and shift, or for names.

    Levels are compared as they are numbered. Missing values must be the same.
    """
    own = [n for n in names if log.schema[n].role is Role.STATE]
    alike = np.asarray(_alike(log, own))
    out: dict[str, str] = {}
    for j, name in enumerate(own):
        for i in np.flatnonzero(alike[:j, j]).tolist():
            if own[i] not in out and _same(log, own[i], name):
                out[name] = own[i]
                break
    return tuple(out.items())


def _alike(log: Trajectories, names: Sequence[str]) -> Bool[np.ndarray, "n n"]:
    """The pairs that may have the same content, by a few rows of each."""
    rows = np.unique(np.linspace(0, log.rows - 1, FEW).astype(int))
    at = [log.schema.position(n) for n in names]
    few = np.nan_to_num(log.values[rows][:, at])
    few = few - few.mean(0)
    size = np.linalg.norm(few, axis=0)
    few = few / np.where(size > 0, size, 1.0)
    still = size == 0
    return np.asarray(np.abs(few.T @ few) > 1 - 1e-6) | np.asarray(np.outer(still, still))


def _same(log: Trajectories, one: str, other: str) -> bool:
    a, b = log.column(one), log.column(other)
    known = np.isfinite(a)
    if not np.array_equal(known, np.isfinite(b)) or known.sum() < 2:
        return False
    a, b = a[known], b[known]
    if log.schema[one].kind is Kind.CATEGORICAL or log.schema[other].kind is Kind.CATEGORICAL:
        return log.schema[one].kind is log.schema[other].kind and np.array_equal(a, b)
    if np.array_equal(a, b):
        return True
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return size > 0 and abs(float(a @ b)) / size > 1 - SAME


def copy_fact(copy: str, kept: str) -> Unidentified:
    """What a copy forbids."""
    note = (
        f"{copy!r} is an exact linear function of {kept!r} in this log and was left out as a "
        f"cause: an edge found from {kept!r} may be its doing. Drop one of them, or log situations "
        "in which they differ."
    )
    return Unidentified(copy, Reason.DETERMINED, note, (kept,))


def copied_edges(
    copies: Sequence[tuple[str, str]], edges: Sequence[Edge], prior: Prior, rows: int
) -> list[Edge]:
    """The edges of copies: an open one to the original, and from earlier rows all of its causes."""
    out: list[Edge] = []
    known = {(e.source, e.target, e.lag) for e in edges}
    known |= {(e.target, e.source, 0) for e in edges if e.lag == 0}
    for copy, kept in copies:
        proof = Evidence(TEST, np.nan, np.nan, rows)
        either = prior.allows(kept, copy, 0) and prior.allows(copy, kept, 0)
        if either and (kept, copy, 0) not in known:
            out.append(Edge(kept, copy, 0, Mark.UNDIRECTED, 1.0, 1.0, proof))
        for e in edges:
            directed = e.mark is Mark.DIRECTED and e.target == kept and e.lag > 0
            new = (e.source, copy, e.lag) not in known
            if directed and new and prior.allows(e.source, copy, e.lag):
                own = e.evidence or proof
                said = f"found of {kept}, whose copy {copy} is"
                out.append(replace(e, target=copy, evidence=replace(own, note=said)))
    return out


def nearly_determined(
    log: Trajectories, names: Sequence[str], said: Sequence[str]
) -> tuple[Unidentified, ...]:
    """Numbers of which others in their row leave next to nothing, those in ``said`` left out.

    Either all others by straight lines, or one other, bent (Legendre polynomials of it squashed,
    and itself, its square, cube and size). Only states and contexts, up to a hundred.
    """
    roles = (Role.STATE, Role.CONTEXT)
    own = [
        n
        for n in names
        if log.schema[n].role in roles and log.schema[n].kind in (Kind.CONTINUOUS, Kind.COUNT)
    ]
    if not 2 <= len(own) <= MOST_VARIABLES:
        return ()
    values = np.stack([log.column(n) for n in own], 1)
    values = values[np.isfinite(values).all(1)]
    values = values[:: -(-len(values) // MOST_ROWS)] if len(values) else values
    if len(values) < 10 * 6 or len(values) < 3 * len(own):
        return ()
    z, _ = standardise(values)
    straight, single = _left_by_all(z), _left_by_one(z)
    facts, named = [], set(said)
    for j, name in enumerate(own):
        if name in named:
            continue
        one = int(np.argmin(single[:, j]))
        left = float(single[one, j])
        share = min(float(straight[j]), left)
        if share >= NEAR:
            continue
        others = (own[one],) if left < NEAR else tuple(n for n in own if n != name)
        if left < NEAR and own[one] in named:
            continue  # said of the other one already
        named.add(name)
        facts.append(_fact(name, others if left < NEAR else (), share))
    return tuple(facts)


def _left_by_all(z: Float[np.ndarray, "rows n"]) -> Float[np.ndarray, " n"]:
    """The share of each column's variance that all others leave."""
    square = z.T @ z / len(z) + 1e-12 * np.eye(z.shape[1])
    return 1 / np.maximum(np.diag(np.linalg.inv(square)), 1.0)


def _left_by_one(z: Float[np.ndarray, "rows n"]) -> Float[np.ndarray, "n n"]:
    """``[i, j]``: the share of column j's variance that a bent function of column i leaves."""
    out = np.ones((z.shape[1], z.shape[1]))
    for i, x in enumerate(z.T):
        calm = special.erf(x / 1.5)
        bent = np.stack([np.ones_like(x), x, x**2, x**3, np.abs(x), calm, calm**2, calm**3], 1)
        sizes, turns = np.linalg.eigh(bent.T @ bent)
        keep = sizes > 1e-12 * sizes[-1]  # levels bend in few ways
        answers = (turns[:, keep] / np.sqrt(sizes[keep])).T @ (bent.T @ z)
        out[i] = 1 - (answers**2).sum(0) / len(z)
    np.fill_diagonal(out, 1.0)
    return np.maximum(out, 0.0)


def _fact(name: str, others: tuple[str, ...], share: float) -> Unidentified:
    whose = ", ".join(repr(n) for n in others) or "the others in its row together"
    note = (
        f"{name!r} is nearly a function of {whose} in this log (all but {share:.1g} of its "
        "variance): few rows tell their effects apart, so that edges of either may be missing or "
        "stand in for each other's. Drop one, or log situations in which they differ."
    )
    return Unidentified(name, Reason.NEARLY, note, others)
