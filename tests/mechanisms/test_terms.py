"""The language of laws: the same numbers in both forms, and roots that stay flat at 0."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from doworld.mechanisms.terms import Factor, Operation, decoded, encoded, products, values

FACTORS = [
    (Factor(0, Operation.IDENTITY), -3.0),
    (Factor(1, Operation.ROOT), 2.0),
    (Factor(0, Operation.ROOT), 0.0),
    (Factor(0, Operation.SIZE), 3.0),
    (Factor(0, Operation.NORM, 1.0), 5.0),
    (Factor(0, Operation.SINE, 0.5), np.sin(-1.5)),
    (Factor(0, Operation.ABOVE, -4.0), 1.0),
    (Factor(0, Operation.STEP, -4.0), 1.0),
    (Factor(1, Operation.RECIPROCAL, 0.125), 0.25),
]
ROW = np.array([[-3.0, 4.0]])


@pytest.mark.parametrize(("factor", "truth"), FACTORS)
def test_both_forms_say_the_same(factor, truth):
    assert products(ROW, [(factor,)])[0, 0] == pytest.approx(truth)
    arrays = [a[0] for a in encoded([[(factor,)]])]
    assert decoded(*arrays) == [(factor,)]
    operation, reads, parameter = (jnp.asarray(a) for a in arrays)
    row = jnp.asarray(ROW[0], jnp.float32)
    second = row[factor.inputs[-1]] * jnp.ones_like(parameter)
    shown = values(row[reads], second, operation, parameter)
    assert float(shown[0, 0]) == pytest.approx(truth, rel=1e-6)


def test_roots_have_a_slope_everywhere():
    operation = jnp.array([int(Operation.ROOT), int(Operation.NORM)])
    ones = jnp.ones(2)

    def total(x):
        return values(x * ones, 0.0 * ones, operation, ones).sum()

    assert float(jax.grad(total)(0.0)) == 0.0
    assert float(jax.grad(total)(4.0)) == pytest.approx(0.25 + 1.0)


def test_factors_are_renumbered():
    both = Factor(0, Operation.NORM, 1.0).renumbered([4, 7])
    assert both.inputs == (4, 7)
    assert Factor(1, Operation.SINE, 0.5).renumbered([4, 7]) == Factor(7, Operation.SINE, 0.5)
