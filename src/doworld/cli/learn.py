"""``doworld learn``: from a log to a model."""

import re
import shutil
from pathlib import Path
from typing import Annotated

import typer

from doworld._core.errors import GraphError, QueryError
from doworld.cli import options as o
from doworld.cli.entry import Stopped
from doworld.cli.output import print_json, show
from doworld.cli.reading import Reading

__all__ = ["register"]

_LINK = re.compile(r"(?P<source>.+?)\s*(?:->|→|:)\s*(?P<target>.+?)(?:@(?P<lag>\d+))?")

Out = Annotated[str, typer.Option("--out", help="Folder for the model.", metavar="MODEL")]
MaxLag = Annotated[
    int | None, typer.Option(help="Rows to look back at most (from the data).", metavar="ROWS")
]
Contemporaneous = Annotated[
    bool | None,
    typer.Option(
        "--contemporaneous/--lagged-only", help="Allow effects within one row (from the data)."
    ),
]
Fdr = Annotated[float, typer.Option(help="Share of false edges that is accepted.")]
GraphFile = Annotated[
    str | None, typer.Option("--graph", help="Follow this graph (JSON).", metavar="FILE")
]
Require = Annotated[
    list[str] | None,
    typer.Option(help="An edge that must be there, at a lag; repeat.", metavar="A:B[@LAG]"),
]
Forbid = Annotated[
    list[str] | None,
    typer.Option(help="An edge that must not be there; repeat.", metavar="A:B[@LAG]"),
]
Tier = Annotated[
    list[str] | None,
    typer.Option(help="Groups in causal order, causes first; repeat.", metavar="A,B"),
]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("learn")(learn)


def learn(
    *,
    logs: o.Logs,
    out: Out,
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
    graph: GraphFile = None,
    require: Require = None,
    forbid: Forbid = None,
    tier: Tier = None,
    max_lag: MaxLag = None,
    contemporaneous: Contemporaneous = None,
    fdr: Fdr = 0.01,
    seed: o.Seed = 0,
    json: o.Json = False,
) -> None:
    """Discover the graph of a log and learn a model along it.

    Ctrl-C keeps what is finished; the same command goes on from there.

    \b
      doworld learn run1.csv --out model --state T1,T2 \\
          --action heater1,heater2 --time t
      doworld learn runs/ --out model --schema schema.yaml
    """
    reading = Reading.typed(locals()).found(logs[0])
    trajectories = reading.log(logs if len(logs) > 1 else logs[0])
    model = _learn(
        trajectories,
        Path(out),
        graph=_graph(graph),
        prior=_prior(require, forbid, tier, trajectories.schema.names),
        max_lag=max_lag,
        contemporaneous=contemporaneous,
        fdr=fdr,
        seed=seed,
    )
    model.save(out)
    reading.save(Path(out))
    shutil.rmtree(Path(out) / ".checkpoint", ignore_errors=True)
    from doworld.cli.describe import summary, words_of

    if json:
        print_json({"model": out, **summary(model)})
    else:
        show(words_of(model))
        show(f"Saved in {out}. Next: doworld show {out} --out report.html")


def _learn(log, folder: Path, **how):
    from doworld._core.progress import terminal
    from doworld.session.learn import learn as work

    folder.mkdir(parents=True, exist_ok=True)
    try:
        with terminal() as progress:
            return work(log, progress=progress, checkpoint=folder / ".checkpoint", **how)
    except KeyboardInterrupt:
        raise Stopped(
            f"stopped. What was learned is kept in {folder}/.checkpoint; the same command goes on "
            "from there."
        ) from None


def _graph(path: str | None):
    if path is None:
        return None
    import json

    from doworld.graph import CausalGraph

    try:
        data = json.loads(Path(path).read_text("utf-8"))
        return CausalGraph.from_dict(data.get("graph", data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GraphError(
            f"{path} is no graph ({error}). Give a model.json, or the JSON of graph.to_dict()."
        ) from None


def _prior(require, forbid, tier, known):
    if not (require or forbid or tier):
        return None
    from doworld.cli.values import names
    from doworld.graph import Prior

    return Prior(
        required=tuple(_link(t, known) for t in require or []),
        forbidden=tuple(_link(t, known) for t in forbid or []),
        tiers=tuple(names([t], known) for t in tier or []),
    )


def _link(text: str, known):
    from doworld.cli.values import names

    found = _LINK.fullmatch(text)
    if found is None:
        raise QueryError(f"{text!r} is not an edge. Write cause:effect, as in heater1:T1.")
    ends = names([found["source"]], known)[0], names([found["target"]], known)[0]
    return (*ends, int(found["lag"])) if found["lag"] else ends
