"""Independence within strata: calibrated however few rows a cell has."""

import numpy as np
import pytest

from doworld.discover.numerics.stratified import joint_code, stratified


def _null(rng: np.random.Generator, strata: int, rows: int) -> tuple[np.ndarray, ...]:
    """Two variables, each skewed in its own way in every stratum, and independent there."""
    z = rng.integers(strata, size=rows)
    cuts = (rng.dirichlet(np.full(5, 0.5), strata).cumsum(1)[:, :-1] for _ in range(2))
    x, y = ((rng.uniform(size=rows)[:, None] > c[z]).sum(1) for c in cuts)
    return x, y, z


@pytest.mark.parametrize(("strata", "rows"), [(1, 50), (10, 100), (100, 600), (1000, 5000)])
def test_p_values_are_uniform_under_the_null(strata, rows):
    rng = np.random.default_rng(0)
    p = np.array([stratified(*_null(rng, strata, rows)).p_value for _ in range(300)])
    for level in (0.05, 0.2):
        share = (p <= level).mean()
        assert abs(share - level) < 3.5 * np.sqrt(level * (1 - level) / len(p)) + 0.1 * level


def test_power_grows_with_rows():
    rng = np.random.default_rng(1)

    def found(rows: int) -> float:
        hits = 0
        for _ in range(60):
            z, x = rng.integers(5, size=rows), rng.integers(3, size=rows)
            y = np.where(rng.uniform(size=rows) < 0.1, x, (z + rng.integers(3, size=rows)) % 3)
            hits += stratified(x, y, z).p_value < 0.01
        return hits / 60

    few, some, many = found(60), found(300), found(3000)
    assert few < some < many <= 1
    assert many > 0.9


def test_labels_do_not_matter():
    rng = np.random.default_rng(2)
    x, y, z = _null(rng, 4, 200)
    again = stratified(10 - x, 3 * y + 7, 100 * z + 1)
    assert again.p_value == pytest.approx(stratified(x, y, z).p_value)


def test_strata_that_say_nothing():
    x = np.array([0, 1, 0, 1])
    alone = stratified(x, x, np.arange(4))
    assert (alone.p_value, alone.rows) == (1.0, 0)
    same = np.zeros(4, int)
    assert stratified(same, x, same).p_value == 1.0


def test_joint_code_needs_a_column():
    with pytest.raises(ValueError, match="at least one"):
        joint_code()
