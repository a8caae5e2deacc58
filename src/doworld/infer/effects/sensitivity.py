"""How strong an unobserved common cause would have to be to undo an effect."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

from doworld.infer.effects.sample import Sample
from doworld.query.effect_details import Benchmark, Sensitivity

__all__ = [
    "Regression",
    "adjusted",
    "benchmark",
    "bias",
    "e_value",
    "least_squares",
    "partial_r2",
    "robustness_value",
    "sensitivity",
]

MOST = 6
"""Benchmark covariates that are shown, the strongest first."""


def partial_r2(t: float, freedom: int) -> float:
    """R²_{Y∼D|X} = t²/(t² + dof), the share of the rest that a regressor explains.

    >>> round(partial_r2(4.18445, 783), 4)
    0.0219
    """
    return t**2 / (t**2 + freedom)


def robustness_value(
    t: float, freedom: int, *, q: float = 1.0, alpha: float | None = None
) -> float:
    r"""The robustness value (Cinelli and Hazlett 2020, equations 18 and 20).

        RV_q = ½ (√(f⁴ + 4 f²) − f²),  f = q |t| / √dof

    With ``alpha``, f is less by t*_{α, dof−1}/√(dof − 1): what brings the interval to 0, not the
    estimate. An unobserved cause that explains less of the rest of both treatment and outcome
    cannot take away the share q of the effect.

    >>> rv, rv_interval = (robustness_value(4.18445, 783, alpha=a) for a in (None, 0.05))
    >>> round(rv, 4), round(rv_interval, 4)
    (0.1388, 0.0763)
    """
    f = q * abs(t) / np.sqrt(freedom)
    if alpha is None:
        return float((np.sqrt(f**4 + 4 * f**2) - f**2) / 2)
    wanted = float(student.ppf(1 - alpha / 2, freedom - 1) / np.sqrt(freedom - 1))
    g = f - wanted
    if g <= 0:
        return 0.0
    if f < 1 / max(wanted, 1e-12):
        return float((np.sqrt(g**4 + 4 * g**2) - g**2) / 2)
    return float((f**2 - wanted**2) / (1 + f**2))


def bias(error: float, freedom: int, treatment: float, outcome: float) -> float:
    """|bias| = se √dof √(R²_{Y∼Z|D,X} R²_{D∼Z|X} / (1 − R²_{D∼Z|X})) (their equation 9)."""
    return error * float(np.sqrt(freedom * outcome * treatment / (1 - treatment)))


def adjusted(regression: "Regression", treatment: float, outcome: float) -> tuple[float, float]:
    """The estimate and its error, had the unobserved cause been held fixed too (their eq. 10).

    se' = se √((1 − R²_{Y∼Z|D,X})/(1 − R²_{D∼Z|X}) · dof/(dof − 1)).
    """
    r = regression
    less = bias(r.error, r.freedom, treatment, outcome)
    shrunk = np.sign(r.estimate) * (abs(r.estimate) - less)
    ratio = (1 - outcome) / (1 - treatment) * r.freedom / (r.freedom - 1)
    return float(shrunk), r.error * float(np.sqrt(ratio))


def benchmark(in_treatment: float, in_outcome: float, *, k: float = 1.0) -> tuple[float, float]:
    r"""(R²_{D∼Z|X}, R²_{Y∼Z|D,X}) of a cause k times as strong as an observed one X_j.

    ``in_treatment`` is R²_{D∼X_j|X_−j} and ``in_outcome`` R²_{Y∼X_j|X_−j,D} (their section 4.4):

        R²_{D∼Z|X} = k R²_D/(1 − R²_D),   R²_{Z∼X_j|D} = k R²_D²/((1 − k R²_D)(1 − R²_D)),
        R²_{Y∼Z|D,X} = (√k + √R²_{Z∼X_j|D})²/(1 − R²_{Z∼X_j|D}) · R²_Y/(1 − R²_Y)
    """
    d, y = min(in_treatment, 0.999), min(in_outcome, 0.999)
    treatment = k * d / (1 - d)
    if treatment >= 1 or k * d >= 1:
        return 1.0, 1.0
    shared = k * d**2 / ((1 - k * d) * (1 - d))
    if shared >= 1:
        return treatment, 1.0
    pull = (np.sqrt(k) + np.sqrt(shared)) / np.sqrt(1 - shared)
    return float(treatment), float(min(pull**2 * y / (1 - y), 1.0))


def e_value(ratio: float) -> float:
    """E = RR + √(RR (RR − 1)) for a risk ratio of at least 1, its inverse below.

    >>> round(e_value(3.9), 2), e_value(1.0)
    (7.26, 1.0)
    """
    rr = max(ratio, 1 / ratio) if ratio > 0 else np.inf
    return float(rr + np.sqrt(rr * (rr - 1))) if np.isfinite(rr) else float("inf")


@dataclass(frozen=True)
class Regression:
    """Coefficient of the treatment in a linear regression."""

    estimate: float
    error: float
    freedom: int

    @property
    def t(self) -> float:
        """estimate/error."""
        return self.estimate / self.error if self.error > 0 else 0.0


def least_squares(
    y: Float[np.ndarray, " rows"],
    d: Float[np.ndarray, " rows"],
    x: Float[np.ndarray, "rows columns"],
) -> Regression:
    """Ordinary least squares of ``y`` on ``d``, ``x`` and a constant, with classical errors."""
    own = np.column_stack([np.ones(len(y)), x])
    left = _rest(own, np.column_stack([y, d]))
    rank = int(np.linalg.matrix_rank(own))
    freedom = len(y) - rank - 1
    square = float(left[:, 1] @ left[:, 1])
    if square < 1e-12 or freedom < 3:
        return Regression(0.0, float("inf"), max(freedom, 1))
    slope = float(left[:, 1] @ left[:, 0]) / square
    error = left[:, 0] - slope * left[:, 1]
    return Regression(slope, float(np.sqrt(error @ error / freedom / square)), freedom)


def _rest(own: np.ndarray, of: np.ndarray) -> np.ndarray:
    return of - own @ np.linalg.lstsq(own, of, rcond=None)[0]


def sensitivity(
    sample: Sample,
    nodes: Sequence[str],
    contrast: tuple[float, float],
    spread: tuple[float, float],
    *,
    alpha: float,
) -> Sensitivity | None:
    """Robustness of the linear regression beside the estimate, with observed causes as measure.

    ``contrast`` are the two values compared; ``nodes`` names what is held fixed; ``spread`` is the
    estimate and error that the E-value is about. None where there is nothing to say.
    """
    low, high = contrast
    size = high - low
    d = (sample.treatment - low) / size
    fit = least_squares(sample.outcome, d, sample.covariates)
    if not np.isfinite(fit.error) or fit.freedom < 5:
        return None
    marks = _benchmarks(sample, nodes, d, fit)
    ratio, least = _ratios(sample, spread, alpha)
    rv = robustness_value(fit.t, fit.freedom)
    rv_interval = robustness_value(fit.t, fit.freedom, alpha=alpha)
    return Sensitivity(
        estimate=fit.estimate,
        error=fit.error,
        freedom=fit.freedom,
        robustness=rv,
        robustness_interval=rv_interval,
        partial=partial_r2(fit.t, fit.freedom),
        e_value=e_value(ratio),
        e_value_interval=e_value(least),
        benchmarks=marks,
        words=_words(rv, rv_interval, alpha, marks),
    )


def _benchmarks(
    sample: Sample, nodes: Sequence[str], d: np.ndarray, fit: Regression
) -> tuple[Benchmark, ...]:
    out = []
    owner = np.array(sample.node, int)
    one = np.ones((len(d), 1))
    for number, name in enumerate(nodes):
        mine = owner == number
        if not mine.any():
            continue
        rest = np.column_stack([one, sample.covariates[:, ~mine]])
        whole = np.column_stack([one, sample.covariates])
        in_d = _gain(d, rest, whole)
        in_y = _gain(sample.outcome, np.column_stack([rest, d]), np.column_stack([whole, d]))
        strong = benchmark(in_d, in_y)
        left = adjusted(fit, *strong)[0] if strong[0] < 1 else 0.0
        out.append(Benchmark(name=name, treatment=strong[0], outcome=strong[1], estimate=left))
    order = sorted(out, key=lambda b: -b.treatment * b.outcome)
    return tuple(order[:MOST])


def _gain(y: np.ndarray, less: np.ndarray, more: np.ndarray) -> float:
    """The share of what ``less`` leaves of y that ``more`` explains."""
    before = _rest(less, y[:, None])
    after = _rest(more, y[:, None])
    total = float((before**2).sum())
    return float(np.clip(1 - (after**2).sum() / total, 0, 1)) if total > 0 else 0.0


def _ratios(sample: Sample, spread: tuple[float, float], alpha: float) -> tuple[float, float]:
    """Risk ratio of the estimate and of the end of its interval that is nearer to none.

    Of a number, RR ≈ exp(0.91 d) with d the effect in standard deviations (VanderWeele and Ding
    2017, table 2); of a chance, the ratio of the chances.
    """
    from scipy.stats import norm

    value, error = spread
    end = max(abs(value) - float(norm.ppf(1 - alpha / 2)) * error, 0.0) * np.sign(value)
    if np.isin(sample.outcome, (0.0, 1.0)).all():
        base = float(np.clip(sample.outcome.mean() - value / 2, 1e-3, 1 - 1e-3))

        def ratio(v: float) -> float:
            return float(np.clip(base + v, 1e-3, 1.0) / base)

        return ratio(value), ratio(float(end))
    unit = float(sample.outcome.std()) or 1.0
    return float(np.exp(0.91 * value / unit)), float(np.exp(0.91 * end / unit))


def _words(rv: float, rv_interval: float, alpha: float, marks: Sequence[Benchmark]) -> str:
    text = (
        f"Tipping point: an unobserved cause would have to explain {rv:.1%} of what is left of "
        f"both treatment and outcome to undo this, {rv_interval:.1%} to bring the "
        f"{1 - alpha:.0%} interval to 0."
    )
    if marks:
        m = marks[0]
        text += (
            f" One as strong as {m.name} explains {m.treatment:.1%} and {m.outcome:.1%}, and "
            f"would leave {m.estimate:.3g}."
        )
    return text
