"""Effects by an instrument: two-stage least squares, and an interval that weak ones do not fool."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import f as fisher

from doworld.infer.effects.asked import UnanswerableError
from doworld.infer.effects.case import Case, Found, shown
from doworld.infer.effects.discrete import Estimate
from doworld.infer.effects.route import named
from doworld.infer.effects.sample import column
from doworld.infer.effects.sensitivity import least_squares
from doworld.query.effect_details import Estimated, Refutation
from doworld.query.words import number

__all__ = ["TwoStage", "anderson_rubin", "by_instrument", "two_stage"]

WEAK = 10.0
"""First-stage F below which an instrument is weak (Staiger and Stock 1997)."""


@dataclass(frozen=True)
class TwoStage:
    """Two-stage least squares: the slope, its robust error, and the first stage's robust F."""

    slope: float
    error: float
    strength: float


def _residuals(of: np.ndarray, x: np.ndarray) -> np.ndarray:
    own = np.column_stack([np.ones(len(of)), x])
    return of - own @ np.linalg.lstsq(own, of, rcond=None)[0]


def two_stage(
    y: Float[np.ndarray, " rows"],
    d: Float[np.ndarray, " rows"],
    z: Float[np.ndarray, "rows k"],
    x: Float[np.ndarray, "rows columns"],
    unit: Int[np.ndarray, " rows"] | None = None,
) -> TwoStage:
    r"""β = (d'P y)/(d'P d), P the projection on what x leaves of z, with HC1 errors.

    Errors let rows of one ``unit`` depend on each other; None: each row is a unit.

    Of a binary instrument and treatment without x it is Wald's ratio, the effect on those whom the
    instrument moves (LATE; Imbens and Angrist 1994).

    >>> rng = np.random.default_rng(0)
    >>> u, z = rng.normal(size=(2, 4000))
    >>> d = z + u + rng.normal(size=4000)
    >>> found = two_stage(2 * d + 3 * u, d, z[:, None], np.zeros((4000, 0)))
    >>> bool(abs(found.slope - 2) < 0.2 and found.strength > 100)
    True
    """
    y, d = (_residuals(v[:, None], x)[:, 0] for v in (y, d))
    z = _residuals(z, x)
    fitted = z @ np.linalg.lstsq(z, d, rcond=None)[0]
    square = float(fitted @ d)
    free = len(y) - x.shape[1] - z.shape[1] - 1
    pushes = np.stack([_sums(column * (d - fitted), unit) for column in z.T])
    pushed = z.T @ d
    wald = float(pushed @ np.linalg.pinv(pushes @ pushes.T) @ pushed)
    strength = wald / z.shape[1] * free / len(y)
    if square <= 1e-12:
        return TwoStage(0.0, float("inf"), 0.0)
    slope = float(fitted @ y) / square
    rest = y - slope * d
    error = float(np.sqrt((_sums(fitted * rest, unit) ** 2).sum() * len(y) / free)) / square
    return TwoStage(slope, error, strength)


def anderson_rubin(
    y: Float[np.ndarray, " rows"],
    d: Float[np.ndarray, " rows"],
    z: Float[np.ndarray, " rows"],
    x: Float[np.ndarray, "rows columns"],
    level: float,
    unit: Int[np.ndarray, " rows"] | None = None,
) -> tuple[float, float] | None:
    r"""The slopes β for which z explains nothing of y − βd, an interval however weak z is.

    (Σ_g s_g)² ≤ F_{1, G−1−k} G/(G − 1) Σ_g s_g², s_g = Σ_{i∈g} z_i e_i of unit g and
    e = y − βd, all less their fits on the k columns x: a quadratic inequality in β (Anderson and
    Rubin 1949; robust to rows that vary unequally and depend on each other within a unit, as in
    Andrews, Stock and Sun 2019). None where its solutions are unbounded.

    >>> rng = np.random.default_rng(0)
    >>> u, z = rng.normal(size=(2, 500))
    >>> d = z + u
    >>> low, high = anderson_rubin(2 * d + u, d, z, np.zeros((500, 0)), 0.95)
    >>> bool(low < 2 < high)
    True
    """
    y, d, z = (_residuals(v[:, None], x)[:, 0] for v in (y, d, z))
    of_y, of_d = _sums(z * y, unit), _sums(z * d, unit)
    units = len(of_y)
    if units < x.shape[1] + 3:
        return None
    limit = float(fisher.ppf(level, 1, units - 1 - x.shape[1])) * units / (units - 1)
    zy, zd = float(of_y.sum()), float(of_d.sum())
    a = zd**2 - limit * float(of_d @ of_d)
    b = -2 * (zy * zd - limit * float(of_y @ of_d))
    c = zy**2 - limit * float(of_y @ of_y)
    inner = b**2 - 4 * a * c
    if a <= 0 or inner < 0:
        return None
    root = float(np.sqrt(inner))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def _sums(values: np.ndarray, unit: np.ndarray | None) -> np.ndarray:
    """Sums by unit."""
    if unit is None:
        return values
    return np.bincount(np.unique(unit, return_inverse=True)[1], weights=values)


