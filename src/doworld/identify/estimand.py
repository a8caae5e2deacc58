"""Estimands: expressions of probabilities, which print as text and as LaTeX."""

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

__all__ = ["At", "Constant", "Difference", "Expression", "Mean", "Probability", "Product"]
__all__ += ["Quotient", "Sum"]

Node = Hashable
"""A variable; or a symbol that stands for one of its values, such as ``"x'"``."""


def label(node: Node) -> str:
    """A node as people read it: a name, or a name with its row.

    >>> label("speed"), label(("speed", 0)), label(("speed", 2))
    ('speed', 'speed(t)', 'speed(t-2)')
    """
    match node:
        case (name, int(ago)):
            return f"{name}(t-{ago})" if ago else f"{name}(t)"
    return str(node)


@dataclass(frozen=True)
class Expression:
    """A number that depends on the values of its ``free`` nodes.

    The meaning of a node is its value: ``Probability(("y",), ("x",))`` is P(Y = y | X = x). ``Sum``
    and ``At`` give a node another value inside their body, as a quantifier does.
    """

    def __str__(self) -> str:
        from doworld.identify.printing import text

        return text(self, {n: label(n) for n in self.free})

    @property
    def latex(self) -> str:
        """The expression in LaTeX, without dollar signs."""
        from doworld.identify.printing import tex

        return tex(self, {n: label(n) for n in self.free})

    @cached_property
    def free(self) -> frozenset[Node]:
        """The nodes whose values the expression depends on."""
        return self._free()

    @abstractmethod
    def _free(self) -> frozenset[Node]: ...


@dataclass(frozen=True)
class Probability(Expression):
    r"""P(of | given), after do(``do``) where experiments are at hand, in the population ``domain``.

    >>> str(Probability(("y",), ("x", "z"))), Probability(("y",), do=("x",)).latex
    ('P(y | x, z)', 'P_{x}(y)')
    """

    of: tuple[Node, ...]
    given: tuple[Node, ...] = ()
    do: tuple[Node, ...] = ()
    domain: str = ""

    def _free(self) -> frozenset[Node]:
        return frozenset((*self.of, *self.given, *self.do))


@dataclass(frozen=True)
class Constant(Expression):
    """A number that depends on nothing."""

    value: float

    def _free(self) -> frozenset[Node]:
        return frozenset()


@dataclass(frozen=True)
class Product(Expression):
    """The product of ``factors``; 1 without any."""

    factors: tuple[Expression, ...] = ()

    def _free(self) -> frozenset[Node]:
        return frozenset[Node]().union(*(f.free for f in self.factors))


@dataclass(frozen=True)
class Sum(Expression):
    """The sum of ``body`` over all values of ``over``, an integral for numbers.

    >>> str(Sum(("z",), Product((Probability(("y",), ("x", "z")), Probability(("z",))))))
    'Σ_z P(y | x, z) P(z)'
    """

    over: tuple[Node, ...]
    body: Expression

    def _free(self) -> frozenset[Node]:
        return self.body.free - set(self.over)


@dataclass(frozen=True)
class Quotient(Expression):
    """``top`` over ``bottom``."""

    top: Expression
    bottom: Expression

    def _free(self) -> frozenset[Node]:
        return self.top.free | self.bottom.free


@dataclass(frozen=True)
class Difference(Expression):
    """``left`` minus ``right``."""

    left: Expression
    right: Expression

    def _free(self) -> frozenset[Node]:
        return self.left.free | self.right.free


@dataclass(frozen=True)
class Mean(Expression):
    """E = Σ_of of · body: the expectation of one node under the law that ``body`` gives of it."""

    of: Node
    body: Expression

    def _free(self) -> frozenset[Node]:
        return self.body.free - {self.of}


@dataclass(frozen=True)
class At(Expression):
    """``body`` with each node of ``values`` at the value that the symbol beside it has.

    >>> str(At((("x", "x'"),), Probability(("y",), ("x",))))
    "P(y | x')"
    """

    values: tuple[tuple[Node, Node], ...]
    body: Expression

    def _free(self) -> frozenset[Node]:
        bound = dict(self.values)
        return frozenset(bound.get(n, n) for n in self.body.free)


