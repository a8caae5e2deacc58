"""An answer as text for the terminal, as plain text, and as a notebook's HTML."""

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from doworld.query.words import number

if TYPE_CHECKING:
    from rich.console import Group

    from doworld.query.answer import Answer, Series

__all__ = ["headline", "html", "key_rows", "numbers", "plain", "rich"]

WIDTH = 60
EDGE = 0.8
FEW_ROWS, MANY_SERIES = 4, 4


def headline(answer: "Answer") -> tuple[str, str]:
    """The first line of an answer and its tone: ``good``, ``warn`` or ``bad``.

    What is outside the data or not identified says so before any number.
    """
    why, worst = answer.why, min((min(s.support, default=1.0) for s in answer.series), default=1.0)
    if answer.status == "not_identified":
        return "NOT IDENTIFIED: the data cannot answer, so there is no number", "bad"
    kind = "bounded: the interval is a bound" if answer.status == "bounded" else "identified"
    if why.outside is not None:
        return f"OUTSIDE ITS DATA from row {why.outside} · {kind}", "bad"
    if worst < EDGE:
        return f"at the edge of its data · {kind}", "warn"
    return f"inside its data · {kind}", "warn" if answer.status == "bounded" else "good"


def key_rows(rows: tuple[int, ...], most: int = FEW_ROWS) -> list[int]:
    """Where in ``rows`` to look: evenly spread, the first and last among them.

    >>> key_rows((1, 2, 3, 4, 5, 6, 7, 8, 9, 10))
    [0, 3, 6, 9]
    """
    if len(rows) <= most:
        return list(range(len(rows)))
    return sorted({round(i * (len(rows) - 1) / (most - 1)) for i in range(most)})


def rich(answer: "Answer") -> "Group":
    """Status first, then key numbers, then what they rest on; readable in 60 columns."""
    from rich.console import Group
    from rich.text import Text

    words, tone = headline(answer)
    style = {"good": "bold green", "warn": "bold yellow", "bad": "bold red"}[tone]
    parts: list = [Text(words, style=style)]
    if answer.why.summary:
        parts.append(Text(answer.why.summary, style="bold"))
    if answer.actions:
        parts.append(_actions(answer))
    if answer.details is not None:
        parts += list(answer.details.rich(answer))
    elif any(s.estimate is not None for s in answer.series):
        parts.append(numbers(answer))
        parts.append(_spread(answer))
    parts += list(_grounds(answer))
    return Group(*parts)


def _actions(answer: "Answer"):
    from rich.text import Text

    lines = []
    for name, values in answer.actions.items():
        shown = [number(v) if isinstance(v, float) else str(v) for v in values[:8]]
        lines.append(f"{name}: {', '.join(shown)}{', …' if len(values) > 8 else ''}")
    if answer.objective is not None:
        lines.append(f"expected cost {number(answer.objective)}")
    return Text("\n".join(lines))


def numbers(answer: "Answer"):
    """Key rows of every variable as a table."""
    from rich.table import Table

    bound = answer.status == "bounded"
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("variable")
    table.add_column("row", justify="right")
    table.add_column("estimate", justify="right")
    table.add_column("bound" if bound else f"{answer.level:.0%} interval")
    table.add_column("support", justify="right")
    for series in answer.series:
        if series.estimate is None:
            continue
        most = FEW_ROWS if len(answer.series) <= MANY_SERIES else 1
        places = key_rows(series.rows, most) if most > 1 else [len(series.rows) - 1]
        unit = f" [{series.unit}]" if series.unit else ""
        for n, i in enumerate(places):
            table.add_row(
                f"{series.variable}{unit}" if n == 0 else "",
                str(series.rows[i]),
                series.label(series.estimate[i]),
                _range(series, i, bound=bound),
                _support(series.support[i] if series.support else 1.0),
            )
    return table


def _support(value: float):
    from rich.text import Text

    style = "green" if value >= EDGE else "yellow" if value >= 0.5 else "red"
    return Text(f"{value:.2f}", style=style)


def _range(series: "Series", i: int, *, bound: bool) -> str:
    if series.probabilities and not bound:
        names = series.categories or tuple(str(c) for c in range(len(series.probabilities[i])))
        ranked = sorted(zip(series.probabilities[i], names, strict=True), key=lambda p: -p[0])
        return ", ".join(f"{n} {p:.0%}" for p, n in ranked[:2] if p >= 0.005)
    if series.probabilities_upper:
        return _chances(series, i)
    if series.lower is None or series.upper is None:
        return ""
    low, high = series.label(series.lower[i]), series.label(series.upper[i])
    return low if low == high else f"{low} … {high}"


def _chances(series: "Series", i: int) -> str:
    """Bounds on the probabilities of the likeliest levels, as ``high 20–55%``."""
    low, high = series.probabilities_lower[i], series.probabilities_upper[i]
    names = series.categories or tuple(str(c) for c in range(len(high)))
    ranked = sorted(zip(high, low, names, strict=True), reverse=True)
    words = (
        f"{n} {b:.0%}" if a - b < 0.005 else f"{n} {100 * b:.0f}–{a:.0%}"
        for a, b, n in ranked[:2]
        if a >= 0.005
    )
    return ", ".join(words)


def _spread(answer: "Answer"):
    from rich.text import Text

    lines = []
    for series in answer.series[:MANY_SERIES]:
        if series.estimate is None or not series.noise:
            continue
        parts = (("noise", series.noise), ("parameters", series.parameters))
        words = [f"{name} {v[-1]:.2g}" for name, v in (*parts, ("structure", series.structure))]
        lines.append(f"± {series.variable} at row {series.rows[-1]}: {', '.join(words)}")
    return Text("\n".join(lines), style="dim")


def _grounds(answer: "Answer") -> Iterable:
    from rich.padding import Padding
    from rich.text import Text

    why = answer.why
    if answer.fix:
        yield Text(f"What to do: {answer.fix}", style="bold")
    for warning in why.warnings:
        yield Text(f"! {warning}", style="yellow")
    if why.support:
        yield Text(f"Support: {why.support}")
    if why.weakest_edge:
        yield Text(f"Weakest edge: {why.weakest_edge}")
    if why.adjustment:
        yield Text(why.adjustment)
    if why.assumptions:
        yield Text("Assumed:")
        for line in why.assumptions:
            yield Padding(Text(f"· {line}"), (0, 0, 0, 1))
    if why.rows:
        what = "rows" if answer.step == 0 else "transitions"
        yield Text(f"Learned from a log of {why.rows:,} {what}.", style="dim")


def plain(answer: "Answer", width: int = WIDTH) -> str:
    """The same text without colours."""
    from rich.console import Console

    console = Console(width=width, no_color=True, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(rich(answer))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def html(answer: "Answer") -> str:
    """A notebook's view: the headline, the figure where there are numbers, the text."""
    words, tone = headline(answer)
    colour = {"good": "#1a7f37", "warn": "#9a6700", "bad": "#b42318"}[tone]
    parts = [f'<p style="font-weight:600;color:{colour};margin:0 0 .4em">{escape(words)}</p>']
    if answer.details is not None or any(s.estimate is not None for s in answer.series):
        parts.append(answer.figure().to_html(full_html=False, include_plotlyjs="cdn"))
    body = "\n".join(plain(answer, 90).splitlines()[1:])
    parts.append(f'<pre style="font-size:12px;line-height:1.35;margin:0">{escape(body)}</pre>')
    return "<div>" + "".join(parts) + "</div>"
