"""Terms and equations as plain text and LaTeX."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from doworld.data import Schema
from doworld.mechanisms import Coding
from doworld.mechanisms.terms import Factor, Operation, Term

__all__ = ["labels", "latex_term", "mathematical", "number", "plain_term"]

SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float) -> str:
    """At four significant digits.

    >>> number(0.0150003), number(-9.81)
    ('0.015', '-9.81')
    """
    return f"{value:.4g}"


def labels(schema: Schema, coding: Coding, columns: Sequence[int], *, latex: bool) -> list[str]:
    """What each input is called: x in the row before, x′ in the same row, x(t−2) earlier."""
    variable, level = np.asarray(coding.variable), np.asarray(coding.level)
    out = []
    for column in columns:
        lag, feature = divmod(int(column), len(variable))
        of = schema.variables[int(variable[feature])]
        name = mathematical(of.name) if latex else of.name
        if lag > 1:
            name += f"(t-{lag})" if latex else f"(t−{lag})"
        elif lag == 0 and not schema.static:
            name += "'"
        code = int(level[feature])
        if code >= 0:
            label = of.label(code)
            name = f"[{name} = \\text{{{label}}}]" if latex else f"[{name} = {label}]"
        out.append(name)
    return out


def mathematical(name: str) -> str:
    r"""A variable's name in LaTeX.

    >>> mathematical("theta_dot"), mathematical("x"), mathematical("flow_rate")
    ('\\mathrm{theta\\_dot}', 'x', '\\mathrm{flow\\_rate}')
    """
    if re.fullmatch(r"[A-Za-z]", name):
        return name
    return r"\mathrm{" + re.sub(r"([_%#&$])", r"\\\1", name) + "}"


def plain_term(term: Term, names: Sequence[str]) -> str:
    """A term in plain text; empty for the constant.

    >>> sine = Factor(0, Operation.SINE)
    >>> plain_term((Factor(1, Operation.IDENTITY), sine, sine), ["theta", "gravity"])
    'gravity·sin²(theta)'
    """
    return "·".join(_powers(term, names, _plain))


def latex_term(term: Term, names: Sequence[str]) -> str:
    r"""A term in LaTeX; empty for the constant.

    >>> latex_term((Factor(0, Operation.SINE), Factor(1, Operation.RECIPROCAL)), ["a", "l"])
    '\\frac{1}{l}\\,\\sin(a)'
    """
    return r"\,".join(_powers(term, names, _latex))


def _powers(
    term: Term, names: Sequence[str], write: Callable[[Factor, str, int], str]
) -> list[str]:
    """Every distinct factor with its power: plain variables first, functions last."""
    counts = Counter(term)
    turning = (Operation.SINE, Operation.COSINE)
    order = sorted(counts, key=lambda f: (f.operation in turning, f.operation, f.reads))
    return [write(f, _read(f, names), counts[f]) for f in order]


def _read(factor: Factor, names: Sequence[str]) -> str:
    """What a factor reads; of a norm the squares of both."""
    if factor.operation is Operation.NORM:
        one, other = (names[i] for i in factor.inputs)
        return f"{one}² + {other}²"
    return names[factor.reads]


def _argument(factor: Factor, name: str, times: str) -> str:
    p = factor.parameter
    if math.isclose(p, 1.0, rel_tol=1e-6):
        return name
    return f"{number(p)}{times}{name}"


def _beyond(factor: Factor, name: str) -> str:
    p = factor.parameter
    return name if p == 0 else f"{name} {'−' if p > 0 else '+'} {number(abs(p))}"


def _plain(factor: Factor, name: str, power: int) -> str:
    exponent = str(power).translate(SUPERSCRIPT) if power > 1 else ""
    match factor.operation:
        case Operation.SINE:
            base, exponent = f"sin{exponent}({_argument(factor, name, '·')})", ""
        case Operation.COSINE:
            base, exponent = f"cos{exponent}({_argument(factor, name, '·')})", ""
        case Operation.RECIPROCAL:
            base = f"1/{name}"
        case Operation.ABOVE:
            base = f"max({_beyond(factor, name)}, 0)"
        case Operation.STEP:
            base, exponent = f"[{name} > {number(factor.parameter)}]", ""
        case Operation.ROOT:
            base = f"√{name}"
        case Operation.NORM:
            base = f"√({name})"
        case Operation.SIZE:
            base = f"|{name}|"
        case _:
            base = name
    return base + exponent


def _latex(factor: Factor, name: str, power: int) -> str:
    exponent = f"^{{{power}}}" if power > 1 else ""
    argument = _argument(factor, name, r"\,")
    match factor.operation:
        case Operation.SINE:
            base, exponent = rf"\sin{exponent}({argument})", ""
        case Operation.COSINE:
            base, exponent = rf"\cos{exponent}({argument})", ""
        case Operation.RECIPROCAL:
            base, exponent = rf"\frac{{1}}{{{name}{exponent}}}", ""
        case Operation.ABOVE:
            base = rf"\max({_beyond(factor, name).replace('−', '-')}, 0)"
        case Operation.STEP:
            base, exponent = rf"[{name} > {number(factor.parameter)}]", ""
        case Operation.ROOT | Operation.NORM:
            base = rf"\sqrt{{{name.replace('²', '^2')}}}"
        case Operation.SIZE:
            base = f"|{name}|"
        case _:
            base = name
    return base + exponent