def at(values: Mapping[Node, Node], body: Expression) -> Expression:
    """``body`` at other values; nothing around it where they change nothing.

    >>> str(at({"x": "x*", "z": "z"}, Probability(("y",), ("x", "z"))))
    'P(y | x*, z)'
    """
    moved = tuple((n, v) for n, v in values.items() if n != v and n in body.free)
    return At(moved, body) if moved else body


def product(factors: Iterable[Expression]) -> Expression:
    """The product without ones and nested products; chains of one law are written as one.

    >>> str(product((Probability(("z",)), Probability(("y",), ("z",)))))
    'P(z, y)'
    """
    flat: list[Expression] = []
    for each in factors:
        flat += each.factors if isinstance(each, Product) else [each]
    flat = _chained(flat)
    return flat[0] if len(flat) == 1 else Product(tuple(flat))


def _chained(factors: list[Expression]) -> list[Expression]:
    """P(a | c) P(b | a, c) = P(a, b | c), as often as it applies."""
    out = list(factors)
    again = True
    while again:
        again = False
        for i, first in enumerate(out):
            for j, second in enumerate(out):
                if i == j or not isinstance(first, Probability):
                    continue
                if not isinstance(second, Probability):
                    continue
                same = (first.do, first.domain) == (second.do, second.domain)
                if same and set(second.given) == {*first.of, *first.given}:
                    both = Probability((*first.of, *second.of), first.given, first.do, first.domain)
                    out = [e for k, e in enumerate(out) if k not in (i, j)]
                    out.insert(min(i, j), both)
                    again = True
                    break
            if again:
                break
    return out


def total(over: Iterable[Node], body: Expression) -> Expression:
    """The sum, with what does not depend on it taken out and laws that sum to one dropped.

    >>> law = Product((Probability(("y",), ("x", "z")), Probability(("x",), ("z",))))
    >>> str(total(("y",), law)), str(total(("x",), Probability(("x", "y"))))
    ('P(x | z)', 'P(y)')
    """
    left = list(dict.fromkeys(over))
    factors = list(body.factors) if isinstance(body, Product) else [body]
    again = True
    while again and left:
        again = False
        for node in left:
            own = [f for f in factors if node in f.free]
            less = _without(own[0], node) if len(own) == 1 else None
            if less is not None:
                where = factors.index(own[0])
                factors[where : where + 1] = [] if less == Product() else [less]
                left.remove(node)
                again = True
                break
    if not left:
        return product(factors)
    inside = [f for f in factors if f.free & set(left)]
    outside = [f for f in factors if not f.free & set(left)]
    core = product(inside)
    inner = (*left, *core.over) if isinstance(core, Sum) else tuple(left)
    core = Sum(inner, core.body if isinstance(core, Sum) else core)
    return product([*outside, core]) if outside else core


def _without(law: Expression, node: Node) -> Expression | None:
    """A law with one of its nodes summed out, 1 where none is left; None for other expressions."""
    moved = dict(law.values) if isinstance(law, At) else {}
    inner = law.body if isinstance(law, At) else law
    if not isinstance(inner, Probability):
        return None
    here = [n for n in inner.free if moved.get(n, n) == node]
    if len(here) != 1 or here[0] not in inner.of:
        return None
    rest = tuple(n for n in inner.of if n != here[0])
    if not rest:
        return Product()
    return at(moved, Probability(rest, inner.given, inner.do, inner.domain))


def quotient(top: Expression, bottom: Expression) -> Expression:
    """The quotient, cancelled where both sides are factors of one law.

    >>> str(quotient(Probability(("x", "y"), ("z",)), Probability(("x",), ("z",))))
    'P(y | x, z)'
    """
    if bottom == Product():
        return top
    if top == bottom:
        return Product()
    if isinstance(top, Product):
        below = bottom.factors if isinstance(bottom, Product) else (bottom,)
        both = [f for f in top.factors if f in below]
        if both:
            less = product(f for f in top.factors if f not in both)
            return quotient(less, product(f for f in below if f not in both))
    if isinstance(top, Probability) and isinstance(bottom, Probability):
        same = (top.do, top.domain, set(top.given)) == (bottom.do, bottom.domain, set(bottom.given))
        if same and set(bottom.of) < set(top.of):
            rest = tuple(n for n in top.of if n not in bottom.of)
            return Probability(rest, (*bottom.of, *top.given), top.do, top.domain)
    return Quotient(top, bottom)
