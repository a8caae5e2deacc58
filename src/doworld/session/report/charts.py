"""Fan charts, error comparisons and coverage curves as SVG."""

from collections.abc import Mapping, Sequence

import numpy as np

from doworld.query import Answer, Series
from doworld.query.scale import beyond, cut, future
from doworld.session.report.axes import HEIGHT, WIDTH, Frame, finite, path, ticks, words
from doworld.session.report.page import esc

__all__ = ["actions", "coverage", "errors", "fan"]

BLUE, ORANGE, INK, GREY = "#2b5fc7", "#c8620c", "#1b2333", "#8a94a6"
OUTSIDE = 0.5
"""Support below which an answer is drawn as one outside its data."""

LINES = ("#2b5fc7", "#c8620c", "#1f8468", "#7f46a8", "#b3362b", "#3c8ea8", "#8a7a1f", "#5b667a")


def _clock(answer: Answer) -> tuple[float, str]:
    return (answer.step, answer.time_unit) if answer.step > 0 else (1.0, "rows")


def fan(series: Series, answer: Answer) -> str:
    """One variable of an answer: interval, middle, what was logged, what was done, support."""
    step, unit = _clock(answer)
    xs = [r * step for r in series.rows]
    near = None if answer.query.kind == "counterfactual" else future(series.past_rows, series.rows)
    kept = [
        (row, value)
        for row, value in zip(series.past_rows, series.past, strict=True)
        if near is None or row >= near[0]
    ]
    past_x, past = [r * step for r, _ in kept], [v for _, v in kept]
    y, side = finite(series.lower, series.upper, series.estimate, past), series.unit
    if (shown := cut(answer, series)) is not None:
        ends = beyond(series.lower or (), series.upper or ())
        y, side = (shown[0], shown[1]), f"{side} {ends}".strip()
    labels = None
    if series.categories:
        y = (-0.5, len(series.categories) - 0.5)
        labels = [(float(i), c) for i, c in enumerate(series.categories)]
    x = (min([*xs, *past_x], default=0.0), max([*xs, *past_x], default=1.0))
    if len(xs) == 1 and x[0] == x[1]:
        x = (x[0] - 1, x[1] + 1)
    frame = Frame(x, y)
    body = _done(frame, answer, step, series.variable)
    if series.estimate is None:
        body += _sign(frame, "no number: the data cannot answer")
    else:
        for part, colour in _runs(series):
            own = [xs[i] for i in part]
            for low, high, strength in (
                (series.lower, series.upper, 0.16),
                (series.half_lower, series.half_upper, 0.24),
            ):
                body += _band(
                    frame, own, _of(low, part), _of(high, part), strength=strength, colour=colour
                )
        body += (
            f'<path d="{path(frame, past_x, past)}" fill="none" stroke="{INK}" '
            'stroke-width="1.3" stroke-opacity=".75"/>'
        )
        mark = "" if len(xs) > 1 else _dot(frame, xs[0], series.estimate[0])
        for part, colour in _runs(series):
            way = path(frame, [xs[i] for i in part], [series.estimate[i] for i in part])
            dash = ' stroke-dasharray="5 4"' if colour == GREY else ""
            body += (
                f'<path d="{way}" fill="none" stroke="{colour}" stroke-width="2.2" '
                f'stroke-linejoin="round"{dash}/>'
            )
        body += mark
        body += _support(frame, xs, series.support)
    return frame.svg(
        body, title=series.variable, side=side, below=f"{unit} from row 0", labels=labels
    )


def _dot(frame: Frame, x: float, y: float) -> str:
    return f'<circle cx="{frame.px(x):.1f}" cy="{frame.py(y):.1f}" r="4" fill="{BLUE}"/>'


def _sign(frame: Frame, text: str) -> str:
    return (
        f'<text x="{WIDTH / 2}" y="{frame.height / 2}" font-size="14" text-anchor="middle" '
        f'style="fill:#b3362b">{esc(text)}</text>'
    )


