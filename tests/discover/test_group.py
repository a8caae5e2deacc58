"""All lags of a source together: found where single lags hide each other."""

import numpy as np
import pytest
from logs import make_log

from doworld.discover.time.design import dynamics_block
from doworld.discover.time.group import group_tests


def log_of(rows=600, seed=0):
    """x follows u, which hardly changes from row to row; z is idle."""
    rng = np.random.default_rng(seed)
    x = np.zeros((rows, 3))
    for t in range(rows - 1):
        x[t + 1, 1] = 0.99 * x[t, 1] + 0.1 * rng.standard_normal()
        x[t + 1, 2] = 0.5 * x[t, 2] + rng.standard_normal()
        x[t + 1, 0] = 0.5 * x[t, 0] + 0.5 * x[t, 1] + 0.5 * rng.standard_normal()
    return make_log([x], state=list("xuz"))


def block_of(log, max_lag):
    return dynamics_block(log, log.schema.names, max_lag, lambda *_: True, seed=0)


@pytest.fixture(scope="module")
def tests():
    block = block_of(log_of(), 3)
    found = group_tests(block)
    return {(g.source, block.targets[g.target].name): g for g in found}


def test_a_source_that_acts_is_found_with_its_share_of_loss(tests):
    acts, idle = tests["u", "x"], tests["z", "x"]
    assert acts.p_value < 1e-3
    assert acts.gain > 0.02
    assert acts.probability > 0.95
    assert idle.p_value > 0.05
    assert idle.gain < 0.01


def test_nothing_is_tested_against_itself(tests):
    assert not any(source == target for source, target in tests)
    assert len(tests) == 6


def test_single_lags_are_left_to_the_other_tests():
    assert group_tests(block_of(log_of(rows=200), 1)) == []
