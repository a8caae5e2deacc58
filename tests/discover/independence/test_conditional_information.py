"""Nats of known laws, and dependence that a correlation of residuals does not show."""

import numpy as np
import polars as pl
import pytest

from doworld._core.errors import SchemaError
from doworld.data import Kind, Trajectories
from doworld.discover import PC
from doworld.discover.independence import Columns, ConditionalInformation, Regressions
from doworld.discover.independence.products import products, weighted_products
from doworld.discover.independence.ridge import Ridge
from doworld.discover.independence.scores import Part, scores
from doworld.discover.independence.smoother import Smoother
from doworld.discover.tables.task import StaticTask

N, L = Kind.CONTINUOUS, Kind.CATEGORICAL


def scale_only(rng, z, x, e):
    return x * e


def square(rng, z, x, e):
    return z + 0.4 * x**2 + 0.7 * e


def opposite_on_either_side(rng, z, x, e):
    return 0.5 * x * z + e


def waves(rng, z, x, e):
    return z + 0.8 * np.sin(3 * x) + e


def levels(rng, z, x, e):
    far = np.where(z > 0, 1.0, 2.0)
    return np.where(rng.random(len(x)) < 0.4, rng.integers(3, size=len(x)), (np.abs(x) > 0.6) * far)


def table(law, rows, seed, keep=True):
    """x, y and z; with ``keep`` false y comes of another x of the same law given z."""
    rng = np.random.default_rng(seed)
    z, e, u, v = rng.standard_normal((4, rows))
    x, other = (0.6 * np.sin(1.5 * z) + 0.8 * noise for noise in (u, v))
    y = law(rng, z, x if keep else other, e)
    kinds = (N, L if law is levels else N, N)
    return Columns(np.column_stack([x, y, z]), kinds, ("x", "y", "z"))


LAWS = (scale_only, square, opposite_on_either_side, waves, levels)


@pytest.mark.parametrize("law", LAWS)
def test_what_no_correlation_shows_is_seen(law):
    p = [
        ConditionalInformation().on(table(law, 400, seed)).test(0, 1, (2,)).p_value
        for seed in range(20)
    ]
    assert np.mean(np.array(p) < 0.01) >= 0.9


@pytest.mark.parametrize("law", [scale_only, waves, levels])
def test_the_same_laws_without_the_link_keep_the_level(law):
    p = [
        ConditionalInformation().on(table(law, 100, seed, False)).test(0, 1, (2,)).p_value
        for seed in range(150)
    ]
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 150)
    assert abs(np.mean(np.array(p) <= 0.5) - 0.5) < 3.5 * np.sqrt(0.25 / 150)


@pytest.mark.parametrize("law", [scale_only, square, opposite_on_either_side])
def test_regressions_do_not_see_them(law):
    p = [Regressions().on(table(law, 400, seed)).test(0, 1, (2,)).p_value for seed in range(20)]
    assert np.mean(np.array(p) < 0.01) <= 0.3


@pytest.mark.parametrize("correlation", [0.0, 0.4, 0.8])
def test_nats_of_a_normal_law(correlation):
    rng = np.random.default_rng(0)
    z, x, e = rng.standard_normal((3, 3000))
    y = z + correlation * x + np.sqrt(1 - correlation**2) * e
    verdict = ConditionalInformation().on(Columns.numbers(np.column_stack([x + z, y, z])))
    found = verdict.test(0, 1, (2,))
    assert found.statistic == pytest.approx(-0.5 * np.log(1 - correlation**2), rel=0.08, abs=0.002)
    assert found.effect == max(found.statistic, 0.0)


def test_nats_of_a_noise_whose_size_x_sets():
    rng = np.random.default_rng(1)
    x = rng.integers(2, size=4000)
    y = np.array([0.4, 1.6])[x] * rng.standard_normal(4000)
    columns = Columns(np.column_stack([x, y]), (L, N), ("x", "y"))
    # the entropy of the mixture less that of its parts, by quadrature
    grid = np.linspace(-12, 12, 40001)
    parts = [np.exp(-((grid / s) ** 2) / 2) / (s * np.sqrt(2 * np.pi)) for s in (0.4, 1.6)]
    mixed = np.mean(parts, axis=0)
    own = np.mean([0.5 * np.log(2 * np.pi * np.e * s**2) for s in (0.4, 1.6)])
    truth = -(mixed * np.log(mixed)).sum() * (grid[1] - grid[0]) - own
    assert ConditionalInformation().on(columns).test(0, 1).effect == pytest.approx(truth, rel=0.1)


