"""A model in words: for the terminal and as plain data."""

import math
from typing import Any

from doworld.cli.output import table

__all__ = ["checks_of", "graph_words", "summary", "words_of"]


def summary(model: Any) -> dict[str, Any]:
    """The model as plain data for JSON."""
    return {
        "rows": model.rows,
        "schema": model.schema.to_dict(),
        "graph": model.graph.to_dict(),
        "fits": [
            {
                "variable": f.variable,
                "family": f.family,
                "one_step_nrmse": f.one_step_nrmse,
                "log_likelihood": f.log_likelihood,
            }
            for f in model.fits
        ],
        "laws": [law.to_dict() for law in model.laws],
        "notes": list(model.notes),
    }


def words_of(model: Any) -> Any:
    """The model for the terminal: counts, edges, mechanisms, what stays open, notes; 60 columns."""
    from rich.console import Group
    from rich.text import Text

    schema, graph = model.schema, model.graph
    step = "a static table" if schema.static else f"a row every {schema.step:g} {schema.time_unit}"
    head = f"{len(schema)} variables, {model.rows} transitions, {step}; {len(graph.links)} edges"
    edges = [
        (_edge(e), f"{e.probability:.0%}", "" if math.isnan(e.effect) else f"{e.effect:.2g}")
        for e in graph.edges()
    ]
    fits = [
        (
            f.variable,
            f.family,
            "" if math.isnan(f.one_step_nrmse) else f"{100 * f.one_step_nrmse:.2g} %",
        )
        for f in model.fits
    ]
    parts: list[Any] = [Text(head), table(("cause → effect", "sure", "effect"), edges)]
    if graph.doubtful:
        rows = [(_edge(e), f"{e.probability:.0%}") for e in graph.doubtful]
        parts.append(table(("left out, but open", "sure"), rows))
    if fits:
        parts.append(table(("variable", "mechanism", "error 1 row ahead"), fits))
    laws = [law for law in model.laws if law.readable]
    if laws:
        parts.append(Text("Laws, with 95 % intervals of their constants", style="bold"))
        parts += [Text(law.equation()) for law in laws]
    forbidden = dict.fromkeys(fact.note for fact in graph.unidentified)
    if forbidden:
        parts.append(Text("What this log cannot tell", style="bold"))
        parts += [Text(f"! {note}", style="yellow") for note in forbidden]
    notes = dict.fromkeys((*graph.notes, *model.notes))
    parts += [Text(f"• {note}") for note in notes if note not in forbidden]
    return Group(*parts)


def graph_words(graph: Any, *, explain: bool = False) -> Any:
    """A graph for the terminal: what was chosen and why, edges, what stays open; 60 columns."""
    from rich.console import Group
    from rich.text import Text

    from doworld.graph.choice import explained

    edges = [
        (
            _edge(e),
            f"{e.probability:.0%}",
            "" if math.isnan(e.effect) else f"{e.effect:.2g}",
            _p_value(e),
        )
        for e in graph.edges()
    ]
    head = f"{len(graph.names)} variables, {len(graph.links)} edges"
    parts: list[Any] = [Text(graph.summary)] if graph.summary else []
    if explain:
        parts += [Text(""), explained(graph.choices)]
    parts += [Text(""), Text(head), table(("cause → effect", "sure", "effect", "p"), edges)]
    if graph.doubtful:
        rows = [(_edge(e), f"{e.probability:.0%}") for e in graph.doubtful]
        parts.append(table(("left out, but open", "sure"), rows))
    for title, mark, facts in (
        ("Where knowledge and data disagree", "≠", graph.conflicts),
        ("What this log cannot tell", "!", graph.unidentified),
    ):
        notes = dict.fromkeys(fact.note for fact in facts)
        if notes:
            parts.append(Text(title, style="bold"))
            parts += [Text(f"{mark} {note}", style="yellow") for note in notes]
    said = {f.note for f in graph.unidentified} | {graph.summary}
    said |= {n for n in graph.notes if any(n.endswith(c.note) for c in graph.conflicts)}
    parts += [Text(f"• {note}") for note in dict.fromkeys(graph.notes) if note not in said]
    return Group(*parts)


def _p_value(edge: Any) -> str:
    p = edge.evidence.p_value if edge.evidence else math.nan
    return "" if math.isnan(p) else f"{p:.1g}"


def _edge(edge: Any) -> str:
    when = {0: "same row", 1: ""}.get(edge.lag, f"{edge.lag} rows before")
    mark = "→" if edge.mark.value == "-->" else edge.mark.value
    return f"{edge.source} {mark} {edge.target}" + (f"  ({when})" if when else "")


def checks_of(tour: Any) -> Any:
    """What the tour promised and measured, for the terminal."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Any] = []
    for check in tour.checks:
        mark, style = ("✓", "green") if check.passed else ("✗", "bold red")
        parts.append(Text.assemble((f"{mark} ", style), (check.name, "bold")))
        parts.append(Text(f"    promised  {check.promised}"))
        parts.append(Text(f"    measured  {check.measured}"))
        parts += [Text(f"    {name}  {value}", style="dim") for name, value in check.beside.items()]
        if check.detail:
            parts.append(Text(f"    {check.detail}", style="dim"))
    kept = sum(c.passed for c in tour.checks)
    parts.append(Text(f"{kept} of {len(tour.checks)} promises kept."))
    return Group(*parts)
