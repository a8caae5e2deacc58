"""``doworld plan``: which actions reach what is wanted."""

from typing import Annotated

import typer

from doworld._core.errors import UnknownNameError
from doworld.cli import goals as g
from doworld.cli import options as o
from doworld.cli.output import check_page, emit_answer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("plan")(plan)


Planner = Annotated[str, typer.Option(help="icem, cem, mppi or enumerate.", metavar="WORD")]


def plan(
    *,
    model: o.Model,
    given: o.Given,
    goal: g.Goals = None,
    keep: g.Keep = None,
    limit: g.Limit = None,
    maximise: g.Maximise = None,
    minimise: g.Minimise = None,
    weight: g.Weight = None,
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
        objective=g.goal_of(
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


def _planner(name: str):
    from doworld.query import CEM, ICEM, MPPI, Enumerate

    planners = {"icem": ICEM, "cem": CEM, "mppi": MPPI, "enumerate": Enumerate}
    if name.lower() not in planners:
        raise UnknownNameError("planner", name, planners)
    return planners[name.lower()]()
