"""Which mechanism explains that a target is not as usual, in one row or a few."""

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from doworld._core.errors import QueryError
from doworld.data import Trajectories
from doworld.discover.monitoring.localise import Localised, localise_change
from doworld.graph import CausalGraph
from doworld.infer.root_cause.mechanisms import Abducted, Scaled, abducted, gradient
from doworld.infer.root_cause.result import Attribution, RootCauses

__all__ = ["attribute_anomaly", "shapley_of_score"]

LEAST_SHARE = 0.01
"""Share of the largest contribution below which a mechanism's part is not told apart from none."""
DRAWS = 200
WINDOWS = 500
ORDERS = 50


def attribute_anomaly(
    normal: Trajectories,
    anomalous: Trajectories,
    graph: CausalGraph,
    *,
    target: str,
    level: float = 0.9,
    seed: int = 0,
) -> RootCauses:
    r"""How much of a target's anomaly each mechanism brings, and which is likely at fault.

    With the mechanisms z_j = b_j + w_jᵀ pa_j + ε_j of normal operation, what the target would have
    been had mechanism j behaved as usual differs from what it was by

        φ_j = Σ_t (∂ z̄_target / ∂ z_j,t) · (ε_j,t − 0),     Σ_j φ_j = z̄_target − its usual mean,

    the Shapley value of j in the game v(I) = E[z̄_target | ε_I as observed, the others as usual],
    which is additive here. ``score`` is the Shapley value in the game of outlier scores,
    −log P(|Z̄| ≥ |z̄| | ε_I), as in Budhathoki, Minorics, Blöbaum & Janzing ("Causal
    structure-based root cause analysis of outliers", ICML 2022; N_j there is ε_j, x_n the target);
    it is sampled, over orders and normal rows, with its error. Ranked is by

        evidence = −log p + log effect + log max(|φ| / max |φ|, 0.01),

    p and effect those of ``localise_change`` (is the mechanism as it was?): a root cause both
    changed and comes through to the target. An object's p is the least of its mechanisms'.

    Args:
        normal: a log of usual operation; twenty rows with values are the least for a mechanism.
        anomalous: the odd rows. Values may be missing; the target needs one at least.
        graph: which variable acts on which, at any lags.
        target: whose trouble it is.
        level: of the intervals, over weights that are as likely.
        seed: of the draws.

    Raises:
        SchemaError: the logs have different variables.
        UnknownNameError: the graph or ``target`` names a variable that they do not have.
        DataError: too few rows.
        QueryError: the target has no value in the odd rows, or in fewer than twenty normal ones.

    >>> from doworld.worlds.services import Fault, Services
    >>> shop = Services(4, seed=1)
    >>> odd = shop.collect(5, fault=Fault("s2", delay=2.0), seed=3)
    >>> found = attribute_anomaly(shop.collect(200, seed=2), odd, shop.graph, target=shop.front[0])
    >>> found.entities[0].name
    's2'
    """
    if target not in graph.names:
        normal.schema.position(target)
        raise QueryError(f"the graph lacks {target!r}. Give a graph that has it.")
    if not 0 < level < 1:
        raise QueryError(f"a level of {level:g} is no share. Give one between 0 and 1.")
    judged = localise_change(normal, anomalous, graph, target=target)
    scaled = Scaled.of(normal, anomalous)
    at = normal.schema.position(target)
    seen = np.isfinite(scaled.now[:, at])
    if not seen.any() or np.isfinite(scaled.usual[:, at]).sum() < 20:
        raise QueryError(
            f"{target!r} has no value in the odd rows, or fewer than 20 in normal operation, so "
            "there is no anomaly to explain. Choose a target that was logged."
        )
    fitted, _ = abducted(scaled, normal.schema, graph, target)
    weight = seen / seen.sum()
    rng = np.random.default_rng(seed)
    names = tuple(fitted)
    means = {n: (f.weights, f.own) for n, f in fitted.items()}
    parts, slopes = _parts(fitted, names, means, target, weight)
    draws = np.stack(
        [
            _parts(
                fitted,
                names,
                {n: f.drawn(rng.standard_normal(len(f.weights))) for n, f in fitted.items()},
                target,
                weight,
            )[0]
            for _ in range(DRAWS)
        ]
    )
    usual = _usual(fitted, names, slopes, rng)
    score, error = shapley_of_score(parts, usual, rng)
    spread = float(scaled.spread[at])
    unit = "of its logarithm" if target in scaled.logged else normal.schema[target].unit or "units"
    groups = {n: normal.schema[n].entity or n for n in names}
    own = {n: n for n in names}
    tails = ((1 - level) / 2, (1 + level) / 2)
    made = [
        _ranked(names, of, parts * spread, draws * spread, score, error, judged, tails)
        for of in (own, groups)
    ]
    return RootCauses(
        target=target,
        what="anomaly",
        shift=float(parts.sum()) * spread,
        unit=unit,
        score=float(score.sum()),
        mechanisms=made[0],
        entities=made[1],
        level=level,
        notes=_notes(names, fitted, scaled),
    )


