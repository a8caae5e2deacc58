"""``doworld blame``: what made an episode fail, and what would have saved it."""

from typing import Annotated

import typer

from doworld._core.errors import QueryError
from doworld.cli import goals as g
from doworld.cli import options as o
from doworld.cli.ask import EpisodeLog
from doworld.cli.output import check_page, emit_answer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("blame")(blame)


Budget = Annotated[int, typer.Option(help="How many actions may be changed together.")]
Actions = Annotated[
    list[str] | None,
    typer.Option("--action", help="Actions that may have been otherwise (all).", metavar="A,B"),
]
Tolerance = Annotated[
    float, typer.Option(help="How near a goal counts as reached, in deviations of the log.")
]
Grid = Annotated[int, typer.Option(help="Values of a continuous action that are tried.")]


def blame(
    *,
    model: o.Model,
    episode: EpisodeLog,
    goal: g.Goals = None,
    keep: g.Keep = None,
    limit: g.Limit = None,
    budget: Budget = 1,
    action: Actions = None,
    tolerance: Tolerance = 0.25,
    grid: Grid = 7,
    level: o.Level = 0.9,
    samples: o.Samples = 32,
    names: o.Names = None,
    rename: o.Rename = None,
    seed: o.Seed = 0,
    json: o.Json = False,
    out: o.Figure = None,
) -> None:
    """What made an episode fail, and what would have saved it.

    Success is: no limit left in any row, and in the last row every goal
    reached and every range to keep met. Rows count from the episode's first.

    \b
      doworld blame model --episode run7.csv --limit T1=:60
      doworld blame model --episode run7.csv --goal T1=45 \\
          --budget 2 --out why.html
    """
    from doworld.cli.question import Question
    from doworld.query import Blame

    check_page(out)
    if not (goal or keep or limit):
        raise QueryError(
            "what success is, is not said: give --limit T1=:60, --goal T1=45 or --keep T1=40:50."
        )
    question = Question.about(model, rename=rename, names=names)
    query = Blame(
        episode=question.episode(episode),
        success=g.goal_of(question, goal=goal, keep=keep, limit=limit),
        budget=budget,
        actions=question.targets(action),
        tolerance=tolerance,
        grid=grid,
        level=level,
        samples=samples,
    )
    emit_answer(question.answer(query, seed), as_json=json, out=out)
