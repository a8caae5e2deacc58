"""Laws of a log: the few terms that explain it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from doworld.data import Schema
from doworld.mechanisms import LawBank, ensemble
from doworld.mechanisms.noise import fit_knots
from doworld.mechanisms.terms import Operation, Term, encoded, products
from doworld.model.closed import CLEAR, SMALLEST_SIGMA, wiring
from doworld.model.design import Design, Parents
from doworld.model.law_library import inputs_of, library
from doworld.model.law_select import subsets
from doworld.model.regression import Regression, log_density, members_of, regression

__all__ = ["LawFit", "fit_law", "law_bank"]

MOST_TERMS = 14
"""Terms of a law: more cannot be read."""

ROWS = 800
"""Rows that terms are selected on."""

FEWEST = 8
"""Rows below which a law is a constant."""

EXACT = 1e-4
"""Unexplained share of the spread that no further term is worth."""

PATIENCE = 3
"""Sizes without improvement after which no larger law is tried."""

STRONG = 10.0
"""Gain of the criterion that counts as very strong evidence (Kass & Raftery 1995)."""

ENOUGH = 400
"""Rows below which noise passes for a law, unless it leaves less than ``CLEAR`` unexplained."""

RIM = 0.35
"""Share of the rows that count as the rim of the log."""

CARRIES = 0.7
"""Share of the error at the rim, from rows inside it, that makes another law the better one."""

CROWDED = 0.2
"""Share of rows at a bound above which these are learned from like all others."""


@dataclass(frozen=True, eq=False)
class LawFit:
    """One target's law.

    Attributes:
        terms: what it is a sum of.
        constants: per member, from training rows, in own units.
        final: the same from all rows where the log is small, for use once families are chosen.
        sigma: held-out standard deviation of the error, scaled units.
        unexplained: the same over the spread of the target (of its increments where residual).
        knots: shape of the noise.
        log_likelihood: mean over held-out rows, scaled units.
        length: what the terms were chosen by, an extended information criterion, own units.
    """

    terms: tuple[Term, ...]
    constants: Float[np.ndarray, "members p"]
    final: Float[np.ndarray, "members p"]
    sigma: float
    unexplained: float
    knots: Float[np.ndarray, " knots"]
    log_likelihood: float
    length: float

    @property
    def linear(self) -> bool:
        """Whether it is a sum of inputs and a constant."""
        return all(_straight(term) for term in self.terms)


def fit_law(schema: Schema, design: Design, parents: Parents, i: int, *, seed: int) -> LawFit:
    """The law of target number ``i``.

    Terms are chosen on a sample of the training rows, by ``law_select.subsets`` of
    ``law_library.library``. Rows in which a state stands at its bound say only that it would have
    gone on, and are left out where few.
    """
    data = regression(design, parents, i, seed)
    raw, target = _own_units(design, parents, i, data)
    free = _free(schema, design, data)
    train = data.train & free if (data.train & free).sum() >= 20 else data.train
    judge = data.judge & free if (data.judge & free).any() else data.judge
    used = np.flatnonzero(data.mask.any(0))
    inputs = inputs_of(
        schema, design.coding, parents.columns[i][used].tolist(), raw[train][:, used]
    )
    terms, costs = library(inputs)
    terms = [tuple(f.renumbered(used.tolist()) for f in term) for term in terms]
    rng = np.random.default_rng([seed, 53, i])
    picked = _sample(rng, train)
    straight = np.array([_straight(term) for term in terms])
    plain = np.array([all(f.operation is Operation.IDENTITY for f in term) for term in terms])
    outer = _outer(raw[picked][:, used])
    library_ = products(raw[picked], terms)
    chosen, length = _choose(library_, target[picked], np.array(costs), straight, plain, outer)
    law = tuple(terms[j] for j in sorted(chosen, key=lambda j: (costs[j], j)))
    scale = float(design.scale[parents.targets[i]])
    fit = _fitted(replace(data, target=target), raw, law, train, judge, scale=scale)
    return replace(fit, length=length)


def _own_units(
    design: Design, parents: Parents, i: int, data: Regression
) -> tuple[Float[np.ndarray, "rows k"], Float[np.ndarray, " rows"]]:
    """Inputs and target (its increment where residual) in the variables' own units."""
    center, scale = _units(design, parents, i)
    target = int(parents.targets[i])
    y = data.target * data.scale * design.scale[target]
    return data.inputs * scale + center, y + (1 - parents.residual[i]) * design.center[target]


