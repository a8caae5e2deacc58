"""Estimands as plain text and as LaTeX."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import singledispatch

from doworld.identify.estimand import (
    At,
    Constant,
    Difference,
    Expression,
    Mean,
    Probability,
    Product,
    Quotient,
    Sum,
    label,
)

__all__ = ["tex", "text"]

Node = Hashable
Names = Mapping[Node, str]
"""The letters that nodes have where the expression stands."""
Show = Callable[[Expression, Names], str]


def _name(node: Node, names: Names) -> str:
    return names.get(node, label(node))


def _bound(over: Iterable[Node], names: Names) -> dict[Node, str]:
    """Letters inside a sum: primed where one already means another value around it."""
    inner, used = dict(names), set(names.values())
    for node in over:
        word = label(node)
        while word in used:
            word += "'"
        inner[node] = word
        used.add(word)
    return inner


def _list(nodes: Iterable[Node], names: Names) -> str:
    return ", ".join(_name(n, names) for n in nodes)


def _product(e: Product, names: Names, show: Show, wrap: Callable[[str], str]) -> list[str]:
    """Factors, in brackets where a sum would swallow what follows it."""
    last = e.factors[-1:] or (None,)
    return [
        wrap(show(f, names))
        if isinstance(f, Difference) or (isinstance(f, Sum | Mean) and f is not last[0])
        else show(f, names)
        for f in e.factors
    ]


def _round(words: str) -> str:
    return f"({words})"


def _body(e: Expression, names: Names, show: Show, wrap: Callable[[str], str]) -> str:
    return wrap(show(e, names)) if isinstance(e, Difference) else show(e, names)


@singledispatch
def text(e: Expression, names: Names) -> str:
    """The expression in plain text, with ``names`` for its free nodes.

    >>> text(Sum(("x",), Probability(("y", "x"))), {"x": "x", "y": "y"})
    "Σ_x' P(y, x')"
    """
    raise TypeError(f"{type(e).__name__} is no expression")


@text.register
def _(e: Probability, names: Names) -> str:
    of, given, do = (_list(part, names) for part in (e.of, e.given, e.do))
    behind = ", ".join(filter(None, (f"do({do})" if do else "", given)))
    return f"P{e.domain}({of} | {behind})" if behind else f"P{e.domain}({of})"


@text.register
def _(e: Constant, names: Names) -> str:
    return f"{e.value:g}"


@text.register
def _(e: Product, names: Names) -> str:
    return " ".join(_product(e, names, text, _round)) or "1"


@text.register
def _(e: Sum, names: Names) -> str:
    inner = _bound(e.over, names)
    return f"Σ_{','.join(inner[n] for n in e.over)} {_body(e.body, inner, text, _round)}"


@text.register
def _(e: Quotient, names: Names) -> str:
    return " / ".join(
        text(part, names) if isinstance(part, Probability) else f"[{text(part, names)}]"
        for part in (e.top, e.bottom)
    )


@text.register
def _(e: Difference, names: Names) -> str:
    return f"{text(e.left, names)} − {_body(e.right, names, text, _round)}"


@text.register
def _(e: Mean, names: Names) -> str:
    inner = _bound((e.of,), names)
    return f"Σ_{inner[e.of]} {inner[e.of]} {_body(e.body, inner, text, _round)}"


@text.register
def _(e: At, names: Names) -> str:
    return text(e.body, {**names, **{n: _name(v, names) for n, v in e.values}})


def _letter(word: str) -> str:
    escaped = word.replace("_", r"\_")
    return escaped if len(word.rstrip("'*")) < 2 else rf"\mathit{{{escaped}}}"


def _letters(nodes: Iterable[Node], names: Names) -> str:
    return ", ".join(_letter(_name(n, names)) for n in nodes)


def _tall(words: str) -> str:
    return rf"\left({words}\right)"


@singledispatch
def tex(e: Expression, names: Names) -> str:
    r"""The expression in LaTeX, with ``names`` for its free nodes.

    >>> tex(Probability(("y",), ("z",), do=("x",)), {})
    'P_{x}(y \\mid z)'
    """
    raise TypeError(f"{type(e).__name__} is no expression")


@tex.register
def _(e: Probability, names: Names) -> str:
    of, given, do = (_letters(part, names) for part in (e.of, e.given, e.do))
    low = f"_{{{do}}}" if do else ""
    high = f"^{{{e.domain}}}" if e.domain else ""
    return f"P{low}{high}({of}" + (rf" \mid {given})" if given else ")")


@tex.register
def _(e: Constant, names: Names) -> str:
    return f"{e.value:g}"


@tex.register
def _(e: Product, names: Names) -> str:
    return r" \, ".join(_product(e, names, tex, _tall)) or "1"


@tex.register
def _(e: Sum, names: Names) -> str:
    inner = _bound(e.over, names)
    return rf"\sum_{{{_letters(e.over, inner)}}} {_body(e.body, inner, tex, _tall)}"


@tex.register
def _(e: Quotient, names: Names) -> str:
    return rf"\frac{{{tex(e.top, names)}}}{{{tex(e.bottom, names)}}}"


@tex.register
def _(e: Difference, names: Names) -> str:
    return rf"{tex(e.left, names)} - {_body(e.right, names, tex, _tall)}"


@tex.register
def _(e: Mean, names: Names) -> str:
    inner = _bound((e.of,), names)
    word = _letter(inner[e.of])
    return rf"\sum_{{{word}}} {word} \, {_body(e.body, inner, tex, _tall)}"


@tex.register
def _(e: At, names: Names) -> str:
    return tex(e.body, {**names, **{n: _name(v, names) for n, v in e.values}})
