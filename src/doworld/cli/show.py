"""``doworld show``: what a model has learned, for the terminal and as a report."""

from pathlib import Path
from typing import Annotated

import typer

from doworld.cli import options as o
from doworld.cli.output import check_page, print_json, write_html
from doworld.cli.output import show as display
from doworld.cli.reading import Reading, pairs

__all__ = ["register"]

Held = Annotated[
    str | None,
    typer.Option("--log", help="A log to measure the model on, for the report.", metavar="LOG"),
]
Report = Annotated[
    str | None,
    typer.Option("--out", help="Save the report as one HTML file.", metavar="FILE.html"),
]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("show")(show)


def show(
    *,
    model: o.Model,
    log: Held = None,
    rename: o.Rename = None,
    out: Report = None,
    seed: o.Seed = 0,
    json: o.Json = False,
) -> None:
    """Show what a model has learned.

    \b
      doworld show model
      doworld show model --log run8.csv --out report.html
    """
    from doworld.cli.describe import summary, words_of
    from doworld.model.store import load

    check_page(out)
    world = load(model)
    evaluation = None
    if log:
        from doworld._core.progress import terminal
        from doworld.infer import evaluate

        held = Reading.of(Path(model), world.schema, Reading(rename=pairs(rename)))
        with terminal() as progress:
            evaluation = evaluate(
                world, held.log(log, like=world.schema), seed=seed, progress=progress
            )
    if json:
        rows = {} if evaluation is None else {"evaluation": evaluation.frame().to_dicts()}
        print_json({"model": model, **summary(world), **rows})
    else:
        display(words_of(world))
        if evaluation is not None:
            display(evaluation)
    if out:
        from doworld.session.report import model_report

        write_html(out, model_report(world, evaluation=evaluation).html())
