"""Options that several commands share, each written once."""

from typing import Annotated, TypeAlias

import typer

Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print the answer as JSON, and nothing else.")
]
Seed: TypeAlias = Annotated[int, typer.Option(help="The same seed gives the same answer.")]
Model: TypeAlias = Annotated[
    str, typer.Argument(help="Folder of a learned model.", metavar="MODEL")
]
Log: TypeAlias = Annotated[
    str,
    typer.Argument(help="CSV or Parquet file, or a folder of one file an episode.", metavar="LOG"),
]

Logs: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        help="CSV or Parquet files, or a folder of one file an episode.", metavar="LOG..."
    ),
]

State: TypeAlias = Annotated[
    str | None, typer.Option(help="Columns that say what is: T1,T2.", metavar="A,B")
]
Action: TypeAlias = Annotated[
    str | None, typer.Option(help="Columns that say what was done.", metavar="A,B")
]
Context: TypeAlias = Annotated[
    str | None, typer.Option(help="Columns that come from outside.", metavar="A,B")
]
Reward: TypeAlias = Annotated[
    str | None, typer.Option(help="Columns that say what was gained.", metavar="A,B")
]
EpisodeColumn: TypeAlias = Annotated[
    str | None, typer.Option("--episode", help="Column that names the episode.", metavar="COL")
]
Time: TypeAlias = Annotated[str | None, typer.Option(help="Column of time stamps.", metavar="COL")]
Environment: TypeAlias = Annotated[
    str | None, typer.Option(help="Column that names the environment.", metavar="COL")
]
Step: TypeAlias = Annotated[
    float | None,
    typer.Option(help="Time between two rows where no column tells.", metavar="NUMBER"),
]
Policy: TypeAlias = Annotated[
    str | None,
    typer.Option(help="How actions were chosen: randomised, known, unknown.", metavar="WORD"),
]
SchemaFile: TypeAlias = Annotated[
    str | None, typer.Option("--schema", help="YAML file with roles, units, kinds.", metavar="FILE")
]
Names: TypeAlias = Annotated[
    str | None, typer.Option(help="Column names of a file without header.", metavar="A,B")
]
Rename: TypeAlias = Annotated[
    list[str] | None, typer.Option(help="A column's other name; repeat.", metavar="OLD=NEW")
]

Given: TypeAlias = Annotated[
    list[str],
    typer.Option(
        "--given",
        help="Where it starts: a log (run.csv, run.csv[100:200], runs/[ep3]) whose last row is "
        "now, or values (T1=40,T2=35), or both.",
        metavar="LOG|NAME=VALUE",
    ),
]
Target: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--target", help="Variables to answer for (all states).", metavar="A,B"),
]
Horizon: TypeAlias = Annotated[
    str, typer.Option("--horizon", help="How far ahead: 300, 5min, 40rows.", metavar="TIME")
]
Planned: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--planned",
        help="CSV of actions and contexts to come, by row from now.",
        metavar="FILE",
    ),
]
Level: TypeAlias = Annotated[float, typer.Option(help="Share of futures inside the interval.")]
Samples: TypeAlias = Annotated[int, typer.Option(help="Futures to draw.")]
Figure: TypeAlias = Annotated[
    str | None, typer.Option("--out", help="Save the figure as HTML.", metavar="FILE.html")
]
Sets: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", help="Hold a variable at a value; repeat.", metavar="NAME=VALUE[@A:B]"),
]
Shifts: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--shift", help="Add to what it would be; repeat.", metavar="NAME=BY[@A:B]"),
]
Scales: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--scale", help="Multiply what it would be; repeat.", metavar="NAME=BY[@A:B]"),
]
Follows: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--follow", help="Let a policy choose it (YAML, JSON); repeat.", metavar="NAME=FILE[@A:B]"
    ),
]
From: TypeAlias = Annotated[
    str | None, typer.Option("--from", help="When the intervention begins.", metavar="TIME")
]
To: TypeAlias = Annotated[
    str | None, typer.Option("--to", help="When it ends (first time without).", metavar="TIME")
]
Propensity: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Column with the probability of the logged action.", metavar="COL"),
]

MaxLag: TypeAlias = Annotated[
    int | None, typer.Option(help="Rows to look back at most (from the data).", metavar="ROWS")
]
Contemporaneous: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--contemporaneous/--lagged-only", help="Allow effects within one row (from the data)."
    ),
]
Fdr: TypeAlias = Annotated[float, typer.Option(help="Share of false edges that is accepted.")]
