"""``doworld tour``: the whole way on a simulator, each promise measured."""

from typing import Annotated

import typer

from doworld.cli import options as o
from doworld.cli.entry import FAILED_CHECK
from doworld.cli.output import check_page, print_json, show, write_html

__all__ = ["register"]

Out = Annotated[str, typer.Option("--out", help="The report.", metavar="FILE.html")]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("tour")(tour)


def tour(out: Out = "tour.html", seed: o.Seed = 0, json: o.Json = False) -> None:
    """The whole way on a simulator, every answer checked.

    Collects logs from a simulator nobody here wrote, finds the graph, learns, predicts,
    intervenes, replays what would have happened, and balances the pole by planning.
    Takes about two minutes; the exit code is 1 when a check fails.
    """
    from doworld._core.progress import terminal
    from doworld.cli.describe import checks_of
    from doworld.session.report import tour_report
    from doworld.session.tour import run

    check_page(out)
    with terminal() as progress:
        result = run(seed=seed, progress=progress)
    if json:
        print_json(result.to_dict())
    else:
        show(checks_of(result))
    write_html(out, tour_report(result).html())
    if not result.passed:
        raise typer.Exit(FAILED_CHECK)
