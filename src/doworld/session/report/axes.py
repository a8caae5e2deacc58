"""Scales, ticks and frames of small charts drawn as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from doworld.session.report.page import esc

__all__ = ["Frame", "finite", "path", "ticks", "words"]

WIDTH, HEIGHT = 480.0, 250.0


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between two ends.

    >>> ticks(0.0, 9.0)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def words(value: float) -> str:
    """A tick's text: short, with a true minus sign.

    >>> words(-0.5), words(1200000.0)
    ('−0.5', '1.2e+06')
    """
    return f"{value + 0:.6g}".replace("-", "−") if abs(value) < 1e5 else f"{value:.3g}"


def finite(*parts: Sequence[float | None] | None) -> tuple[float, float]:
    """The range of everything that is finite, with a little room; 0…1 where nothing is."""
    values = [float(v) for p in parts if p is not None for v in p if v is not None]
    values = [v for v in values if math.isfinite(v)]
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or max(abs(high) * 0.05, 0.5)
    return low - room, high + room


@dataclass(frozen=True)
class Frame:
    """Where a chart's values fall on the drawing.

    Attributes:
        x, y: the ends of both axes in values.
        left, top, right, bottom: margins in points.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    left: float = 52
    top: float = 30
    right: float = 12
    bottom: float = 36
    height: float = HEIGHT

    def px(self, value: float) -> float:
        """The horizontal place of a value."""
        low, high = self.x
        share = (value - low) / ((high - low) or 1.0)
        return self.left + share * (WIDTH - self.left - self.right)

    def py(self, value: float) -> float:
        """The vertical place of a value, kept on the drawing."""
        low, high = self.y
        share = (value - low) / ((high - low) or 1.0)
        inside = min(max(share, -0.02), 1.02)
        return self.height - self.bottom - inside * (self.height - self.top - self.bottom)

    def svg(
        self, body: str, *, title: str, side: str = "", below: str = "", labels=None, feet=None
    ) -> str:
        """The whole chart: grid, axes, title, and ``body`` in between."""
        end = WIDTH - self.right
        floor = self.height - self.bottom
        marks = labels or [(v, words(v)) for v in ticks(*self.y, 4)]
        rows = "".join(
            f'<line x1="{self.left}" x2="{end}" y1="{self.py(v):.1f}" y2="{self.py(v):.1f}" '
            f'stroke="#e9ecf2"/><text x="{self.left - 8}" y="{self.py(v) + 4:.1f}" '
            f'font-size="12" text-anchor="end" style="fill:#5b667a">{esc(t[:9])}</text>'
            for v, t in marks
        )
        under = "".join(
            f'<text x="{self.px(v):.1f}" y="{floor + 17:.1f}" font-size="12" '
            f'text-anchor="middle" style="fill:#5b667a">{esc(t)}</text>'
            for v, t in feet or [(v, words(v)) for v in ticks(*self.x, 6)]
        )
        head = (
            f'<text x="{self.left}" y="17" font-size="14.5" font-weight="650">{esc(title)}'
            f'<tspan style="fill:#5b667a;font-weight:400" dx="7">{esc(side)}</tspan></text>'
        )
        foot = (
            f'<text x="{end}" y="{self.height - 4:.1f}" font-size="12" text-anchor="end" '
            f'style="fill:#8a94a6">{esc(below)}</text>'
        )
        line = f'<line x1="{self.left}" x2="{end}" y1="{floor}" y2="{floor}" stroke="#c9d0dc"/>'
        box = f"0 0 {WIDTH:.0f} {self.height:.0f}"
        return (
            f'<svg viewBox="{box}" role="img" aria-label="{esc(title)}">'
            f"{rows}{line}{under}{head}{body}{foot}</svg>"
        )


def path(frame: Frame, xs: Sequence[float], ys: Sequence[float | None], *, start: str = "M") -> str:
    """A line through the finite points, broken where one is missing."""
    out, pen = [], start
    for x, y in zip(xs, ys, strict=True):
        if y is None or not np.isfinite(y):
            pen = "M"
            continue
        out.append(f"{pen}{frame.px(x):.1f} {frame.py(y):.1f}")
        pen = "L"
    return " ".join(out)