def _parts(
    fitted: dict[str, Abducted], names: tuple[str, ...], means: dict, target: str, rows: np.ndarray
) -> tuple[Float[np.ndarray, " names"], dict[str, np.ndarray]]:
    """φ of every mechanism, and the slopes that carried it."""
    weights = {n: (fitted[n].causes, means[n][0]) for n in names}
    slopes = gradient(weights, names, target, rows)
    return np.array([slopes[n] @ means[n][1] for n in names]), slopes


def _usual(
    fitted: dict[str, Abducted],
    names: tuple[str, ...],
    slopes: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> Float[np.ndarray, "windows names"]:
    """What each mechanism brings in windows of normal operation, each drawn on its own.

    A window is of consecutive known rows, so that noise that hangs together does so here.
    """
    columns = []
    for name in names:
        noise, slope = fitted[name].usual, slopes[name]
        start = rng.integers(len(noise), size=WINDOWS)
        index = (start[:, None] + np.arange(len(slope))) % len(noise)
        columns.append(noise[index] @ slope)
    return np.stack(columns, 1)


def shapley_of_score(
    parts: Float[np.ndarray, " names"],
    usual: Float[np.ndarray, "windows names"],
    rng: np.random.Generator,
    orders: int = ORDERS,
) -> tuple[Float[np.ndarray, " names"], Float[np.ndarray, " names"]]:
    """Shapley values of the outlier score and their standard errors, from random orders.

    v(I) = −log((1 + #{|Σ_I parts + Σ_rest usual| ≥ |Σ parts|}) / (1 + windows)) falls from the
    outlier score at I = ∅ to 0 at all; each order's steps add up to the score exactly. An order and
    its reverse are used together (Mitchell et al. 2022).
    """
    whole, count = abs(parts.sum()) * (1 - 1e-9), len(usual)
    steps = []
    half = [rng.permutation(len(parts)) for _ in range(orders // 2)]
    for order in (way for one in half for way in (one, one[::-1])):
        gained = np.concatenate([[0.0], np.cumsum(parts[order])])
        left = usual[:, order].sum(1, keepdims=True) - np.cumsum(usual[:, order], 1)
        left = np.concatenate([usual.sum(1, keepdims=True), left], 1)
        left[:, -1] = 0.0
        above = (np.abs(gained + left) >= whole).sum(0)
        value = -np.log((1 + above) / (1 + count))
        own = np.empty(len(parts))
        own[order] = value[:-1] - value[1:]
        steps.append(own)
    pairs = np.stack(steps).reshape(orders // 2, 2, -1).mean(1)
    return pairs.mean(0), pairs.std(0, ddof=1) / math.sqrt(len(pairs))


def _ranked(
    names: tuple[str, ...],
    groups: dict[str, str],
    parts: np.ndarray,
    draws: np.ndarray,
    score: np.ndarray,
    error: np.ndarray,
    judged: Localised,
    tails: tuple[float, float],
) -> tuple[Attribution, ...]:
    """The attributions of groups of mechanisms, by falling evidence."""
    total = float(parts.sum())
    shifts = {m.variable: m for m in judged.mechanisms}
    out = []
    for group in dict.fromkeys(groups.values()):
        at = [i for i, n in enumerate(names) if groups[n] == group]
        own = [shifts[names[i]] for i in at if names[i] in shifts]
        known = [s for s in own if not math.isnan(s.p_value)]
        best = min(known, key=lambda s: (s.p_value, -s.effect), default=None)
        part = float(parts[at].sum())
        low, high = np.quantile(draws[:, at].sum(1), tails)
        out.append(
            Attribution(
                name=group,
                contribution=part,
                lower=float(min(low, part)),
                upper=float(max(high, part)),
                share=part / total if total else float("nan"),
                score=float(score[at].sum()),
                score_error=float(np.sqrt((error[at] ** 2).sum())),
                p_value=float("nan") if best is None else best.p_value,
                effect=1.0 if best is None else best.effect,
                evidence=0.0,
            )
        )
    largest = max(abs(a.contribution) for a in out) or 1.0
    out = [replace(a, evidence=_evidence(a, largest)) for a in out]
    return tuple(sorted(out, key=lambda a: -a.evidence))


def _evidence(of: Attribution, largest: float) -> float:
    p = 1.0 if math.isnan(of.p_value) else of.p_value
    through = max(abs(of.contribution) / largest, LEAST_SHARE)
    return -math.log(p) + math.log(max(of.effect, 1e-9)) + math.log(through)


def _notes(names: tuple[str, ...], fitted: dict[str, Abducted], scaled: Scaled) -> tuple[str, ...]:
    unknown = [n for n in names if not fitted[n].known]
    notes = ["Mechanisms are linear; the graph is taken as given, without hidden common causes."]
    if scaled.logged & set(names):
        notes.append(
            f"{len(scaled.logged & set(names))} positive and strongly skewed variables are taken "
            "by their logarithm."
        )
    if unknown:
        shown = ", ".join(unknown[:4]) + (" and others" if len(unknown) > 4 else "")
        notes.append(f"Not judged for want of normal rows: {shown}.")
    return tuple(notes)
