"""Effects that come after more rows than were allowed."""

from doworld.data import Role, Trajectories
from doworld.discover.latent.older_rows import Rows, bends_of, more
from doworld.graph import Reason, Unidentified

__all__ = ["late_effects"]

LATER = 5
"""Rows beyond the longest lag that are asked."""

CLEAR, LEAST_SHARE = 0.005, 0.01
"""p-value and share of the unexplained variance at which a later effect is told."""


def late_effects(
    log: Trajectories, names: tuple[str, ...], max_lag: int
) -> tuple[Unidentified, ...]:
    """The actions and states that still act after ``max_lag`` rows, more than all shorter lags say.

    Asked for where somebody else than the data chose ``max_lag``.
    """
    further = max_lag + LATER
    effects = tuple(n for n in log.schema.of(Role.STATE, Role.REWARD) if n in names)
    rows = Rows.of(log, names, further, log.schema.of(Role.STATE, Role.REWARD))
    if rows is None:
        return ()
    known = bends_of(rows.block(list(names), range(max_lag)), bent=False)
    out = []
    for name in (n for n in log.schema.of(Role.ACTION) if n in names):
        later = rows.block([name], range(max_lag, further))
        tests = {e: more(rows.after(e), known, later) or (1.0, 0.0) for e in effects}
        late = [
            e for e, (p, share) in tests.items() if p < CLEAR / len(tests) and share > LEAST_SHARE
        ]
        if late:
            out.append(_late(name, late, max_lag))
    return tuple(out)


def _late(action: str, effects: list[str], max_lag: int) -> Unidentified:
    span = "1 row" if max_lag == 1 else f"{max_lag} rows"
    return Unidentified(
        action,
        Reason.LATE,
        f"{action} acts on {', '.join(effects)} later than {span}, the longest lag that was "
        "allowed. Raise max_lag, or leave it out so that the data decide.",
        tuple(effects),
    )
