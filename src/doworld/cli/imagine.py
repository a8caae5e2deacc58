"""``doworld imagine``: the world with other rules."""

from typing import TYPE_CHECKING, Annotated

import typer

from doworld.cli import options as o
from doworld.cli.output import check_page, emit_answer

if TYPE_CHECKING:
    from doworld.cli.question import Question

__all__ = ["register"]

Turns = Annotated[
    list[str] | None,
    typer.Option("--turn", help="Multiply a law's constant; repeat.", metavar="CONSTANT=FACTOR"),
]
Swaps = Annotated[
    list[str] | None,
    typer.Option("--swap", help="Give a context another value; repeat.", metavar="NAME=VALUE"),
]
Cuts = Annotated[
    list[str] | None,
    typer.Option("--cut", help="TARGET no longer hears SOURCE; repeat.", metavar="TARGET=SOURCE"),
]
RulesFile = Annotated[
    str | None,
    typer.Option("--rules", help="YAML or JSON list of rule changes.", metavar="FILE"),
]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("imagine")(imagine)


def imagine(
    *,
    model: o.Model,
    given: o.Given,
    turn: Turns = None,
    swap: Swaps = None,
    cut: Cuts = None,
    rules: RulesFile = None,
    set_: o.Sets = None,
    shift: o.Shifts = None,
    scale: o.Scales = None,
    follow: o.Follows = None,
    from_: o.From = None,
    to: o.To = None,
    planned: o.Planned = None,
    horizon: o.Horizon = "20rows",
    target: o.Target = None,
    level: o.Level = 0.9,
    samples: o.Samples = 256,
    names: o.Names = None,
    rename: o.Rename = None,
    seed: o.Seed = 0,
    json: o.Json = False,
    out: o.Figure = None,
) -> None:
    """What follows in a world with other rules.

    The old world is shown beside the new one. A rules file holds what options
    do not: kinds turn, alter, replace, cut, link, swap and follow.

    \b
      doworld imagine model --given run7.csv --swap gravity=1.6
      doworld imagine model --given run7.csv --turn theta_dot.c1=0.17
    """
    from doworld.cli.question import Question
    from doworld.query import Imagine

    check_page(out)
    question = Question.about(model, rename=rename, names=names)
    rows = question.rows(horizon)
    done = {"set": set_, "shift": shift, "scale": scale, "follow": follow}
    query = Imagine(
        given=question.given(given),
        rules=_rules(question, turn, swap, cut, rules),
        interventions=question.interventions(done, from_, to, rows) if any(done.values()) else (),
        planned=question.planned(planned),
        horizon=rows,
        target=question.targets(target),
        level=level,
        samples=samples,
    )
    emit_answer(question.answer(query, seed), as_json=json, out=out)


def _rules(question: "Question", turn, swap, cut, path: str | None) -> tuple:
    """The rule changes of the options, those of the file last."""
    from doworld._core.errors import QueryError
    from doworld.cli.plain_file import rules
    from doworld.cli.values import number, split_spec
    from doworld.query import Cut, Swap, Turn

    out: list = []
    for text in turn or []:
        name, sign, by = text.rpartition("=")
        if not sign or not name:
            raise QueryError(f"{text!r} is not of the form constant=factor, as theta_dot.c1=0.17.")
        out.append(Turn(constant=name.strip(), factor=number(by, "--turn")))
    for text in swap or []:
        name, value = split_spec(text, question.schema.index)
        out.append(Swap(context=name, value=question.value(name, value)))
    for text in cut or []:
        name, source = split_spec(text, question.schema.index)
        out.append(Cut(source=source, target=name))
    out += rules(path) if path else ()
    return tuple(out)