def _units(design: Design, parents: Parents, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Center and scale of the inputs of target number ``i``."""
    variable, level = np.asarray(design.coding.variable), np.asarray(design.coding.level)
    feature = parents.columns[i] % len(variable)
    number = level[feature] < 0
    at = variable[feature]
    return np.where(number, design.center[at], 0.0), np.where(number, design.scale[at], 1.0)


def _free(schema: Schema, design: Design, data: Regression) -> Bool[np.ndarray, " rows"]:
    """Rows in which no continuous state stands at a bound of its schema, if most are free."""
    low, high = (np.array([v.bounds[j] for v in schema.variables]) for j in (0, 1))
    number = np.array([not v.levels for v in schema.variables])
    values = design.values[data.at] * design.scale + design.center
    near = 1e-6 * np.where(np.isfinite(high - low), high - low, 0.0)
    held = ((values <= low + near) | (values >= high - near)) & number & np.isfinite(high - low)
    often = held.mean(0) > CROWDED if len(held) else np.zeros(len(low), bool)
    return np.asarray(~(held & ~often).any(1))


def _sample(rng: np.random.Generator, rows: Bool[np.ndarray, " rows"]) -> np.ndarray:
    at = np.flatnonzero(rows)
    return np.sort(rng.choice(at, ROWS, replace=False)) if len(at) > ROWS else at


def _outer(raw: Float[np.ndarray, "rows k"]) -> Bool[np.ndarray, " rows"]:
    """The rows in which some input is at the rim of what it is in the log, about a third of all.

    An input with few levels is there at its first and its last.
    """
    if not raw.size:
        return np.zeros(len(raw), bool)
    rank = np.array(
        [
            (x[:, None] > x[None, :]).mean(1) + 0.5 * (x[:, None] == x[None, :]).mean(1)
            for x in raw.T
        ]
    ).T
    several = [len(np.unique(x)) > 2 for x in raw.T]
    far = np.where(several, np.abs(2 * rank - 1), 0.0).max(1)
    return far >= np.quantile(far, 1 - RIM)


def _straight(term: Term) -> bool:
    """Whether a term is a constant or an input as it is."""
    return not term or (len(term) == 1 and term[0].operation is Operation.IDENTITY)


def _choose(
    X: np.ndarray,
    y: np.ndarray,
    costs: np.ndarray,
    straight: np.ndarray,
    plain: np.ndarray,
    outer: Bool[np.ndarray, " rows"],
) -> tuple[list[int], float]:
    """The subset of least extended Bayesian information criterion, and that.

    n log(RSS/n) + Σ_j (log n + 2 log p_j), with p_j the number of terms that cost no more than the
    j-th (Chen & Chen 2008, γ = 1): the second logarithm pays for the choice among many, and linear
    terms are few. Other terms than linear ones must gain ``STRONG``, and in noise have rows enough.
    Held-out rows stay fresh for the choice of family. Another subset is taken where it carries
    further (``_carrying``).
    """
    n = len(y)
    spread = float(y.std()) if n else 0.0
    if n < FEWEST or spread <= 1e-12 * float(np.abs(y).max(initial=0.0)):
        return [0], 0.0  # the constant comes first
    among = np.searchsorted(np.sort(costs), costs, side="right")
    price = np.log(n) + 2 * np.log(among)
    judge = _Judge(X, y, price, (EXACT * spread) ** 2)
    best, found = n * np.log(float(np.mean(y**2))), list[int]()
    stages = (straight, costs <= 2, plain, np.ones(len(costs), bool))
    seen: dict[tuple[int, ...], float] = {}
    left = np.inf
    for stage, which in enumerate(np.flatnonzero(own) for own in stages):
        own, late = np.inf, 0
        needed = STRONG if stage else 0.0
        for subset in subsets(X[:, which], y, costs[which], most=MOST_TERMS):
            chosen = which[subset].tolist()
            score, left = judge(chosen)
            late = 0 if score < own else late + 1
            own = min(own, score)
            risky = stage > 0 and n < ENOUGH and left > (CLEAR * spread) ** 2
            if not risky:
                seen[tuple(chosen)] = score
            if score < best - needed and not risky:
                best, found, needed = score, chosen, 0.0
            if left <= judge.least or late >= PATIENCE:
                break
        if left <= judge.least:
            break
    if found:
        found = _carrying(judge, found, seen, outer)
        best = judge(found)[0]
    return _shorter(judge, found, best)


@dataclass(frozen=True, eq=False)
class _Judge:
    """The criterion of a subset of terms, and the mean square that it leaves: ``least`` or more."""

    X: np.ndarray
    y: np.ndarray
    price: np.ndarray
    least: float

    def __call__(self, chosen: list[int]) -> tuple[float, float]:
        P = self.X[:, chosen]
        error = self.y - P @ least_squares(P)(self.y)
        left = max(float(np.mean(error**2)), self.least)
        return len(self.y) * np.log(left) + self.price[chosen].sum(), left


def _carrying(
    judge: _Judge,
    found: list[int],
    seen: dict[tuple[int, ...], float],
    outer: Bool[np.ndarray, " rows"],
) -> list[int]:
    """The subset that predicts the ``outer`` rows best from the inner ones, if clearly.

    Terms that fit a range need not hold beyond it, and what is inside tells nothing of that.
    """
    if min(outer.sum(), (~outer).sum()) < FEWEST * MOST_TERMS:
        return found

    def beyond(chosen: Sequence[int]) -> float:
        P, y = judge.X[:, list(chosen)], judge.y
        error = y[outer] - P[outer] @ least_squares(P[~outer])(y[~outer])
        return max(float(np.mean(error**2)), judge.least)

    own = beyond(found)
    other = min(seen, key=lambda chosen: (beyond(chosen), len(chosen)))
    return list(other) if beyond(other) < CARRIES**2 * own else found


def _shorter(judge: _Judge, found: list[int], best: float) -> tuple[list[int], float]:
    """The subset without the terms that the criterion is better off without, and its value.

    A term that helped when it was taken may be of no use once others are there.
    """
    while len(found) > 1:
        rests = [[k for k in found if k != j] for j in found]
        scores = [judge(rest)[0] for rest in rests]
        at = int(np.argmin(scores))
        if scores[at] >= best:
            break
        best, found = scores[at], rests[at]
    return found, best


def least_squares(P: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The function from Y to W = P⁺ Y, by an orthogonal decomposition: exact where P is."""
    length = np.sqrt((P**2).sum(0))
    length = np.where(length > 0, length, 1.0)
    inverse = np.linalg.pinv(P / length, rcond=1e-12)
    return lambda Y: ((inverse @ Y).T / length).T


def _fitted(
    data: Regression,
    raw: np.ndarray,
    terms: tuple[Term, ...],
    train: np.ndarray,
    judge: np.ndarray,
    *,
    scale: float,
) -> LawFit:
    """The law with these terms; the targets of ``data`` are in own units here."""
    law = terms or ((),)
    P = products(raw, law)
    reads = np.zeros((len(law), raw.shape[1]), bool)
    for j, term in enumerate(law):
        reads[j, [k for f in term for k in f.inputs]] = True
    constants = members_of(data, P, reads, train, least_squares)
    every = train | (~data.train & ~data.judge) | judge
    final = members_of(data, P, reads, every, least_squares) if data.small else constants
    error = data.target[judge] - P[judge] @ constants.mean(0)
    error, spread = error / scale, data.scale  # in scaled units
    rmse = float(np.sqrt(np.mean(error**2))) if len(error) else 1.0
    sigma = max(rmse, SMALLEST_SIGMA * spread)
    return LawFit(
        terms=law,
        constants=constants,
        final=final,
        sigma=sigma,
        unexplained=rmse / spread,
        knots=fit_knots(error / sigma),
        log_likelihood=log_density(error, sigma),
        length=0.0,
    )


def law_bank(
    fits: Sequence[LawFit], design: Design, parents: Parents, *, final: bool = False
) -> LawBank:
    """The bank of the targets' laws, one row of ``parents`` a law."""
    members, n, _ = parents.mask.shape
    operation, reads, parameter = encoded([fit.terms for fit in fits])
    constant = np.zeros((members, *operation.shape[:2]))
    for i, fit in enumerate(fits):
        constant[:, i, : len(fit.terms)] = fit.final if final else fit.constants
    units = [_units(design, parents, i) for i in range(n)]
    shared = {
        "operation": operation,
        "reads": reads,
        "parameter": parameter,
        "center_in": np.array([c for c, _ in units], np.float32),
        "scale_in": np.array([s for _, s in units], np.float32),
        "center_out": design.center[parents.targets].astype(np.float32),
        "scale_out": design.scale[parents.targets].astype(np.float32),
        "sigma": np.array([fit.sigma for fit in fits], np.float32),
        "knots": np.array([fit.knots for fit in fits], np.float32),
    }
    leaves = {name: np.broadcast_to(a, (members, *a.shape)) for name, a in shared.items()}
    own = {"constant": constant.astype(np.float32), **leaves}
    return ensemble(LawBank, {**wiring(parents), **own})
