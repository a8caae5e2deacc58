"""What is wanted, as several commands are told it: values, ranges, what to make large or small."""

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from doworld._core.errors import QueryError

if TYPE_CHECKING:
    from doworld.cli.question import Question
    from doworld.query import Band, Goal

__all__ = ["Goals", "Keep", "Limit", "Maximise", "Minimise", "Weight", "goal_of"]

Goals: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--goal", help="Value that a variable should have.", metavar="NAME=VALUE"),
]
Keep: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="Range to stay in, if possible.", metavar="NAME=LOW:HIGH"),
]
Limit: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="Range that must not be left.", metavar="NAME=LOW:HIGH"),
]
Maximise: TypeAlias = Annotated[list[str] | None, typer.Option(help="Make large.", metavar="A,B")]
Minimise: TypeAlias = Annotated[list[str] | None, typer.Option(help="Make small.", metavar="A,B")]
Weight: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="How much a variable counts (1); actions too.", metavar="NAME=NUMBER"),
]


def goal_of(
    question: "Question",
    *,
    goal: list[str] | None,
    keep: list[str] | None,
    limit: list[str] | None,
    maximise: list[str] | None = None,
    minimise: list[str] | None = None,
    weight: list[str] | None = None,
) -> "Goal":
    """The typed goal; raises ``QueryError`` where nothing is wanted."""
    from doworld.cli.values import assignments, number
    from doworld.query import Goal

    known = question.schema.index

    def typed(texts, option, read):
        pairs = {k: v for text in texts or [] for k, v in assignments(text, known).items()}
        return {k: read(v, option) if option else read(k, v) for k, v in pairs.items()}

    if not (goal or keep or limit or maximise or minimise):
        raise QueryError("nothing is wanted: give --goal T1=45, --keep, --maximise or --minimise.")
    return Goal(
        target=typed(goal, "", question.value),
        keep=typed(keep, "--keep", _band),
        limit=typed(limit, "--limit", _band),
        maximise=question.targets(maximise),
        minimise=question.targets(minimise),
        weight=typed(weight, "--weight", number),
    )


def _band(text: str, option: str) -> "Band":
    from doworld.cli.values import span
    from doworld.query import Band

    low, high = span(text, option)
    return Band(low=low, high=high)
