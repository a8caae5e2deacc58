"""A report as one HTML file that needs no network: sections, words, tables.

Every text that comes from outside (names, units, notes) goes through ``esc``; only functions of
this package write markup.
"""

import base64
import hashlib
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

__all__ = ["Report", "Section", "callout", "esc", "facts", "grid", "paragraph", "table"]


def esc(text: object) -> str:
    """Text that cannot be read as markup, also inside attributes.

    >>> esc("<script>")
    '&lt;script&gt;'
    """
    kept = "".join(c for c in str(text) if c >= " " or c in "\n\t")
    return html.escape(kept, quote=True)


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        title: its heading, as text.
        body: markup that this package has made.
        lead: one or two sentences under the heading, as text.
    """

    title: str
    body: str
    lead: str = ""

    def html(self, number: int) -> str:
        """The section as markup with an anchor."""
        lead = f'<p class="lead">{esc(self.lead)}</p>' if self.lead else ""
        head = f"<h2>{esc(self.title)}</h2>" if self.title else ""
        return f'<section id="s{number}">{head}{lead}\n{self.body}\n</section>'


@dataclass(frozen=True)
class Report:
    """A title, an introduction and sections.

    >>> "<h1>a &amp; b</h1>" in Report("a & b").html()
    True
    """

    title: str
    intro: str = ""
    sections: tuple[Section, ...] = ()
    badge: str = ""

    def html(self) -> str:
        """The whole file; it loads nothing from anywhere."""
        style = files("doworld.session.report").joinpath("style.css").read_text("utf-8")
        links = "".join(f'<a href="#s{i}">{esc(s.title)}</a>' for i, s in enumerate(self.sections))
        nav = f"<nav>{links}</nav>" if len(self.sections) > 2 else ""
        intro = f'<p class="intro">{esc(self.intro)}</p>' if self.intro else ""
        body = "\n".join(s.html(i) for i, s in enumerate(self.sections))
        policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:{_scripts(body)}"
        return (
            "<!doctype html>\n"
            f'<html lang="en"><head><meta charset="utf-8"><title>{esc(self.title)}</title>\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            f"<style>\n{style}</style></head><body>\n"
            f'<header><div class="brand">doworld{self.badge}</div>'
            f"<h1>{esc(self.title)}</h1>{intro}{nav}</header>\n<main>\n{body}\n</main>\n"
            "<footer>Made by doworld. This file is complete: it needs no network.</footer>"
            "</body></html>\n"
        )


def _scripts(body: str) -> str:
    """What lets the page run its own scripts and no other: each is named by its hash."""
    found = re.findall(r"<script[^>]*>(.*?)</script>", body, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in found)
    names = " ".join(f"'sha256-{d}'" for d in digests)
    return f"; script-src {names}" if names else ""


def paragraph(text: str) -> str:
    """A paragraph of text."""
    return f"<p>{esc(text)}</p>"


def callout(text: str, kind: str = "note") -> str:
    """A sentence that must not be missed; ``kind`` is note, warn, good or bad."""
    return f'<p class="callout {esc(kind)}">{esc(text)}</p>'


def facts(pairs: Sequence[tuple[str, object]]) -> str:
    """A row of large numbers with their names."""
    cells = "".join(f"<div><b>{esc(v)}</b><span>{esc(k)}</span></div>" for k, v in pairs)
    return f'<div class="facts">{cells}</div>'


def grid(parts: Sequence[str]) -> str:
    """Figures side by side where there is room."""
    return f'<div class="grid">{"".join(parts)}</div>'


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    text: Sequence[int] = (0,),
    best: Sequence[int] = (),
) -> str:
    """A table; cells that are already markup come as ``Markup``.

    ``text`` are the columns that stand to the left, ``best[row]`` the cell to set in bold.
    """

    def cell(value: object, row: int, column: int, tag: str = "td") -> str:
        kind = "" if column in text else ' class="n"'
        inner = value if isinstance(value, Markup) else esc(value)
        strong = row >= 0 and row < len(best) and best[row] == column
        return f"<{tag}{kind}>{f'<b>{inner}</b>' if strong else inner}</{tag}>"

    top = "".join(cell(h, -1, i, "th") for i, h in enumerate(head))
    body = "".join(
        "<tr>" + "".join(cell(v, r, i) for i, v in enumerate(row)) + "</tr>"
        for r, row in enumerate(rows)
    )
    return (
        f'<div class="scroll"><table><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


class Markup(str):
    """A string that is markup of this package and needs no escaping."""

    __slots__ = ()
