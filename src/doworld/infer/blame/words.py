"""A failure explained in one paragraph, made from the numbers alone."""

from doworld.query.blame_details import BlameDetails, Change, Share
from doworld.query.words import number, spans

__all__ = ["headword", "paragraph"]


def paragraph(details: BlameDetails, *, steps: int, bounded: bool) -> str:
    """Plain sentences: what was decisive, how surely, what else would help, when it was over.

    ``bounded`` says that the numbers are estimates under an assumption.
    """
    parts = [_decisive(details, steps), _sure(details), _least(details), _together(details)]
    parts += [_necessity(details), _turning(details, steps), _shared(details)]
    if bounded:
        parts.append(_estimated(details))
    parts.append(_unfounded(details))
    return " ".join(p for p in parts if p)


def _estimated(details: BlameDetails) -> str:
    """What levels on the way leave open."""
    said = (
        "Chances are by the estimate, which assumes Gumbel-max mechanisms, and so is the decisive "
        "row: levels on the way leave them open."
    )
    best = details.best
    if best is None or not details.open[details.rows.index(best.row)]:
        return said
    low, high = _percent(details.lower), _percent(details.upper)
    return f"{said} That the change would have saved the episode has a probability of {low}–{high}."


def _unfounded(details: BlameDetails) -> str:
    """What the log does not vouch for."""
    best = details.best
    if best is None or not details.unfounded[details.rows.index(best.row)]:
        return ""
    return (
        "No logged rows vouch for what that change leads to: its probability of saving the episode "
        "is an estimate, and may be anything."
    )


def headword(details: BlameDetails) -> str:
    """The answer in one line."""
    if details.best is None:
        return "Blame: no single change would have saved the episode"
    return f"Blame: {_was(details.best)}"


def _value(change: Change, value: object) -> str:
    text = number(value) if isinstance(value, float) else str(value)
    return f"{text} {change.unit}".strip()


def _was(change: Change) -> str:
    return f"{change.variable} was {_value(change, change.was)} at row {change.row}"


def _percent(chance: float) -> str:
    if 0 < chance < 0.005:
        return "less than 1 %"
    if 0.995 < chance < 1:
        return "more than 99 %"
    return f"{chance:.0%}".replace("%", " %")


def _decisive(details: BlameDetails, steps: int) -> str:
    best = details.best
    if best is None:
        return (
            f"No single change of an action in rows 0–{steps - 1} would have saved the episode: "
            "every alternative that was tried still fails with the episode's own noise."
        )
    if details.always:
        return (
            "Any single change that was tried would have saved the episode, so no row is to blame "
            f"more than another; row {best.row} is named as the most robust to other noise."
        )
    would = f"with {_value(best, best.instead)} instead"
    if details.success >= 0.5:
        return (
            f"The episode failed because {_was(best)}: {would}, all else and the noise as they "
            f"were, it would have succeeded with probability {_percent(details.success)}."
        )
    return (
        f"No single change would probably have saved the episode. The best is row {best.row}: "
        f"{_was(best)}, and {would} it would have succeeded with probability "
        f"{_percent(details.success)}."
    )


def _sure(details: BlameDetails) -> str:
    if details.best is None or details.always:
        return ""
    others = [r for r in details.ties if r != details.best.row]
    if others:
        rows = spans(details.ties)
        return (
            f"Changes at {rows} are equally good; this one was chosen as the most robust to other "
            f"noise. The earliest is row {details.ties[0]}, the latest row {details.ties[-1]}."
        )
    if len(details.likely) > 1:
        return (
            f"That this row is the decisive one has probability {_percent(details.chance)}; "
            f"it is one of {spans(details.likely)}."
        )
    return (
        ""
        if details.chance > 0.999
        else (f"That this row is the decisive one has probability {_percent(details.chance)}.")
    )


def _least(details: BlameDetails) -> str:
    least = details.least
    if least is None or details.best is None or least.instead == details.best.instead:
        return ""
    return f"Already {_value(least, least.instead)} would probably have been enough."


def _together(details: BlameDetails) -> str:
    changes = details.changes
    if len(changes) < 2:
        if details.best is None and details.method and not changes:
            return f"Nor do a few changes together ({details.method})."
        return ""
    words = "; ".join(f"{c.variable} {_value(c, c.instead)} at row {c.row}" for c in changes)
    return (
        f"The best {len(changes)} changes together reach {_percent(details.together)}: {words} "
        f"({details.method})."
    )


def _necessity(details: BlameDetails) -> str:
    best = details.best
    if best is None or details.always:
        return ""
    enough = details.sufficiency[details.rows.index(best.row)]
    if enough is None:
        return ""
    judged = "and it was enough to fail" if enough >= 0.5 else "but it alone need not have failed"
    return (
        f"The action was necessary with probability {_percent(details.success)}, {judged}: among "
        f"futures that the change would have saved, {_percent(enough)} fail without it."
    )


def _turning(details: BlameDetails, steps: int) -> str:
    """When success was no longer likely, and when nothing that was tried could mend it."""
    how = "With actions drawn as in the log" if details.randomised else "As the actions went on"
    first, turning, closed = details.rows[0], details.turning, details.no_return
    if turning is None:
        return f"{how}, success stayed likely up to the last action, row {steps - 1}."
    if turning == first:
        start = f"{how}, success was unlikely from the start ({_percent(details.ahead[0])})"
    else:
        at = details.rows.index(turning)
        one, two = _percent(details.ahead[at - 1]), _percent(details.ahead[at])
        start = (
            f"{how}, success was no longer likely from row {turning} on "
            f"({one} at row {details.rows[at - 1]}, {two} there)"
        )
    if closed is None:
        return f"{start}; a better response could still have made it likely at the last action."
    if closed == turning:
        return f"{start}, and no response that was tried makes it likely from there."
    return f"{start}; no response that was tried makes it likely from row {closed} on."


def _shared(details: BlameDetails) -> str:
    if not details.shares:
        return ""
    if details.shared < 0.05:
        return (
            f"With typical actions and noise it would succeed with {_percent(details.shared)} "
            "only, so shares of the failure say little."
        )
    ranked = sorted(details.shares, key=lambda s: -s.value)[:2]
    worth = [s for s in ranked if s.value > 2 * s.error and s.value > 0.02]
    if not worth:
        return ""
    words = " and ".join(f"{s.name} ({_share(s, details)})" for s in worth)
    return f"Against what is typical of the log, most of the failure is owed to {words}."


def _share(share: Share, details: BlameDetails) -> str:
    return f"{share.value:.2f} ± {share.error:.2f} of {details.shared:.2f}"
