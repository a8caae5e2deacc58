"""``doworld evaluate``: how well a model foresees a log it has not seen."""

from pathlib import Path
from typing import Annotated

import typer

from doworld.cli import options as o
from doworld.cli.output import check_page, print_json, show, write_html
from doworld.cli.reading import Reading

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("evaluate")(evaluate)


Stride = Annotated[
    str, typer.Option(help="Time between two starts: 50, 1min, 20rows.", metavar="TIME")
]
Report = Annotated[
    str | None, typer.Option("--out", help="Save a report as HTML.", metavar="FILE.html")
]


def evaluate(
    *,
    model: o.Model,
    log: o.Log,
    horizon: o.Horizon = "100rows",
    stride: Stride = "50rows",
    level: o.Level = 0.9,
    state: o.State = None,
    action: o.Action = None,
    context: o.Context = None,
    episode: o.EpisodeColumn = None,
    time: o.Time = None,
    environment: o.Environment = None,
    schema: o.SchemaFile = None,
    names: o.Names = None,
    rename: o.Rename = None,
    seed: o.Seed = 0,
    json: o.Json = False,
    out: Report = None,
) -> None:
    """Compare a model's forecasts with a new log.

    Stands beside persistence (nothing changes) and a linear model. Logged actions and
    contexts are given over the horizon, states are not. The log is read as the model's
    own was; state what differs.

    \b
      doworld evaluate model run8.csv --horizon 60
    """
    from doworld._core.progress import terminal
    from doworld.cli.values import Clock
    from doworld.model.store import load

    check_page(out)
    world = load(model)
    changed = Reading.typed(locals())
    trajectories = Reading.of(Path(model), world.schema, changed).log(log, like=world.schema)
    clock = Clock(world.schema.step, world.schema.time_unit)
    from doworld.infer import evaluate as work

    with terminal() as progress:
        table = work(
            world,
            trajectories,
            horizon=clock.rows(horizon),
            stride=clock.rows(stride),
            level=level,
            seed=seed,
            progress=progress,
        )
    if json:
        print_json({"model": model, "log": log, "rows": table.frame().to_dicts()})
    else:
        show(table)
    if out:
        from doworld.session.report import model_report

        write_html(out, model_report(world, evaluation=table).html())