def test_nats_of_levels():
    rng = np.random.default_rng(2)
    z = rng.integers(3, size=6000)
    x = rng.integers(2, size=6000)
    y = np.where(rng.random(6000) < 0.8, (x + z) % 2, 1 - (x + z) % 2)
    columns = Columns(np.column_stack([x, y, z]).astype(float), (L, L, L), ("x", "y", "z"))
    truth = np.log(2) + 0.8 * np.log(0.8) + 0.2 * np.log(0.2)
    found = ConditionalInformation().on(columns).test(0, 1, (2,))
    assert found.effect == pytest.approx(truth, rel=0.05)
    assert found.p_value < 1e-12


def test_the_seed_moves_the_estimate_alone():
    columns = table(square, 300, 0)
    one, other = (ConditionalInformation(seed=s).on(columns).test(0, 1, (2,)) for s in (0, 1))
    assert one.p_value == other.p_value
    assert one.statistic != other.statistic
    assert one.statistic == pytest.approx(other.statistic, rel=0.5)


def test_a_number_that_z_determines_depends_on_nothing_else():
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((2, 200))
    columns = Columns.numbers(np.column_stack([x, 2 * z + 1, z]))
    verdict = ConditionalInformation().on(columns).test(0, 1, (2,))
    assert verdict.p_value == 1.0
    assert verdict.effect < 0.01


def test_settings_out_of_range_are_errors():
    with pytest.raises(SchemaError, match="folds is 1, so no row is held out"):
        ConditionalInformation(folds=1)
    with pytest.raises(SchemaError, match="terms is 0"):
        ConditionalInformation(terms=0)


def test_scores_by_kind():
    rng = np.random.default_rng(0)
    values = np.column_stack(
        [rng.standard_normal(90), rng.integers(2, size=90), rng.integers(3, size=90)]
    )
    columns = Columns(values, (N, N, L), ("number", "two", "three"))
    rows = columns.rows((0, 1, 2))
    empty = Smoother.of(np.zeros((90, 0)))
    parts = [scores(columns, k, rows, empty).part.tolist() for k in range(3)]
    assert parts == [[Part.SHIFT, Part.SPREAD] + 4 * [Part.TERM], [Part.SHIFT], 2 * [Part.SHIFT]]


def test_all_pairs_without_weights_are_the_products():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 80, 3))
    smoother = Smoother.of(rng.standard_normal((80, 2)))
    left = smoother.residuals(a), smoother.residuals(b)
    found = weighted_products(*left, np.ones((3, 3), bool), np.ones((80, 1)))
    assert found == pytest.approx(products(*left)[1])


def test_a_ridge_predicts_held_out_rows_of_a_line():
    rng = np.random.default_rng(0)
    terms = rng.standard_normal((120, 3))
    y = terms @ np.array([1.0, -2.0, 0.5]) + 3.0
    ridge = Ridge.of(terms[:80], terms[80:])
    weights = ridge.shrinkage(y[:80, None]) * (ridge.basis.T @ y[:80])
    assert y[:80].mean() + ridge.beyond @ weights == pytest.approx(y[80:], abs=1e-3)


def test_a_ridge_leaves_noise_alone():
    rng = np.random.default_rng(1)
    terms, noise = rng.standard_normal((80, 5)), rng.standard_normal((80, 1))
    assert Ridge.of(terms, terms).shrinkage(noise).max() < 0.6


def test_pc_finds_a_cause_of_spread():
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((2, 500))
    c = np.exp(0.7 * a) * rng.standard_normal(500)
    frame = pl.DataFrame({"a": a, "b": b, "c": c})
    log = Trajectories.from_frame(frame, state=frame.columns)
    graph = PC(ConditionalInformation()).graph(StaticTask(log, frame.columns))
    assert {frozenset((e.source, e.target)) for e in graph.edges} == {frozenset("ac")}
    assert graph.edges[0].effect > 0.1
