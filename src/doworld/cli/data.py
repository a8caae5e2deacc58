"""``doworld data``: look at logs and turn them into other files."""

from typing import Annotated

import typer

from doworld.cli import options as o
from doworld.cli.entry import say
from doworld.cli.output import print_json, show
from doworld.cli.reading import Reading

__all__ = ["app"]

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Look at logs and turn them into other files.",
)

Target = Annotated[str, typer.Argument(help="File to write: .csv or .parquet.", metavar="FILE")]
Every = Annotated[
    float | None, typer.Option("--resample", help="Bring rows to a common step.", metavar="STEP")
]


@app.command("summary")
def summary(
    *,
    log: o.Log,
    state: o.State = None,
    action: o.Action = None,
    context: o.Context = None,
    reward: o.Reward = None,
    episode: o.EpisodeColumn = None,
    time: o.Time = None,
    environment: o.Environment = None,
    step: o.Step = None,
    schema: o.SchemaFile = None,
    names: o.Names = None,
    rename: o.Rename = None,
    json: o.Json = False,
) -> None:
    """What a log holds.

    Rows, episodes, environments, missing values, ranges, and how much the actions vary.

    \b
      doworld data summary run1.csv --state T1,T2 --action heater1 --time t
    """
    reading = Reading.typed(locals())
    found = reading.log(log).summary()
    if json:
        print_json(found.to_dict())
    else:
        show(found)


@app.command("convert")
def convert(
    *,
    log: o.Log,
    target: Target,
    resample: Every = None,
    state: o.State = None,
    action: o.Action = None,
    context: o.Context = None,
    reward: o.Reward = None,
    episode: o.EpisodeColumn = None,
    time: o.Time = None,
    environment: o.Environment = None,
    step: o.Step = None,
    schema: o.SchemaFile = None,
    names: o.Names = None,
    rename: o.Rename = None,
    json: o.Json = False,
) -> None:
    """Write a log as one table.

    A YAML schema stands beside it, which every command finds by itself.

    \b
      doworld data convert runs/ all.parquet --schema schema.yaml
      doworld data convert raw.csv clean.csv --names time,Q1,Q2,T1,T2 \\
          --state T1,T2 --action Q1,Q2 --time time --resample 2
    """
    reading = Reading.typed(locals())
    trajectories = reading.log(log)
    if resample is not None:
        trajectories = trajectories.resample(resample)
    written = trajectories.write(target)
    if json:
        print_json({"written": str(written), "rows": trajectories.rows})
    else:
        say(f"wrote {written}: {trajectories.rows} rows in {len(trajectories)} episodes")