def by_instrument(case: Case) -> Found:
    """2SLS with the Anderson–Rubin interval of a single instrument.

    Raises ``UnanswerableError`` where the instrument is so weak that no interval is bounded.
    """
    query = case.query
    if query.estimand != "ate" or len(case.asked.levels) != 2:
        raise UnanswerableError(
            f"By an instrument, only the effect of two levels can be told, not {query.estimand}.",
            "Ask for ate, with two levels.",
        )
    if query.given:
        raise UnanswerableError(
            "By an instrument, the effect on all whom it moves is told, not among those that "
            f"{', '.join(query.given)} describes.",
            "Leave out given, or hand in the log of these rows alone where nothing that the "
            "instrument moves chose them.",
        )
    nodes = case.route.instrument
    sample = case.sample(needed=nodes)
    z = np.column_stack([column(case.log, n, k, sample.at) for n, k in nodes])
    low, high = case.asked.levels
    d = (sample.treatment - low) / (high - low)
    found = two_stage(sample.outcome, d, z, sample.covariates, sample.unit)
    alone = two_stage(sample.outcome, d, z, np.zeros((len(d), 0)), sample.unit)
    plain = least_squares(sample.outcome, d, sample.covariates)
    interval = None
    if z.shape[1] == 1:
        interval = anderson_rubin(
            sample.outcome, d, z[:, 0], sample.covariates, query.level, sample.unit
        )
        if interval is None:
            raise UnanswerableError(
                f"{named(nodes)} moves {query.treatment} too little (first-stage F "
                f"{found.strength:.1f}): any effect at all fits the rows.",
                "Log more rows, or find an instrument that moves the treatment more.",
            )
    estimate = Estimate(found.slope, found.error)
    name = f"{query.treatment} {low:.4g} → {high:.4g}"
    own = shown(name, estimate, query.level, rows=len(sample))
    if interval is not None:
        own = Estimated(
            name=name, estimate=own.estimate, lower=interval[0], upper=interval[1], rows=own.rows
        )
    level = query.level
    beside = (
        Estimated(name="two-stage, Anderson–Rubin", **own.model_dump(exclude={"name"})),
        shown("two-stage, robust errors", estimate, level),
        shown("two-stage, unadjusted", Estimate(alone.slope, alone.error), level),
        shown("crude", Estimate(plain.estimate, plain.error), level),
    )
    return Found(
        what="effect on those whom the instrument moves (LATE)"
        if case.asked.discrete
        else "effect on those whom the instrument moves, weighted by how far (2SLS)",
        population="of all rows",
        method=f"two-stage least squares, first-stage F {found.strength:.1f}",
        headline=(own,),
        sample=sample,
        estimators=beside if interval is not None else beside[1:],
        assumptions=(
            f"{named(nodes)} acts on {query.outcome} only by {query.treatment}, shares no "
            "unobserved cause with it, and moves nobody the other way (monotonicity).",
            "It is everybody's effect only where the effect is the same for all (linear).",
        ),
        warnings=(
            (
                f"Weak instrument: first-stage F is {found.strength:.1f}, below {WEAK:g}; only the "
                "Anderson–Rubin interval can be trusted.",
            )
            if found.strength < WEAK
            else ()
        ),
        refutations=_refuted(case, nodes),
    )


def _refuted(case: Case, nodes) -> tuple[Refutation, ...]:
    """The instrument must show nothing on what neither it nor the treatment can move."""
    out = []
    for name, control in case.controls().items():
        if name in {n for n, _ in (*nodes, *case.route.adjust)}:
            continue
        z = column(case.log, nodes[0][0], nodes[0][1], control.at)
        seen = ~np.isnan(z)
        part = control.part(seen)
        fit = least_squares(part.outcome, z[seen], part.covariates)
        passed = abs(fit.estimate) <= 2.81 * fit.error
        out.append(
            Refutation(
                name=f"negative control {name}",
                passed=bool(passed),
                words=f"seems moved by the instrument by {number(fit.estimate)} ± "
                f"{number(fit.error)}, where 0 is true",
            )
        )
    return tuple(out)
