"""The parts of a report: graph, fit, calibration, answers, notes."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from doworld.data import Role, Schema
from doworld.graph import CausalGraph
from doworld.query import Answer, Status
from doworld.session.report import charts
from doworld.session.report.network import COLOURS, EXTRA, MISSED, drawing, matrix
from doworld.session.report.page import (
    Markup,
    Section,
    callout,
    esc,
    facts,
    grid,
    paragraph,
    table,
)

__all__ = [
    "answer_section",
    "calibration_section",
    "fit_section",
    "graph_section",
    "notes_section",
]

TITLES = {
    "predict": "What will happen",
    "do": "What if we intervene",
    "counterfactual": "What would have happened",
    "plan": "What to do",
    "blame": "What made it fail",
    "imagine": "What if the rules were different",
    "effect": "What it does, on average",
    "policy_value": "What another policy would have earned",
}
MOST_NODES, MOST_LINES = 26, 110


def notes_section(
    graph: CausalGraph, notes: Iterable[str], *, title: str = "Notes and warnings"
) -> Section:
    """What the log cannot tell and how to mend it, then what was decided from the data."""
    forbidden = dict.fromkeys(fact.note for fact in graph.unidentified)
    parts = [callout(note, "warn") for note in forbidden]
    rest = [n for n in dict.fromkeys((*graph.notes, *notes)) if n not in forbidden]
    if rest:
        parts.append(f"<ul>{''.join(f'<li>{esc(n)}</li>' for n in rest)}</ul>")
    return Section(title, "".join(parts) or paragraph("None."))


def graph_section(
    graph: CausalGraph,
    schema: Schema,
    truth: CausalGraph | None = None,
    *,
    title: str = "What causes what",
) -> Section:
    """The graph drawn, and its edges in a table; ``truth`` marks missed and spurious edges."""
    pairs = {(e.source, e.target) for e in (*graph.links, *graph.doubtful)}
    large = len(graph.names) > MOST_NODES or len(pairs) > MOST_LINES
    picture = matrix(graph) if large else drawing(graph, schema, truth)
    lead = (
        "Every mark is an edge from the row's variable to the column's; stronger is surer."
        if large
        else "Read from left to right. A line is an effect on the next row unless its lag is "
        "written; stronger lines are surer; a small loop says that a variable depends on its own "
        "past."
    )
    figure = f'<figure><div class="wide">{picture}</div>{_legend(schema, graph, truth)}</figure>'
    return Section(title, figure + _edges(graph), lead)


def _legend(schema: Schema, graph: CausalGraph, truth: CausalGraph | None) -> str:
    names = {
        Role.STATE: "state",
        Role.ACTION: "action",
        Role.CONTEXT: "context",
        Role.REWARD: "reward",
    }
    keys = [
        f'<span><i class="box" style="background:{COLOURS[r]}"></i>{names[r]}</span>'
        for r in names
        if schema.of(r)
    ]
    if graph.doubtful:
        keys.append(f'<span><i class="dash" style="border-color:{charts.GREY}"></i>open</span>')
    if truth is not None:
        keys.append(f'<span><i class="dash" style="border-color:{MISSED}"></i>missed</span>')
        keys.append(f'<span><i style="border-color:{EXTRA}"></i>not in the truth</span>')
    return f'<div class="legend">{"".join(keys)}</div>'


def _edges(graph: CausalGraph) -> str:
    rows = []
    for edge in (*graph.edges(), *graph.doubtful):
        chance = min(max(edge.probability, 0.0), 1.0)
        left_out = edge not in graph.links
        proof = edge.evidence
        bar = f'<span class="bar" style="width:{54 * chance:.0f}px'
        bar += ";background:#b9c1cf" if left_out else ""
        rows.append(
            (
                f"{edge.source} {'→' if edge.mark.value == '-->' else edge.mark.value} "
                f"{edge.target}" + (" (left out)" if left_out else ""),
                edge.lag,
                Markup(f'{bar}"></span>{chance:.0%}'),
                "" if np.isnan(edge.effect) else f"{edge.effect:.3g}",
                "" if proof is None else f"{proof.test}, p {_p(proof.p_value)}, {proof.rows} rows",
            )
        )
    head = ("edge", "lag", "probability", "effect", "evidence")
    inner = table(head, rows, text=(0, 2, 4))
    count = len(graph.links)
    summary = f"{count} edges" + (f", {len(graph.doubtful)} left open" if graph.doubtful else "")
    state = " open" if len(rows) <= 12 else ""
    return f"<details{state}><summary>{summary}</summary>{inner}</details>"


def _p(value: float) -> str:
    return "< 1e-12" if value < 1e-12 else f"{value:.2g}"


def fit_section(evaluation: Any, *, title: str = "How well it foresees") -> Section:
    """Open-loop errors by variable beside persistence and a linear model, with coverage."""
    frame = evaluation.frame()
    rows, dots, best = [], [], []
    for row in frame.iter_rows(named=True):
        values = [row["nrmse"], row["nrmse_persistence"], row["nrmse_linear"]]
        sure = [v if v is not None and np.isfinite(v) else np.inf for v in values]
        best.append(1 + int(np.argmin(sure)))
        cells = ["–" if not np.isfinite(v) else f"{v:.3f}" for v in sure]
        cover = row["coverage"]
        share = "–" if cover is None or not np.isfinite(cover) else f"{cover:.0%}"
        rows.append((row["variable"], *cells, share, row["windows"]))
        kinds = ("this model", "linear", "nothing changes")
        dots.append((row["variable"], dict(zip(kinds, (sure[0], sure[2], sure[1]), strict=True))))
    head = ("variable", "this model", "nothing changes", "linear model", "in interval", "windows")
    won = sum(b == 1 for b in best)
    lead = (
        "Forecast error over the whole horizon on the given log, in standard "
        "deviations of each variable: 0 is perfect, 1 is no better than the mean. "
        f"This model is the best of the three for {won} of {len(best)} variables."
    )
    legend = (
        '<div class="legend"><span><i class="box" style="background:#2b5fc7;border-radius:9px"></i>'
        'this model</span><span><i class="box" style="border:2px solid #c8620c;border-radius:9px">'
        '</i>linear model</span><span><i class="box" style="border:2px solid #8a94a6;'
        'border-radius:9px"></i>nothing changes</span></div>'
    )
    figure = f'<figure><div class="wide">{charts.errors(dots)}</div>{legend}</figure>'
    return Section(title, figure + table(head, rows, best=best), lead)


def calibration_section(model: Any, *, title: str = "How honest its intervals are") -> Section:
    """How often held-out values fell inside raw intervals, and how much these are widened."""
    found = model.calibration
    names = model.schema.of(Role.STATE, Role.REWARD)
    at = {n: model.schema.position(n) for n in names}
    lines = {
        n: [float(c) for c in found.coverage[i]]
        for n, i in at.items()
        if np.isfinite(found.coverage[i]).any()
    }
    lead = (
        "Intervals are widened or narrowed until 90 % of held-out values fall inside. The chart "
        "shows the share before, the table by how much they are stretched."
    )
    if not lines:
        text = "The log was too short to measure this: intervals are as the mechanisms give them."
        return Section(title, callout(text, "warn"))
    chart = charts.coverage(
        [float(h) for h in found.horizons], lines, level=0.9, title="inside, before"
    )
    head = ("variable", *(f"{h:g} rows" for h in found.horizons))
    rows = [(n, *(f"×{v:.2f}" for v in found.inflation[at[n]])) for n in lines]
    return Section(title, grid([chart, f"<div>{table(head, rows)}</div>"]), lead)


def answer_section(answer: Answer, *, title: str = "") -> Section:
    """An answer: whether it is founded, its fan charts, and what it rests on."""
    heading = title or TITLES.get(answer.query.kind, "Answer")
    kind, text = {
        Status.IDENTIFIED: ("good", "identified: the data can answer"),
        Status.BOUNDED: ("warn", "bounded: the interval is a bound"),
        Status.NOT_IDENTIFIED: ("bad", "not identified: no number"),
    }[answer.status]
    why = answer.why
    parts = [f'<p><span class="pill {kind}">{text}</span></p>']
    if why.outside is not None:
        when = f"{why.outside * answer.step:.4g} {answer.time_unit}" if answer.step else "the start"
        parts[0] = (
            parts[0][:-4] + f' <span class="pill warn">outside its data from {esc(when)}</span></p>'
        )
    if answer.fix:
        parts.append(callout(answer.fix, "bad" if kind == "bad" else "warn"))
    parts += [callout(w, "warn") for w in why.warnings]
    if answer.actions:
        parts.append(_plan(answer))
    if answer.details is not None:
        # the page stays complete without a network, so it carries the drawing library
        parts.append(answer.figure().to_html(full_html=False, include_plotlyjs=True))
    else:
        parts.append(grid([_figure(s, answer) for s in answer.series]) + _key(answer))
    if why.support:
        parts.append(paragraph(why.support))
    parts.append(_grounds(answer))
    return Section(heading, "".join(parts), why.summary)


def _key(answer: Answer) -> str:
    """What the marks of a fan chart mean."""
    half = f"rgba(43,95,199,{0.4})"
    keys = [
        f'<i style="border-color:{charts.BLUE}"></i>the middle',
        f'<i class="box" style="background:{half}"></i>half of the futures',
        f'<i class="box" style="background:rgba(43,95,199,.16)"></i>{answer.level:.0%}',
        f'<i class="dash" style="border-color:{charts.GREY}"></i>outside the data',
        '<i class="box" style="background:rgba(179,54,43,.7)"></i>support is thin',
    ]
    if any(s.past for s in answer.series):
        keys.append(f'<i style="border-color:{charts.INK};border-width:2px"></i>logged')
    if getattr(answer.query, "interventions", ()):
        keys.append('<i class="box" style="background:rgba(200,98,12,.14)"></i>where we intervene')
    return f'<div class="legend">{"".join(f"<span>{k}</span>" for k in keys)}</div>'


def _plan(answer: Answer) -> str:
    drawn = [
        f"<figure>{charts.actions(n, '', v, answer)}</figure>" for n, v in answer.actions.items()
    ]
    cost = "" if answer.objective is None else paragraph(f"Expected cost {answer.objective:.4g}.")
    return cost + grid(drawn)


def _figure(series: Any, answer: Answer) -> str:
    caption = f"<figcaption>{esc(_split(series))}</figcaption>" if series.noise else ""
    return f"<figure>{charts.fan(series, answer)}{caption}</figure>"


def _split(series: Any) -> str:
    """Where the width at the last row comes from, in words."""
    parts = {
        "the world's own noise": series.noise,
        "few data": series.parameters,
        "open edges": series.structure,
    }
    last = {k: v[-1] ** 2 for k, v in parts.items() if v}
    total = sum(last.values())
    if not total > 0:
        return "No spread."
    shares = [f"{v / total:.0%} {k}" for k, v in last.items() if v / total >= 0.005]
    return "Width at the end: " + ", ".join(shares) + "."


def _grounds(answer: Answer) -> str:
    why = answer.why
    items = [*why.assumptions]
    if why.adjustment:
        items.append(why.adjustment)
    if why.weakest_edge:
        items.append(f"weakest edge relied on: {why.weakest_edge}")
    if why.rows:
        items.append(f"learned from a log of {why.rows:,} transitions")
    body = "".join(f"<li>{esc(i)}</li>" for i in items)
    edges = "".join(f"<li>{esc(e)}</li>" for e in why.edges)
    more = f"<h3>Edges relied on</h3><ul>{edges}</ul>" if edges else ""
    return f"<details><summary>What this rests on</summary><ul>{body}</ul>{more}</details>"


def learned_section(model: Any, *, title: str = "What was learned") -> Section:
    """The model in plain words: how much data, which mechanisms."""
    schema, graph = model.schema, model.graph
    unit = schema.time_unit.removesuffix("s") if schema.time_unit == "steps" else schema.time_unit
    every = "a unit" if schema.static else f"{schema.step:.4g} {unit}"
    numbers = facts(
        [
            ("transitions", f"{model.rows:,}"),
            ("variables", len(schema)),
            ("edges", len(graph.links)),
            ("every row" if schema.static else "between two rows", every),
        ]
    )
    rows = [
        (
            f.variable,
            f.family,
            "–" if np.isnan(f.one_step_nrmse) else f"{100 * f.one_step_nrmse:.2g} %",
            ", ".join(dict.fromkeys(a for a, _ in graph.parents(f.variable))) or "nothing",
        )
        for f in model.fits
    ]
    head = ("variable", "mechanism", "error one row ahead", "depends on")
    body = numbers + table(head, rows, text=(0, 1, 3)) + _laws(model)
    return Section(title, body, _plain(model))


def _laws(model: Any) -> str:
    """The equations, and a table of their constants behind a fold."""
    laws = [law for law in model.laws if law.readable]
    if not laws:
        return ""
    lines = "".join(f"<p><code>{esc(law.equation(intervals=False))}</code></p>" for law in laws)
    rows = [
        (
            c.name,
            f"{c.value:.4g}",
            f"{c.interval[0]:.4g} … {c.interval[1]:.4g}" if np.isfinite(c.interval).all() else "–",
            c.term or "1",
        )
        for law in laws
        for c in law.constants
    ]
    head = ("constant", "value", "95 % interval", "times")
    fold = "<details><summary>Constants and their intervals</summary>"
    return f"<h3>Laws</h3>{lines}{fold}{table(head, rows, text=(0, 3))}</details>"


def _plain(model: Any) -> str:
    graph = model.graph
    acted = model.schema.of(Role.ACTION)
    moved = {n: sorted(graph.descendants(n) - {n}) for n in acted}
    parts = []
    for name, targets in moved.items():
        parts.append(
            f"{name} acts on {', '.join(targets)}" if targets else f"{name} acts on nothing"
        )
    text = "; ".join(parts[:6])
    return text[:1].upper() + text[1:] + ("." if text else "")
