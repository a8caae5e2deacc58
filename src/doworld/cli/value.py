"""``doworld value``: what another policy would have earned, from logged episodes."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from doworld._core.errors import QueryError
from doworld.cli import options as o
from doworld.cli.output import check_page, emit_answer
from doworld.cli.reading import Reading
from doworld.cli.values import cell

__all__ = ["register"]

Source = Annotated[
    str,
    typer.Argument(help="Folder of a learned model (with --log), or a log.", metavar="MODEL|LOG"),
]
Log = Annotated[
    str | None, typer.Option("--log", help="The episodes, where a model is given.", metavar="LOG")
]
Policies = Annotated[
    list[str],
    typer.Option(
        "--policy",
        help="What chooses an action: a value, or a policy as YAML or JSON; repeat.",
        metavar="NAME=FILE|VALUE",
    ),
]
Chosen = Annotated[
    str | None,
    typer.Option(
        "--logged-policy",
        help="How logged actions were chosen: randomised, known or unknown.",
        metavar="WORD",
    ),
]
Sum = Annotated[
    str, typer.Option("--sum", help="What is summed (the log's reward).", metavar="NAME")
]
Discount = Annotated[float, typer.Option(help="Of later rewards, by row.")]
Strength = Annotated[
    float | None,
    typer.Option(
        help="How far something hidden may move the odds (from the log; 1: not at all).",
        metavar="RATIO",
    ),
]
Level = Annotated[float, typer.Option(help="Of the intervals.")]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("value")(value)


def value(
    *,
    source: Source,
    policies: Policies,
    log: Log = None,
    sum_: Sum = "",
    discount: Discount = 1.0,
    strength: Strength = None,
    state: o.State = None,
    action: o.Action = None,
    context: o.Context = None,
    reward: o.Reward = None,
    episode: o.EpisodeColumn = None,
    time: o.Time = None,
    environment: o.Environment = None,
    policy: Chosen = None,
    propensity: o.Propensity = None,
    step: o.Step = None,
    schema: o.SchemaFile = None,
    names: o.Names = None,
    rename: o.Rename = None,
    level: Level = 0.9,
    seed: o.Seed = 0,
    json: o.Json = False,
    out: o.Figure = None,
) -> None:
    """What another policy would have earned.

    A policy file holds the fields of Rules or Feedback:
    {otherwise: "off", cases: [{when: {T: [null, 40]}, then: "on"}]}.
    Actions without a policy stay as logged.

    \b
      doworld value model --log runs/ --policy heater=policy.yaml
      doworld value visits.csv --context age --action offer \\
          --reward bought --propensity p --policy offer=none
    """
    check_page(out)
    reading = Reading.typed(locals())
    folder = Path(source)
    if (folder / "model.json").is_file():
        if log is None:
            raise QueryError(
                "a saved model carries no rows, and values are computed from logged episodes. "
                f"Write: doworld value {source} --log LOG …"
            )
        from doworld.model.store import load

        schema_of = load(source).schema
        rows = Reading.of(folder, schema_of, reading).log(log, like=schema_of)
    else:
        if log is not None:
            raise QueryError(f"{source} is no model, so --log is one log too many. Leave it out.")
        reading = reading.found(source)
        if reading.context and not (reading.state or reading.schema or reading.episode):
            # a table of decisions: what was seen before each stands where a state would
            reading = replace(reading, state=reading.context, context=())
        rows = reading.log(source)
    from doworld.infer.policy_value import value_from_log
    from doworld.query.queries import parse

    query = parse(
        {
            "kind": "policy_value",
            "policies": dict(_policy(text, rows) for text in policies),
            "reward": sum_,
            "discount": discount,
            "strength": strength,
            "level": level,
        }
    )
    emit_answer(value_from_log(rows, query, seed=seed), as_json=json, out=out)


def _policy(text: str, rows) -> tuple[str, Any]:
    """An action and its policy as plain data: from a file, or always the value written."""
    name, sign, typed = text.partition("=")
    if not sign or not typed:
        raise QueryError(f"--policy {text!r} is not NAME=FILE or NAME=VALUE. Write heater=60.")
    variable = rows.schema[name]
    path = Path(typed)
    if path.suffix.lower() not in (".yaml", ".yml", ".json"):
        fixed = typed if variable.categories else cell(typed)
        variable.code(fixed)
        return name, {"kind": "rules", "otherwise": fixed}
    if not path.is_file():
        raise FileNotFoundError(2, "no such file", typed)
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise QueryError(f"{typed} is not readable as YAML: {error}.") from None
    if not isinstance(data, dict):
        raise QueryError(f"{typed} holds no policy. Write 'otherwise: VALUE' and 'cases: […]'.")
    return name, {"kind": "feedback" if "weights" in data else "rules", **data}
