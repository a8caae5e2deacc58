"""Edge probabilities: how often an edge would be found again in a resampled log."""

import numpy as np
from jaxtyping import Float
from scipy import stats

from doworld.discover.time.results import EdgeTests

__all__ = ["edge_probabilities"]

DRAWS = 200
CHUNK = 4096


def edge_probabilities(
    tests: EdgeTests, cut: float, *, seed: int
) -> Float[np.ndarray, "candidates targets"]:
    r"""Share of resampled logs in which a test still passes the p-value ``cut`` and its least gain.

    Units (episodes, or blocks of a long series) are drawn with replacement. A test's score is a
    sum over units to first order, so a resampled score is s + Σ_u (w_u − 1) ψ_u with multinomial
    weights w and the unit's influence ψ_u: no model is fitted again. Where influences were too
    many to keep, the score's own sampling distribution N(s, 1) takes their place.
    """
    bar = stats.norm.isf(np.clip(cut * tests.weight, 1e-300, 1.0) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        held = tests.least_gain / np.maximum(tests.gain, 1e-12)
    needed = np.where(tests.gain > 0, np.abs(tests.score) * np.sqrt(np.minimum(held, 1e6)), np.inf)
    needed = np.maximum(needed, bar)
    size = np.abs(tests.score)
    spread = (tests.influence.astype(float) ** 2).sum(0) if tests.influence.size else 0.0
    analytic = stats.norm.cdf(size - needed)
    if not tests.influence.size:
        return np.where(np.isfinite(tests.p_value), analytic, 0.0)
    units = len(tests.influence)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(units, np.full(units, 1 / units), DRAWS) - 1.0
    flat = tests.influence.reshape(units, -1)
    signed = np.where(tests.score < 0, -1.0, 1.0).ravel()
    passed = np.zeros(flat.shape[1])
    weights, short = weights.astype(np.float32), (needed - size).ravel()
    for a in range(0, flat.shape[1], CHUNK):
        part = slice(a, a + CHUNK)
        passed[part] = (signed[part] * (weights @ flat[:, part]) >= short[part]).sum(0)
    share = (passed / DRAWS).reshape(tests.score.shape)
    out = np.where(spread > 0, share, analytic)
    return np.where(np.isfinite(tests.p_value), out, 0.0)
