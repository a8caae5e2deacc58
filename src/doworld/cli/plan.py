"""``doworld plan``: which actions reach what is wanted."""

from typing import Annotated

import typer

from doworld._core.errors import QueryError, UnknownNameError
from doworld.cli import options as o
from doworld.cli.output import check_page, emit_answer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("plan")(plan)


Goals = Annotated[
    list[str] | None,
    typer.Option("--goal", help="Value that a variable should have.", metavar="NAME=VALUE"),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(help="Range to stay in, if possible.", metavar="NAME=LOW:HIGH"),
]
Limit = Annotated[
    list[str] | None,
    typer.Option(help="Range that must not be left.", metavar="NAME=LOW:HIGH"),
]
Maximise = Annotated[list[str] | None, typer.Option(help="Make large.", metavar="A,B")]
Minimise = Annotated[list[str] | None, typer.Option(help="Make small.", metavar="A,B")]
Weight = Annotated[
    list[str] | None,
    typer.Option(help="How much a variable counts (1); actions too.", metavar="NAME=NUMBER"),
]
Planner = Annotated[str, typer.Option(help="icem, cem, mppi or enumerate.", metavar="WORD")]


def plan(
    *,
    model: o.Model,
    given: o.Given,
    goal: Goals = None,
    keep: Keep = None,
    limit: Limit = None,
    maximise: Maximise = None,
    minimise: Minimise = None,
    weight: Weight = None,
    planner: Planner = "icem",
    planned: o.Planned = None,
    horizon: o.Horizon = "30rows",
    target: o.Target = None,
    level: o.Level = 0.9,
    samples: o.Samples = 256,
    names: o.Names = None,
    rename: o.Rename = None,
    seed: o.Seed = 0,
    json: o.Json = False,
    out: o.Figure = None,
) -> None:
    """Which actions reach a goal under constraints.

    \b
      doworld plan model --given T1=30,T2=30 --goal T1=45 \\
          --keep T2=30:50 --limit T1=:60 --horizon 5min
    """
    from doworld.cli.question import Question
    from doworld.query import Plan

    check_page(out)
    question = Question.about(model, rename=rename, names=names)
    query = Plan(
        given=question.given(given),
        objective=_goal(
            question,
            goal=goal,
            keep=keep,
            limit=limit,
            maximise=maximise,
            minimise=minimise,
            weight=weight,
        ),
        horizon=question.rows(horizon),
        planner=_planner(planner),
        planned=question.planned(planned),
        target=question.targets(target),
        level=level,
        samples=samples,
    )
    emit_answer(question.answer(query, seed), as_json=json, out=out)


def _goal(question, *, goal, keep, limit, maximise, minimise, weight):
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


def _band(text: str, option: str):
    from doworld.cli.values import span
    from doworld.query import Band

    low, high = span(text, option)
    return Band(low=low, high=high)


def _planner(name: str):
    from doworld.query import CEM, ICEM, MPPI, Enumerate

    planners = {"icem": ICEM, "cem": CEM, "mppi": MPPI, "enumerate": Enumerate}
    if name.lower() not in planners:
        raise UnknownNameError("planner", name, planners)
    return planners[name.lower()]()
