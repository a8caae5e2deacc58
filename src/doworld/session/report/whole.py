"""Whole reports: of a model, and of the tour."""

from typing import Any

from doworld.query import Answer
from doworld.session.report.page import Markup, Report, Section, esc, facts, table
from doworld.session.report.sections import (
    answer_section,
    calibration_section,
    fit_section,
    graph_section,
    learned_section,
    notes_section,
)

__all__ = ["answer_report", "model_report", "tour_report"]


def model_report(
    model: Any, *, evaluation: Any = None, title: str = "What this log's world does"
) -> Report:
    """What a model has learned: graph, mechanisms, fit, calibration, notes."""
    schema = model.schema
    intro = (
        f"A causal world model of {len(schema)} variables, learned from a log of "
        f"{model.rows:,} transitions. It knows {len(model.graph.links)} edges."
    )
    sections = [graph_section(model.graph, schema), learned_section(model)]
    if evaluation is not None:
        sections.append(fit_section(evaluation))
    sections += [calibration_section(model), notes_section(model.graph, model.notes)]
    return Report(title, intro, tuple(sections))


def answer_report(answer: Answer) -> Report:
    """One answer as a page of its own."""
    section = answer_section(answer)
    return Report(section.title, section.lead, (Section("", section.body),))


def tour_report(tour: Any) -> Report:
    """The tour: promised and measured, then the graph, the model and one answer a rung."""
    kept = sum(c.passed for c in tour.checks)
    whole = kept == len(tour.checks)
    intro = (
        "A pole on a cart, pushed at random. From these logs alone doworld found what causes "
        "what, learned how, and answered questions that the simulator then checked."
    )
    titles = {
        "predict": "Seeing: what will happen",
        "do": "Doing: a gravity it has never seen",
        "counterfactual": "Imagining: one push the other way",
        "plan": "Acting: balance the pole",
    }
    sections = [
        _checks(tour, kept),
        graph_section(
            tour.graph, tour.model.schema, tour.truth, title="The graph, beside the truth"
        ),
        learned_section(tour.model),
        calibration_section(tour.model),
        *(answer_section(a, title=titles.get(n, "")) for n, a in tour.answers.items()),
        notes_section(tour.graph, (*tour.log.notes, *tour.model.notes)),
    ]
    kind = "good" if whole else "bad"
    badge = f'<span class="pill {kind}">{kept} of {len(tour.checks)} promises kept</span>'
    return Report("The tour: a world learned from random pushes", intro, tuple(sections), badge)


def _tied(text: str) -> str:
    """Escaped text in which a number is not parted from its percent sign."""
    return esc(text.replace(" %", "\u00a0%"))


def _checks(tour: Any, kept: int) -> Section:
    rows = []
    for check in tour.checks:
        mark = '<span class="yes">✓</span>' if check.passed else '<span class="no">✗</span>'
        beside = ", ".join(f"{k} {v}" for k, v in check.beside.items())
        more = f'<div class="small">{_tied(check.detail)}</div>' if check.detail else ""
        words = Markup(f"{_tied(check.measured)}{more}")
        cells = (Markup(_tied(check.promised)), words, Markup(_tied(beside)))
        rows.append((Markup(mark), check.name, *cells))
    numbers = facts(
        [
            ("promises kept", f"{kept} of {len(tour.checks)}"),
            ("random transitions", f"{tour.log.transitions:,}"),
            ("environments", len(tour.log.schema.environments)),
            ("seconds in all", f"{sum(tour.seconds.values()):.0f}"),
        ]
    )
    head = ("", "check", "promised", "measured", "beside it")
    return Section(
        "Promised and measured",
        numbers + table(head, rows, text=range(5)),
        "Each row is a claim, checked against the simulator in this run.",
    )
