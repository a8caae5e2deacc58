"""``doworld learn``: from a log to a model."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from doworld._core.errors import GraphError
from doworld.cli import options as o
from doworld.cli.entry import Stopped
from doworld.cli.output import print_json, show
from doworld.cli.prior import Forbid, PriorFile, Require, Tier, prior_of
from doworld.cli.reading import Reading

__all__ = ["GraphFile", "read_graph", "register"]

Out = Annotated[str, typer.Option("--out", help="Folder for the model.", metavar="MODEL")]
GraphFile = Annotated[
    str | None, typer.Option("--graph", help="Follow this graph (JSON).", metavar="FILE")
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
    prior: PriorFile = None,
    require: Require = None,
    forbid: Forbid = None,
    tier: Tier = None,
    max_lag: o.MaxLag = None,
    contemporaneous: o.Contemporaneous = None,
    fdr: o.Fdr = 0.01,
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
        graph=read_graph(graph),
        prior=prior_of(prior, require, forbid, tier, trajectories.schema.names),
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


def read_graph(path: str | None):
    """The graph in a JSON file; None without one. Raises ``GraphError``."""
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
