"""Conditional mutual information of learned mechanisms, and a score test of what it is made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from doworld._core.errors import SchemaError
from doworld.discover.independence.columns import Columns, Rows
from doworld.discover.independence.gains import information, inputs_of
from doworld.discover.independence.kernel_test import cauchy
from doworld.discover.independence.products import weighted_products
from doworld.discover.independence.scores import Part, Scores, scores
from doworld.discover.independence.smoother import Smoother
from doworld.discover.independence.verdict import Verdict
from doworld.discover.numerics.basis import build_basis

__all__ = ["ConditionalInformation"]

ROWS_A_TERM = 6
FARTHEST = 2.0
"""A cause's part in how another acts grows no more beyond this many standard deviations."""


@dataclass(frozen=True)
class ConditionalInformation:
    r"""Whether the mechanism of y given z gains by x, or that of x by y, in mean, spread or odds.

        Î(x; y | z) = max over both directions of n⁻¹ Σ_i log p̂(y_i | x_i, z_i) − log p̂(y_i | z_i)

    in nats, each row judged by mechanisms learned from the other folds: a number's law is of
    location, scale and shape (``NumberLaw``), a level's is logistic (``LevelLaw``). It is the
    statistic, and where it is positive the effect. Each direction is the information there is less
    what the larger law misses and more what the smaller does, so in few rows it is too small, and
    the better learned direction is nearer. A number and its copy reach ``number_law.FINEST``.

    Under independence such a difference of nested models is degenerate (Vuong 1989), so the p-value
    is that of the scores which the extra terms of the larger mechanism have at the smaller one
    (Rao 1948): products of what z's law leaves of x and of y,

        s_k(x_i | z_i) s_l(y_i | z_i) w(z_i),   E[·] = 0 if x ⫫ y | z,

    with s₁ the score of a mean or a logit, s₂ that of log σ and P_k terms of x or y themselves
    (``scores``). s₁s₁ asks for a shift; s₁s₂, s₂s₁ and s₂s₂ for spread; s₁P_k and P_ks₁ for bends;
    s₁s₁z_j for a shift whose mean over z is 0 (weights as Scheidegger, Hörrmann and Bühlmann 2022;
    left out where it has more products than there are rows). Each of the four is a generalised
    covariance (Shah and Peters 2020), valid if both laws are learned at a moderate rate, with the
    null of ``products``; the p-value of all is Cauchy's (Liu and Xie 2020), in which the shift
    counts as much as the others together. The folds have no part in it.

    Raises ``SchemaError`` where ``terms`` is below 1 or ``folds`` below 2.

    Attributes:
        terms: the most terms of z that scores are freed of.
        folds: of rows held out, for the estimate alone.
        seed: of the folds.

    >>> rng = np.random.default_rng(0)
    >>> x, z, noise = rng.standard_normal((3, 400))
    >>> tester = ConditionalInformation().on(Columns.numbers(np.column_stack([x, x * noise, z])))
    >>> tester.test(0, 1, (2,)).p_value < 1e-6, tester.test(0, 2).p_value > 0.01
    (True, True)
    >>> round(tester.test(0, 2).effect, 2)
    0.0
    """

    terms: int = 60
    folds: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.terms < 1:
            raise SchemaError(f"terms is {self.terms}, but a law needs one. Use 1 or more.")
        if self.folds < 2:
            raise SchemaError(f"folds is {self.folds}, so no row is held out. Use 2 or more.")

    @property
    def name(self) -> str:
        """What it is called in an edge's evidence."""
        return "scores of learned mechanisms; effect: conditional mutual information in nats"

    def on(self, columns: Columns) -> "_Bound":
        """The test on a table of any kinds."""
        return _Bound(columns, self)


@dataclass(frozen=True, eq=False)
class _Bound:
    columns: Columns
    settings: ConditionalInformation
    _smoothers: dict[tuple[tuple[int, ...], bytes], Smoother] = field(
        default_factory=dict, repr=False
    )
    _scores: dict[tuple[int, tuple[int, ...], bytes], Scores] = field(
        default_factory=dict, repr=False
    )

    def test(self, x: int, y: int, z: Sequence[int] = ()) -> Verdict:
        """See ``TableTest``."""
        rows = self.columns.rows((x, y, *z))
        given = self.columns.sorted(z)
        p = self._p_value(self._left(x, given, rows), self._left(y, given, rows), given, rows)
        nats = information(
            self.columns, (x, y), given, rows, self.settings.folds, self.settings.seed
        )
        return Verdict(nats, p, rows.count, rows.dropped, max(nats, 0.0))

    def _p_value(self, a: Scores, b: Scores, given: tuple[int, ...], rows: Rows) -> float:
        one = np.ones((rows.count, 1))
        shift = _pairs(a, b, Part.SHIFT, Part.SHIFT)
        spread = _pairs(a, b, Part.SPREAD, Part.SPREAD) | _pairs(a, b, Part.SHIFT, Part.SPREAD)
        term = _pairs(a, b, Part.SHIFT, Part.TERM)
        found = [
            weighted_products(a.left, b.left, p, one) for p in (shift, spread, term) if p.any()
        ]
        weights = _weights(self.columns, given, rows)
        if 0 < weights.shape[1] * int(shift.sum()) <= rows.count:
            found.append(weighted_products(a.left, b.left, shift, weights))
        # shifts are what most links are, so they keep half of the level
        share = [max(len(found) - 1, 1)] + [1] * (len(found) - 1)
        return cauchy(found, share) if found else 1.0

    def _left(self, column: int, given: tuple[int, ...], rows: Rows) -> Scores:
        key = (column, given, rows.key)
        known = self._scores.get(key)
        if known is None:
            smoother = self._smoother(given, rows)
            known = self._scores[key] = scores(self.columns, column, rows, smoother)
        return known

    def _smoother(self, given: tuple[int, ...], rows: Rows) -> Smoother:
        known = self._smoothers.get((given, rows.key))
        if known is None:
            most = min(self.settings.terms, rows.count // ROWS_A_TERM)
            inputs = inputs_of(self.columns, given, rows)
            table = build_basis(inputs, most).table[:, 1:] if inputs.shape[1] else inputs
            known = self._smoothers[given, rows.key] = Smoother.of(table)
        return known


def _pairs(a: Scores, b: Scores, one: Part, other: Part) -> Bool[np.ndarray, "scores others"]:
    """Scores of which either is ``one`` and the other ``other``."""
    return np.outer(a.part == one, b.part == other) | np.outer(a.part == other, b.part == one)


def _weights(
    columns: Columns, given: tuple[int, ...], rows: Rows
) -> Float[np.ndarray, "rows weights"]:
    if not given:
        return np.zeros((rows.count, 0))
    z = np.hstack([columns.features(k, rows) for k in given])
    return np.clip(z / z.std(0), -FARTHEST, FARTHEST)
