"""``doworld discover``: from a log to a causal graph, with the evidence and the reasons."""

import json as _json
from pathlib import Path
from typing import Annotated

import typer

from doworld.cli import options as o
from doworld.cli.entry import say
from doworld.cli.output import check_page, plain, print_json, show, write_html
from doworld.cli.prior import Forbid, PriorFile, Require, Tier, prior_of
from doworld.cli.reading import Reading

__all__ = ["register"]

Explain = Annotated[
    bool, typer.Option("--explain", help="Print what was chosen and why, row by row.")
]
Seconds = Annotated[
    float | None,
    typer.Option("--budget", help="Stop then with the best graph so far.", metavar="SECONDS"),
]
Out = Annotated[
    str | None,
    typer.Option("--out", help="Save the graph as JSON, for learn --graph.", metavar="FILE.json"),
]
Plot = Annotated[
    str | None, typer.Option("--plot", help="Save its picture as HTML.", metavar="FILE.html")
]
Check = Annotated[
    bool, typer.Option("--falsify", help="Test what the graph implies on the log itself.")
]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("discover")(discover)


def discover(
    *,
    logs: o.Logs,
    state: o.State = None,
    action: o.Action = None,
    context: o.Context = None,
    reward: o.Reward = None,
    episode: o.EpisodeColumn = None,
    time: o.Time = None,
    environment: o.Environment = None,
    propensity: o.Propensity = None,
    policy: o.Policy = None,
    step: o.Step = None,
    schema: o.SchemaFile = None,
    names: o.Names = None,
    rename: o.Rename = None,
    prior: PriorFile = None,
    require: Require = None,
    forbid: Forbid = None,
    tier: Tier = None,
    max_lag: o.MaxLag = None,
    contemporaneous: o.Contemporaneous = None,
    fdr: o.Fdr = 0.01,
    budget: Seconds = None,
    explain: Explain = False,
    falsify: Check = False,
    out: Out = None,
    plot: Plot = None,
    seed: o.Seed = 0,
    json: o.Json = False,
) -> None:
    """Find which variable acts on which, with the evidence.

    Ctrl-C ends the search with the best graph so far; a second one stops at once.

    \b
      doworld discover run1.csv --state T1,T2 --action heater1,heater2 --time t
      doworld discover runs/ --budget 60 --explain --plot graph.html
    """
    check_page(plot)
    reading = Reading.typed(locals()).found(logs[0])
    log = reading.log(logs if len(logs) > 1 else logs[0])
    graph = _discover(
        log,
        budget,
        prior=prior_of(prior, require, forbid, tier, log.schema.names),
        max_lag=max_lag,
        contemporaneous=contemporaneous,
        fdr=fdr,
        seed=seed,
    )
    verdict = graph.falsify(log, seed=seed) if falsify else None
    if json:
        more = {} if verdict is None else {"falsify": verdict.to_dict()}
        print_json({**graph.to_dict(), "summary": graph.summary, **more})
    else:
        from doworld.cli.describe import graph_words

        show(graph_words(graph, explain=explain))
        if verdict is not None:
            show(verdict)
    if out:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        Path(out).write_text(_json.dumps(plain(graph.to_dict()), ensure_ascii=False), "utf-8")
        say(f"wrote {out}")
    if plot:
        from doworld.graph.figure import page

        write_html(plot, page(graph))


def _discover(log, seconds: float | None, **how):
    """Discovery with a bar, which the first Ctrl-C ends early instead of breaking it off."""
    import math
    import signal

    from doworld._core.budget import Seconds
    from doworld._core.progress import terminal
    from doworld.discover import discover as work

    budget = Seconds(math.inf if seconds is None else seconds)

    def enough(number, frame) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        budget.stop()
        say("finishing with what was found so far; Ctrl-C again stops at once.")

    before = signal.signal(signal.SIGINT, enough)
    try:
        with terminal() as progress:
            return work(log, budget=budget, progress=progress, **how)
    finally:
        signal.signal(signal.SIGINT, before)
