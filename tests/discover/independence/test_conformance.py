"""Every test of independence through one suite: level, power, invariance, bad input."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import stats

from doworld._core.errors import DataError, SchemaError
from doworld.data import Kind
from doworld.discover.independence import (
    Circuit,
    Columns,
    ConditionalInformation,
    Gaussian,
    IndependenceTest,
    KernelTest,
    Levels,
    LikelihoodRatio,
    PartialCorrelation,
    RandomFeatures,
    Regressions,
    TableTest,
)
from doworld.discover.independence.number_law import FINEST
from doworld.discover.independence.scores import FREEDOM

SHARES = (0.05, 0.2, 0.5)


@dataclass(frozen=True)
class Case:
    """A test, the kind of table that it is for, and the draws that it is tried with.

    ``copy`` is its effect of a column on its copy, 1 but for one in nats.
    """

    test: Any
    shape: str
    draws: tuple[int, int, int] = (300, 150, 40)
    copy: float = 1.0


# a copy tells a level's entropy, and a number's down to the finest noise that a law may have
EXACT = 0.5 * np.log(2 * np.pi * np.e) - np.log(FINEST) + stats.t(FREEDOM).logpdf(0)
CASES = {
    "partial": Case(PartialCorrelation(), "linear"),
    "ratio": Case(LikelihoodRatio(), "linear"),
    "levels": Case(Levels(), "levels"),
    "features": Case(RandomFeatures(), "smooth", (200, 100, 20)),
    "regressions": Case(Regressions(), "smooth", (200, 100, 20)),
    "kernel": Case(KernelTest(), "smooth", (150, 60, 15)),
    "kernels": Case(KernelTest((Gaussian(1.0), Circuit())), "smooth", (100, 40, 10)),
    "information": Case(ConditionalInformation(), "smooth", (200, 100, 20), EXACT),
    "information-levels": Case(ConditionalInformation(), "levels", (200, 100, 20), np.log(3)),
}
ROWS = (50, 500, 5000)


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def columns(x, shape):
    kind = Kind.CATEGORICAL if shape == "levels" else Kind.CONTINUOUS
    return Columns(x, (kind,) * x.shape[1], tuple(f"v{k}" for k in range(x.shape[1])))


def draw(shape, rows, given, rng, link=0.0):
    """x, y and then z: independent given z, but for ``link``."""
    if shape == "levels":
        z = rng.integers(3, size=(rows, given))
        base = z.sum(1)
        x = (base + (rng.random(rows) < 0.4) * rng.integers(3, size=rows)) % 3
        y = (base + (rng.random(rows) < 0.4) * rng.integers(3, size=rows)) % 3
        y = np.where(rng.random(rows) < link, x, y)
        return columns(np.column_stack([x, y, z]).astype(float), shape)
    z = rng.standard_normal((rows, given))
    sum_z = z.sum(1) / np.sqrt(max(given, 1))
    smooth = shape == "smooth"
    x = (np.sin(1.5 * sum_z) if smooth else sum_z) + 0.6 * rng.standard_normal(rows)
    y = (np.cos(sum_z) if smooth else -sum_z) + 0.6 * rng.standard_normal(rows)
    return columns(np.column_stack([x, y + link * x, z]), shape)


def p_values(case, draws, rows, given, seed, link=0.0):
    rng = np.random.default_rng(seed)
    z = tuple(range(2, 2 + given))
    tables = (draw(case.shape, rows, given, rng, link) for _ in range(draws))
    return np.array([case.test.on(t).test(0, 1, z).p_value for t in tables])


def near(p, level):
    return abs((p <= level).mean() - level) < 3.5 * np.sqrt(level * (1 - level) / len(p))


def test_all_follow_the_protocol(case):
    assert isinstance(case.test, IndependenceTest)
    assert case.test.name
    table = draw(case.shape, 60, 1, np.random.default_rng(0))
    assert isinstance(case.test.on(table), TableTest)


@pytest.mark.parametrize("given", [0, 1, 2])
@pytest.mark.parametrize("size", [0, 1, 2])
def test_p_values_are_uniform_under_the_null(case, size, given):
    if size == 2 and given == 2:
        pytest.skip("seconds; the benchmark of nonlinear tables measures it")
    p = p_values(case, case.draws[size], ROWS[size], given, seed=[size, given])
    assert all(near(p, level) for level in SHARES), [(p <= level).mean() for level in SHARES]


@pytest.mark.parametrize("given", [0, 1])
def test_power_grows_with_rows(case, given):
    found = [
        (p_values(case, 40, rows, given, seed=given, link=0.25) <= 0.05).mean()
        for rows in (40, 160, 640)
    ]
    assert found[0] <= found[1] + 0.1
    assert found[1] <= found[2]
    assert found[2] >= 0.85
    assert found[2] > found[0] + 0.2


def agree(a, b):
    assert b.p_value == pytest.approx(a.p_value, rel=1e-4, abs=1e-9)
    assert b.effect == pytest.approx(a.effect, rel=1e-4, abs=1e-7)
    assert b.rows == a.rows


@pytest.fixture
def table(case):
    return draw(case.shape, 150, 2, np.random.default_rng(7), 0.1)


def test_scale_and_place_do_not_matter(case, table):
    for scale, shift in ((3.0, 7.0), (-2.0, 0.5), (1e-4, 1e3)):
        other = columns(table.values * scale + shift, case.shape)
        agree(case.test.on(table).test(0, 1, (2, 3)), case.test.on(other).test(0, 1, (2, 3)))


def test_the_order_of_rows_does_not_matter(case, table):
    other = columns(np.random.default_rng(0).permutation(table.values), case.shape)
    agree(case.test.on(table).test(0, 1, (2, 3)), case.test.on(other).test(0, 1, (2, 3)))


def test_the_order_and_names_of_columns_do_not_matter(case, table):
    other = columns(table.values[:, [3, 1, 2, 0]], case.shape)
    agree(case.test.on(table).test(0, 1, (2, 3)), case.test.on(other).test(3, 1, (0, 2)))
    agree(case.test.on(table).test(0, 1, (2, 3)), case.test.on(table).test(0, 1, (3, 2)))


def test_x_and_y_may_change_places(case, table):
    bound = case.test.on(table)
    agree(bound.test(0, 1, (2,)), bound.test(1, 0, (2,)))


def test_the_same_answer_twice(case, table):
    assert case.test.on(table).test(0, 1, (2,)) == case.test.on(table).test(0, 1, (2,))


def test_ties_keep_the_level(case):
    rng = np.random.default_rng(3)
    p = []
    for _ in range(120):
        x = draw(case.shape, 100, 1, rng).values
        rounded = columns(np.round(x if case.shape == "levels" else 2 * x), case.shape)
        p.append(case.test.on(rounded).test(0, 1, (2,)).p_value)
    assert (np.array(p) <= 0.05).mean() <= 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 120)
    assert (np.array(p) <= 0.5).mean() >= 0.3


def test_a_constant_column_is_named(case, table):
    x = table.values.copy()
    x[:, 1] = 2.0
    with pytest.raises(DataError, match="'v1' is the same in all 150 complete rows"):
        case.test.on(columns(x, case.shape)).test(0, 1, (2,))


def test_too_few_rows_are_an_error(case, table):
    with pytest.raises(DataError, match="only 5 rows hold values"):
        case.test.on(columns(table.values[:5], case.shape)).test(0, 1)


def test_rows_with_missing_values_are_dropped_and_counted(case, table):
    x = table.values.copy()
    x[:20, 0] = np.nan
    x[10:30, 2] = np.nan
    bound = case.test.on(columns(x, case.shape))
    some, more = bound.test(0, 1), bound.test(0, 1, (2,))
    assert (some.rows, some.dropped) == (130, 20)
    assert (more.rows, more.dropped) == (120, 30)
    whole = case.test.on(columns(table.values[30:], case.shape)).test(0, 1, (2,))
    assert more.p_value == pytest.approx(whole.p_value, rel=1e-4, abs=1e-9)


def test_identical_columns_are_dependent(case, table):
    x = table.values.copy()
    x[:, 1] = x[:, 0]
    verdict = case.test.on(columns(x, case.shape)).test(0, 1)
    assert verdict.p_value < 1e-6
    assert verdict.effect == pytest.approx(case.copy, rel=0.05)


@pytest.mark.parametrize("name", ["features", "kernel", "kernels", "information"])
def test_dependence_without_correlation_is_seen(name):
    rng = np.random.default_rng(0)
    z, x, e = rng.standard_normal((3, 300))
    table = columns(np.column_stack([x, x**2 + z + 0.5 * e, z]), "smooth")
    bound = CASES[name].test.on(table)
    assert bound.test(0, 1).p_value < 1e-3
    assert bound.test(0, 1, (2,)).p_value < 1e-3
    assert bound.test(0, 1, (2,)).p_value < PartialCorrelation().on(table).test(0, 1, (2,)).p_value


@pytest.mark.parametrize("name", ["kernel", "kernels"])
def test_the_level_holds_in_twenty_rows(name):
    p = p_values(CASES[name], 200, 20, 1, seed=4)
    assert (p <= 0.05).mean() <= 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 200)


def mixed(rows, rng, link):
    """A level and a number that depend on a third, a level."""
    z = rng.integers(3, size=rows)
    x = (z + (rng.random(rows) < 0.5) * rng.integers(3, size=rows)) % 3
    y = z - 1.0 + link * (x == 1) + rng.standard_normal(rows)
    kinds = (Kind.CATEGORICAL, Kind.CONTINUOUS, Kind.CATEGORICAL)
    return Columns(np.column_stack([x, y, z]).astype(float), kinds, ("x", "y", "z"))


@pytest.mark.parametrize(
    "name", ["ratio", "features", "regressions", "kernel", "kernels", "information"]
)
def test_numbers_and_levels_mix(name):
    rng = np.random.default_rng(5)
    test = CASES[name].test
    null = np.array([test.on(mixed(150, rng, 0.0)).test(0, 1, (2,)).p_value for _ in range(150)])
    assert near(null, 0.05)
    assert near(null, 0.5)
    assert test.on(mixed(300, rng, 1.0)).test(0, 1, (2,)).p_value < 1e-3


def test_many_partial_correlations_at_once():
    table = draw("linear", 200, 3, np.random.default_rng(0))
    bound = PartialCorrelation().on(table)
    many = bound.p_values((2, 4))
    for i, j in ((0, 1), (0, 3), (1, 3)):
        assert many[i, j] == pytest.approx(bound.test(i, j, (2, 4)).p_value)
    assert np.isnan(many[2]).all()


def test_wrong_kinds_are_errors():
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="needs numbers, but 'x', 'z' hold levels"):
        PartialCorrelation().on(mixed(50, rng, 0.0))
    with pytest.raises(DataError, match="'y' is a number, and this test needs levels"):
        Levels().on(mixed(50, rng, 0.0))
    with pytest.raises(SchemaError, match="needs a kernel"):
        KernelTest(())
    with pytest.raises(DataError, match="2 columns came with 1 kinds"):
        Columns(np.zeros((10, 2)), (Kind.CONTINUOUS,), ("a", "b"))


def test_a_circuit_is_a_kernel():
    rows = np.random.default_rng(0).standard_normal((30, 2))
    state = Circuit(qubits=3, layers=2).embed(rows)
    assert np.allclose((np.abs(state) ** 2).sum(1), 1.0)
    gram = Circuit().overlap(state, state)
    assert np.allclose(np.diag(gram), 1.0)
    assert np.linalg.eigvalsh(gram).min() > -1e-9