def _band(
    frame: Frame,
    xs: Sequence[float],
    low: Sequence[float] | None,
    high: Sequence[float] | None,
    *,
    strength: float,
    colour: str = BLUE,
) -> str:
    if low is None or high is None:
        return ""
    if len(xs) == 1:
        x = frame.px(xs[0])
        return (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{frame.py(low[0]):.1f}" '
            f'y2="{frame.py(high[0]):.1f}" stroke="{colour}" stroke-width="10" '
            f'stroke-opacity="{strength}"/>'
        )
    way = f"{path(frame, xs, high)} {path(frame, xs[::-1], low[::-1], start='L')} Z"
    return f'<path d="{way}" fill="{colour}" fill-opacity="{strength}"/>'


def _of(values: Sequence[float] | None, part: Sequence[int]) -> list[float] | None:
    return None if values is None else [values[i] for i in part]


def _runs(series: Series) -> list[tuple[list[int], str]]:
    """Rows inside the data in blue and outside in grey; runs share the row where they meet."""
    count = len(series.rows)
    inside = [s >= OUTSIDE for s in series.support] or [True] * count
    runs: list[tuple[list[int], str]] = []
    for i in range(count):
        colour = BLUE if inside[i] else GREY
        if runs and runs[-1][1] == colour:
            runs[-1][0].append(i)
        else:
            before = [runs[-1][0][-1]] if runs else []
            runs.append(([*before, i], colour))
    return runs


def _done(frame: Frame, answer: Answer, step: float, variable: str) -> str:
    """Shaded times of the interventions, with their words in a tooltip."""
    from doworld.query.words import phrase

    parts = []
    top, height = frame.top, frame.height - frame.top - frame.bottom
    for each in getattr(answer.query, "interventions", ()):
        rows = each.at
        first, last = (rows[0], rows[-1] + 1) if rows else (0, 0)
        a = frame.x[0] if rows is None else max(first * step, frame.x[0])
        b = frame.x[1] if rows is None else min(last * step, frame.x[1])
        if b <= a or not (rows is None or rows):
            continue
        own = 0.14 if each.variable == variable else 0.07
        parts.append(
            f'<rect x="{frame.px(a):.1f}" y="{top}" width="{frame.px(b) - frame.px(a):.1f}" '
            f'height="{height}" fill="{ORANGE}" fill-opacity="{own}">'
            f"<title>{esc(phrase(each))}</title></rect>"
        )
    return "".join(parts)


def _support(frame: Frame, xs: Sequence[float], support: Sequence[float]) -> str:
    """A strip along the foot: nothing inside the data, red where it leaves them."""
    if not support or len(xs) < 2:
        return ""
    floor = frame.height - frame.bottom
    half = (xs[1] - xs[0]) / 2
    parts = []
    for x, s in zip(xs, support, strict=True):
        if s >= 0.95:
            continue
        a, b = frame.px(max(x - half, frame.x[0])), frame.px(min(x + half, frame.x[1]))
        parts.append(
            f'<rect x="{a:.1f}" y="{floor - 5:.1f}" width="{b - a + 0.3:.1f}" height="5" '
            f'fill="#b3362b" fill-opacity="{min(1 - s, 1):.2f}"><title>support {s:.0%}</title>'
            "</rect>"
        )
    return "".join(parts)


def actions(name: str, unit: str, values: Sequence[object], answer: Answer) -> str:
    """A plan's action over time, as steps."""
    step, clock = _clock(answer)
    levels = list(dict.fromkeys(str(v) for v in values if isinstance(v, str)))
    ys = [float(levels.index(v)) if isinstance(v, str) else float(v) for v in values]  # type: ignore[arg-type]
    xs = [k * step for i in range(len(ys)) for k in (i, i + 1)]
    labels = [(float(i), v) for i, v in enumerate(levels)] or None
    frame = Frame((0.0, max(xs, default=1.0)), finite(ys), height=HEIGHT * 0.62)
    way = path(frame, xs, [y for y in ys for _ in range(2)])
    body = f'<path d="{way}" fill="none" stroke="{ORANGE}" stroke-width="2.2"/>'
    return frame.svg(body, title=name, side=unit, below=clock, labels=labels)


