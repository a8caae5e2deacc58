"""``doworld rootcause``: which service or mechanism is at fault."""

from pathlib import Path
from typing import Annotated

import typer

from doworld.cli import options as o
from doworld.cli.output import check_page, print_json, show, table, write_html

__all__ = ["register"]

Normal = Annotated[str, typer.Argument(help="Usual operation: a table of metrics.", metavar="LOG")]
Odd = Annotated[str, typer.Argument(help="The odd rows: another such table.", metavar="ODD")]
Graph = Annotated[
    str,
    typer.Option("--graph", help="Who calls whom, or what acts on what.", metavar="FILE"),
]
Target = Annotated[
    str | None,
    typer.Option("--target", help="The variable in trouble.", metavar="NAME", show_default=False),
]
Drift = Annotated[
    bool, typer.Option("--drift", help="Explain a change of the mean instead; ODD is long.")
]
Most = Annotated[int, typer.Option("--most", help="Lines to print.", metavar="N")]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("rootcause")(rootcause)


def rootcause(
    *,
    normal: Normal,
    odd: Odd,
    graph: Graph,
    target: Target = None,
    drift: Drift = False,
    most: Most = 8,
    level: o.Level = 0.9,
    seed: o.Seed = 0,
    json: o.Json = False,
    out: o.Figure = None,
) -> None:
    """Which service or mechanism is at fault.

    Tables have times in the first column and one to three header rows:
    service, metric, statistic. The graph is a saved causal graph, edges
    (source, target, lag), or a square table of callers and callees.

    \b
      doworld rootcause usual.csv incident.csv --graph graph.csv \\
          --target "PetSite latency Average"
    """
    from doworld._core.errors import QueryError
    from doworld.infer.root_cause import attribute_anomaly, attribute_drift
    from doworld.infer.root_cause.monitored import graph_of, read_metrics

    check_page(out)
    before, after = read_metrics(normal, odd)
    name = target or _told(odd)
    if name is None:
        raise QueryError("no target is named. Add --target with the variable in trouble.")
    before.schema.position(name)
    work = attribute_drift if drift else attribute_anomaly
    causes = graph_of(graph, before.schema)
    found = work(before, after, causes, target=name, level=level, seed=seed)
    if json:
        print_json(found.to_dict())
    else:
        show(str(found))
        head = ("at fault", "part", "from", "to", "p")
        rows = [
            (e.name, *(f"{x:+.3g}" for x in (e.contribution, e.lower, e.upper)), f"{e.p_value:.2g}")
            for e in found.entities[:most]
        ]
        show(table(head, rows))
    if out:
        page = found.figure().to_html(include_plotlyjs=True, full_html=True)
        write_html(out, page)


def _told(odd: str) -> str | None:
    """The target that a file beside the odd rows names, as incident archives have it."""
    import json

    folder = Path(odd) if Path(odd).is_dir() else Path(odd).parent
    told = folder / "target.json"
    if not told.exists():
        return None
    try:
        seen = json.loads(told.read_text("utf-8"))["target"]
        return " ".join(str(seen[k]) for k in ("node", "metric", "agg"))
    except (ValueError, KeyError, TypeError):
        return None
