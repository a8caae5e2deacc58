"""Trap worlds: what they log, and that a trap and its twin share their truth."""

import numpy as np
import pytest

from doworld.worlds.traps import Trap, trap_world

# a table of selected rows holds a column that never changes, and reading it warns
pytestmark = pytest.mark.filterwarnings("ignore::doworld._core.errors.DoworldWarning")


@pytest.mark.parametrize("kind", list(Trap))
def test_the_same_seed_gives_the_same_world(kind):
    first, again = (trap_world(kind, sprung=True, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.log.values, again.log.values)
    assert first.truth == again.truth
    assert first.question == again.question


@pytest.mark.parametrize("kind", [Trap.HIDDEN, Trap.DETERMINISTIC, Trap.MEASUREMENT, Trap.OVERLAP])
def test_a_trap_is_in_the_log_and_not_in_the_truth(kind):
    sprung, twin = (trap_world(kind, sprung=s, seed=5) for s in (True, False))
    assert sprung.truth == pytest.approx(twin.truth, abs=0.1)


def test_what_a_hidden_cause_does_is_not_logged():
    sprung, twin = (trap_world(Trap.HIDDEN, sprung=s, seed=1).log for s in (True, False))
    assert "u" not in sprung.schema.names
    assert "u" in twin.schema.names
    np.testing.assert_array_equal(
        sprung.values[:, sprung.schema.position("y")], twin.values[:, twin.schema.position("y")]
    )


def test_no_overlap_means_that_the_action_is_absent_where_it_is_asked():
    log = trap_world(Trap.OVERLAP, sprung=True, seed=2).log
    w, a = (log.values[:, log.schema.position(n)] for n in ("w", "a"))
    assert not (a[w < 0] == 1).any()
    assert (a[w > 0] == 1).any()


def test_selection_keeps_the_rows_with_a_high_common_effect():
    sprung, twin = (trap_world(Trap.SELECTION, sprung=s, seed=0).log for s in (True, False))
    y = sprung.values[:, sprung.schema.position("y")]
    assert y.mean() != pytest.approx(twin.values[:, twin.schema.position("y")].mean(), abs=0.1)
    assert len(np.unique(sprung.values[:, sprung.schema.position("s")])) == 1
