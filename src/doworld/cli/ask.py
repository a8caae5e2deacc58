"""``doworld predict``, ``do`` and ``counterfactual``: the three rungs."""

from typing import Annotated

import typer

from doworld.cli import options as o
from doworld.cli.output import check_page, emit_answer

__all__ = ["register"]

EpisodeLog = Annotated[
    str,
    typer.Option("--episode", help="What happened: run.csv, run.csv[100:200].", metavar="LOG"),
]
Alternatives = Annotated[
    list[str] | None,
    typer.Option(
        "--alternative",
        help="A world of its own, with += to shift and *= to scale; repeat.",
        metavar="'NAME: VAR=VALUE[@A:B]; …'",
    ),
]
Units = Annotated[
    bool, typer.Option("--units", help="Ask it of every episode of the log: the mean effect.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    for command in (predict, do, counterfactual):
        app.command(command.__name__)(command)


def predict(
    *,
    model: o.Model,
    given: o.Given,
    planned: o.Planned = None,
    horizon: o.Horizon = "20rows",
    target: o.Target = None,
    level: o.Level = 0.9,
    samples: o.Samples = 256,
    names: o.Names = None,
    rename: o.Rename = None,
    seed: o.Seed = 0,
    json: o.Json = False,
    out: o.Figure = None,
) -> None:
    """What follows from here (with these actions to come).

    \b
      doworld predict model --given run7.csv --horizon 2min
      doworld predict model --given run7.csv[100:200] \\
          --planned next.csv --target T1
    """
    from doworld.cli.question import Question
    from doworld.query import Predict

    check_page(out)
    question = Question.about(model, rename=rename, names=names)
    query = Predict(
        given=question.given(given),
        planned=question.planned(planned),
        horizon=question.rows(horizon),
        target=question.targets(target),
        level=level,
        samples=samples,
    )
    emit_answer(question.answer(query, seed), as_json=json, out=out)


def do(
    *,
    model: o.Model,
    given: o.Given,
    set_: o.Sets = None,
    shift: o.Shifts = None,
    scale: o.Scales = None,
    follow: o.Follows = None,
    from_: o.From = None,
    to: o.To = None,
    planned: o.Planned = None,
    horizon: o.Horizon = "20rows",
    target: o.Target = None,
    level: o.Level = 0.9,
    samples: o.Samples = 256,
    names: o.Names = None,
    rename: o.Rename = None,
    seed: o.Seed = 0,
    json: o.Json = False,
    out: o.Figure = None,
) -> None:
    """What follows if we intervene.

    Times count from the last given row, in the log's unit unless you write one
    (90, 2min, 12rows). Without times an intervention lasts throughout.

    \b
      doworld do model --given run7.csv --set heater1=60 \\
          --from 0 --to 120 --horizon 300 --target T1,T2
      doworld do model --given T1=40,T2=35 \\
          --set heater1=60@0:2min --set heater2=0@2min:
    """
    from doworld.cli.question import Question
    from doworld.query import Do

    check_page(out)
    question = Question.about(model, rename=rename, names=names)
    rows = question.rows(horizon)
    query = Do(
        given=question.given(given),
        interventions=question.interventions(
            {"set": set_, "shift": shift, "scale": scale, "follow": follow}, from_, to, rows
        ),
        planned=question.planned(planned),
        horizon=rows,
        target=question.targets(target),
        level=level,
        samples=samples,
    )
    emit_answer(question.answer(query, seed), as_json=json, out=out)


def counterfactual(
    *,
    model: o.Model,
    episode: EpisodeLog,
    units: Units = False,
    set_: o.Sets = None,
    shift: o.Shifts = None,
    scale: o.Scales = None,
    follow: o.Follows = None,
    alternative: Alternatives = None,
    from_: o.From = None,
    to: o.To = None,
    target: o.Target = None,
    level: o.Level = 0.9,
    samples: o.Samples = 256,
    names: o.Names = None,
    rename: o.Rename = None,
    seed: o.Seed = 0,
    json: o.Json = False,
    out: o.Figure = None,
) -> None:
    """What would have happened, had we intervened.

    Times count from the episode's first row. Several alternatives share the
    episode's own noise and stand side by side.

    \b
      doworld counterfactual model --episode run7.csv \\
          --set heater1=0 --from 100
      doworld counterfactual model --episode run7.csv \\
          --alternative 'off: heater1=0@100:200' \\
          --alternative 'more: heater1+=10@100:; fan*=2'
      doworld counterfactual model --episode runs/ --units \\
          --set heater1=0 --from 100
    """
    from doworld.cli.question import Question
    from doworld.query import Counterfactual, Population

    check_page(out)
    question = Question.about(model, rename=rename, names=names)
    rows = question.population(episode) if units else question.episode(episode)
    end = (max(rows.lengths) if isinstance(rows, Population) else rows.length) - 1
    kinds = {"set": set_, "shift": shift, "scale": scale, "follow": follow}
    worlds = question.alternatives(alternative or [], from_, to, end)
    done = () if worlds and not any(kinds.values()) else None
    query = Counterfactual(
        episode=rows,
        interventions=question.interventions(kinds, from_, to, end) if done is None else done,
        alternatives=worlds,
        target=question.targets(target),
        level=level,
        samples=samples,
    )
    emit_answer(question.answer(query, seed), as_json=json, out=out)
