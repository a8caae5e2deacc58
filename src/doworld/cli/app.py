"""The commands, put together."""

from typing import Annotated

import typer

from doworld.cli import (
    ask,
    bench,
    blame,
    data,
    discover,
    effect,
    evaluate,
    imagine,
    learn,
    plan,
    rootcause,
    show,
    tour,
    value,
)

app = typer.Typer(
    name="doworld",
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    help=(
        "Learn a causal world model from a log and ask it questions.\n\n"
        "\b\n"
        "  doworld tour                       the whole way, checked on a simulator\n"
        "  doworld learn run1.csv --out model --state T1,T2 --action heater1 --time t\n"
        "  doworld do model --given run7.csv --set heater1=60 --from 0 --to 120 \\\n"
        "      --horizon 300 --target T1,T2"
    ),
    epilog="An error is one line with the fix; --debug, anywhere, shows where it came from.",
)


def _version(wanted: bool | None) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"doworld {version('doworld')}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool | None,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = None,
) -> None:
    """Learn a causal world model from a log and ask it questions."""


for module in (
    discover,
    learn,
    evaluate,
    show,
    ask,
    effect,
    blame,
    imagine,
    rootcause,
    plan,
    value,
):
    module.register(app)
app.add_typer(data.app, name="data")
tour.register(app)
bench.register(app)
