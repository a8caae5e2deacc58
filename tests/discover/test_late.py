"""Effects that come after more rows than were allowed are told."""

from doworld.discover.latent.late import late_effects
from doworld.graph import Reason
from doworld.worlds.traps import Trap, trap_world


def logs(sprung, count):
    return [trap_world(Trap.LAG, sprung=sprung, seed=2000 + s).log for s in range(count)]


def test_an_effect_after_more_rows_than_allowed_is_told():
    for log in logs(True, 4):
        (fact,) = late_effects(log, log.schema.names, 1)
        assert (fact.variable, fact.reason, fact.others) == ("a", Reason.LATE, ("y",))
        assert late_effects(log, log.schema.names, 4) == ()
    assert not any(late_effects(log, log.schema.names, 1) for log in logs(False, 8))


def test_few_rows_are_not_asked():
    log = logs(True, 1)[0]
    assert late_effects(log.select([0]), log.schema.names, 1) == ()