MOST_LETTERS, LETTER = 30, 8.4
"""Of a variable's name beside a chart: how many are shown, and how wide one is at most."""


def errors(rows: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    """Errors by variable: the model as a full dot, baselines as rings, on one axis."""
    kinds = list(dict.fromkeys(k for _, row in rows for k in row))
    values = [v for _, row in rows for v in row.values() if np.isfinite(v)]
    high = max([*values, 1e-9])
    longest = min(max((len(name) for name, _ in rows), default=0), MOST_LETTERS)
    step, left, right, top = 30.0, max(150.0, 24.0 + LETTER * longest), 24.0, 12.0
    height = top + step * len(rows) + 30
    width = 700.0

    def px(value: float) -> float:
        return left + min(value / high, 1.0) * (width - left - right)

    parts = []
    for value in ticks(0.0, high, 6):
        x = px(value)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{height - 26}" stroke="#e9ecf2"/>'
            f'<text x="{x:.1f}" y="{height - 8}" font-size="12" text-anchor="middle" '
            f'style="fill:#5b667a">{esc(words(value))}</text>'
        )
    for i, (name, row) in enumerate(rows):
        y = top + step * (i + 0.5)
        shown = name if len(name) <= MOST_LETTERS else name[: MOST_LETTERS - 1] + "…"
        there = [px(v) for v in row.values() if np.isfinite(v)]
        if there:
            parts.append(
                f'<line x1="{min(there):.1f}" x2="{max(there):.1f}" y1="{y}" y2="{y}" '
                'stroke="#d5dae3" stroke-width="2"/>'
            )
        parts.append(
            f'<text x="{left - 14}" y="{y + 4.5}" font-size="13.5" text-anchor="end">'
            f"<title>{esc(name)}</title>{esc(shown)}</text>"
        )
        for k, kind in reversed(list(enumerate(kinds))):
            value = row.get(kind, float("nan"))
            if not np.isfinite(value):
                continue
            colour = (BLUE, ORANGE, GREY)[min(k, 2)]
            fill = colour if k == 0 else "#fff"
            parts.append(
                f'<circle cx="{px(value):.1f}" cy="{y}" r="{6 if k == 0 else 4.8}" fill="{fill}" '
                f'stroke="{colour}" stroke-width="2"><title>{esc(f"{name}, {kind}: {value:.3g}")}'
                "</title></circle>"
            )
    box = f"0 0 {width:.0f} {height:.0f}"
    inner = "".join(parts)
    return f'<svg viewBox="{box}" role="img" style="max-width:760px">{inner}</svg>'


def coverage(
    horizons: Sequence[float], lines: Mapping[str, Sequence[float]], *, level: float, title: str
) -> str:
    """Share of held-out values inside the interval, by rows ahead, one line a variable."""
    xs = [float(np.log2(h)) for h in horizons]
    values = [v for line in lines.values() for v in line if np.isfinite(v)]
    low = min([0.5, *values]) - 0.02
    frame = Frame((min(xs, default=0.0), max(xs, default=1.0) or 1.0), (low, 1.02), height=270)
    body = (
        f'<line x1="{frame.left}" x2="{WIDTH - frame.right}" y1="{frame.py(level):.1f}" '
        f'y2="{frame.py(level):.1f}" stroke="{INK}" stroke-dasharray="3 4"/>'
    )
    for i, (name, line) in enumerate(lines.items()):
        body += (
            f'<path d="{path(frame, xs, line)}" fill="none" stroke="{LINES[i % len(LINES)]}" '
            f'stroke-width="2" stroke-linejoin="round"><title>{esc(name)}</title></path>'
        )
    marks = [(v, f"{v:.0%}") for v in ticks(low, 1.0, 5)]
    feet = [(x, f"{h:g}") for x, h in zip(xs, horizons, strict=True)]
    drawn = frame.svg(body, title=title, below="rows ahead", labels=marks, feet=feet)
    keys = "".join(
        f'<span><i style="border-color:{LINES[i % len(LINES)]}"></i>{esc(n)}</span>'
        for i, n in enumerate(lines)
    )
    return f'<figure>{drawn}<div class="legend">{keys}</div></figure>'
