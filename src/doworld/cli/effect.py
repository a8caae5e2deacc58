"""``doworld effect``: what a treatment does to an outcome, from a model's log or a bare table."""

from pathlib import Path
from typing import Annotated

import typer

from doworld._core.errors import QueryError
from doworld.cli import options as o
from doworld.cli.learn import GraphFile, read_graph
from doworld.cli.output import check_page, emit_answer
from doworld.cli.prior import Forbid, PriorFile, Require, Tier, prior_of
from doworld.cli.reading import Reading, words
from doworld.cli.values import assignments, cell, span

__all__ = ["register"]

Source = Annotated[
    str,
    typer.Argument(help="Folder of a learned model (with --log), or a log.", metavar="MODEL|LOG"),
]
Log = Annotated[
    str | None, typer.Option("--log", help="The rows, where a model is given.", metavar="LOG")
]
Treatment = Annotated[str, typer.Option(help="What is done.", metavar="NAME")]
Outcome = Annotated[str, typer.Option(help="What it acts on.", metavar="NAME")]
Estimand = Annotated[
    str,
    typer.Option(
        help="ate, att, cate, dose; nde, nie, cde (with --mediator); pn, ps, pns.",
        metavar="WORD",
    ),
]
Levels = Annotated[
    str | None, typer.Option(help="Values compared, control first: 0,1.", metavar="A,B")
]
Event = Annotated[
    str | None, typer.Option(help="Level of the outcome whose chance is meant.", metavar="LEVEL")
]
Among = Annotated[
    list[str] | None,
    typer.Option("--given", help="Part of the population; repeat.", metavar="NAME=VALUE|LOW:HIGH"),
]
Mediator = Annotated[
    str | None, typer.Option(help="On the way from treatment to outcome.", metavar="A,B")
]
Adjust = Annotated[
    str | None,
    typer.Option(help="Hold these fixed, at your own word (the graph chooses).", metavar="A,B"),
]
Instrument = Annotated[
    str | None, typer.Option(help="Moves the outcome by the treatment only.", metavar="NAME")
]
Negative = Annotated[
    str | None,
    typer.Option("--negative-control", help="What it cannot move, to refute.", metavar="A,B"),
]
OnlyOverlap = Annotated[
    bool, typer.Option("--overlap", help="Only rows that may have had either level.")
]
Level = Annotated[float, typer.Option(help="Of the intervals.")]
Lag = Annotated[int | None, typer.Option(help="Rows from treatment to outcome.", metavar="ROWS")]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("effect")(effect)


def effect(
    *,
    source: Source,
    treatment: Treatment,
    outcome: Outcome,
    log: Log = None,
    estimand: Estimand = "ate",
    levels: Levels = None,
    event: Event = None,
    given: Among = None,
    mediator: Mediator = None,
    adjust: Adjust = None,
    instrument: Instrument = None,
    negative: Negative = None,
    overlap: OnlyOverlap = False,
    lag: Lag = None,
    state: o.State = None,
    action: o.Action = None,
    context: o.Context = None,
    reward: o.Reward = None,
    episode: o.EpisodeColumn = None,
    time: o.Time = None,
    environment: o.Environment = None,
    policy: o.Policy = None,
    step: o.Step = None,
    schema: o.SchemaFile = None,
    names: o.Names = None,
    rename: o.Rename = None,
    graph: GraphFile = None,
    prior: PriorFile = None,
    require: Require = None,
    forbid: Forbid = None,
    tier: Tier = None,
    level: Level = 0.95,
    seed: o.Seed = 0,
    json: o.Json = False,
    out: o.Figure = None,
) -> None:
    """What a treatment does to an outcome.

    From a log alone, the graph is discovered first; --adjust or --graph spares that.

    \b
      doworld effect nhefs.csv --treatment qsmk --outcome wt82_71 \\
          --adjust sex,age,wt71
      doworld effect model --log runs/ --treatment heater1 \\
          --outcome T1 --lag 5
    """
    check_page(out)
    reading = Reading.typed(locals())
    model = None
    if (Path(source) / "model.json").is_file():
        if log is None:
            raise QueryError(
                "a saved model carries no rows, and effects are computed from rows. "
                f"Write: doworld effect {source} --log LOG …"
            )
        from doworld.model.store import load

        model = load(source)
        rows = Reading.of(Path(source), model.schema, reading).log(log, like=model.schema)
    else:
        if log is not None:
            raise QueryError(f"{source} is no model, so --log is one log too many. Leave it out.")
        rows = _whole(reading.found(source), source)
    from doworld.query import Effect

    known = rows.schema.index
    query = Effect(
        treatment=treatment,
        outcome=outcome,
        estimand=estimand,  # type: ignore[arg-type]
        levels=None if levels is None else tuple(_typed(rows, treatment, w) for w in words(levels)),
        event=None if event is None else _typed(rows, outcome, event),
        given=_parts(given, known, rows),
        mediator=words(mediator),
        adjust=None if adjust is None else words(adjust),
        instrument=words(instrument),
        negative_controls=words(negative),
        population="overlap" if overlap else "all",
        lag=lag,
        level=level,
    )
    if model is not None:
        from doworld.session.ask import ask

        answer = ask(model, query, log=rows, seed=seed)
    else:
        from doworld.session.effect import effect_of

        answer = effect_of(
            rows,
            query,
            graph=read_graph(graph),
            prior=prior_of(prior, require, forbid, tier, rows.schema.names),
            seed=seed,
        )
    emit_answer(answer, as_json=json, out=out)


def _whole(reading: Reading, source: str):
    """The log; a table whose columns nobody has named is read with all of them as states."""
    told = (reading.state, reading.action, reading.context, reading.schema, reading.episode)
    if any(told) or reading.time or not Path(source).is_file():
        return reading.log(source)
    from dataclasses import replace

    import polars as pl

    path = Path(source)
    table = pl.scan_parquet(path) if path.suffix == ".parquet" else pl.scan_csv(path)
    try:
        columns = tuple(table.collect_schema().names())
    except pl.exceptions.PolarsError:
        return reading.log(source)  # it says what is wrong with the file
    columns = tuple(reading.rename.get(c, c) for c in columns)
    return replace(reading, state=columns).log(source)


def _typed(rows, name: str, text: str):
    variable = rows.schema[name]
    return text if variable.categories else cell(text)


def _parts(texts: list[str] | None, known, rows) -> dict:
    out = {}
    for text in texts or []:
        for name, typed in assignments(text, known).items():
            ranged = ":" in typed and not rows.schema[name].categories
            out[name] = span(typed, "--given") if ranged else _typed(rows, name, typed)
    return out
