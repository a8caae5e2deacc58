"""A causal diagram of discrete variables with unobserved common causes."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from doworld._core.errors import GraphError, UnknownNameError

__all__ = ["Diagram"]


@dataclass(frozen=True)
class Diagram:
    """Directed edges, and pairs of variables that share an unobserved cause.

    >>> iv = Diagram(("Z", "X", "Y"), (("Z", "X"), ("X", "Y")), (("X", "Y"),))
    >>> iv.districts(iv.names)
    (('Z',), ('X', 'Y'))
    """

    names: tuple[str, ...]
    directed: tuple[tuple[str, str], ...] = ()
    hidden: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for pair in (*self.directed, *self.hidden):
            for name in pair:
                if name not in self.names:
                    raise UnknownNameError("variable of the diagram", name, self.names)
            if pair[0] == pair[1]:
                raise GraphError(f"{pair[0]!r} has an edge to itself. Leave it out.")
        self.order()

    def order(self) -> tuple[str, ...]:
        """The variables, causes first, districts kept together where possible.

        Raises ``GraphError`` for a cycle.
        """
        left, out = list(self.names), []
        home = {n: i for i, d in enumerate(_components(self.names, self.hidden)) for n in d}
        while left:
            free = [n for n in left if not any(p in left for p in self.parents(n))]
            if not free:
                raise GraphError(f"{', '.join(left)} cause one another in a circle. Cut an edge.")
            same = [n for n in free if out and home[n] == home[out[-1]]]
            out.append((same or free)[0])
            left.remove(out[-1])
        return tuple(out)

    def parents(self, name: str) -> tuple[str, ...]:
        """The direct causes of a variable, in the diagram's order of names."""
        causes = {a for a, b in self.directed if b == name}
        return tuple(n for n in self.names if n in causes)

    def ancestors(self, names: Iterable[str]) -> tuple[str, ...]:
        """``names`` and all their causes, in the diagram's order of names."""
        found, todo = set(), list(names)
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += self.parents(name)
        return tuple(n for n in self.names if n in found)

    def descendants(self, names: Iterable[str]) -> tuple[str, ...]:
        """Everything that ``names`` act on, themselves left out unless one acts on another."""
        found: set[str] = set()
        todo = list(names)
        while todo:
            name = todo.pop()
            more = {b for a, b in self.directed if a == name} - found
            found |= more
            todo += more
        return tuple(n for n in self.names if n in found)

    def within(self, names: Iterable[str]) -> "Diagram":
        """The diagram of ``names`` alone; exact where they hold all their own ancestors."""
        kept = set(names)
        return Diagram(
            tuple(n for n in self.names if n in kept),
            tuple(e for e in self.directed if kept.issuperset(e)),
            tuple(e for e in self.hidden if kept.issuperset(e)),
        )

    def projected(self, names: Iterable[str]) -> "Diagram":
        """The diagram of ``names`` with all others unobserved (latent projection, Verma 1993).

        >>> whole = Diagram(("X", "U", "Y"), (("U", "X"), ("U", "Y"), ("X", "Y")))
        >>> whole.projected(("X", "Y")).hidden
        (('X', 'Y'),)
        """
        kept = set(names)
        directed = set(self.directed)
        hidden = {tuple(sorted(e)) for e in self.hidden}
        for gone in (n for n in self.names if n not in kept):
            causes = [a for a, b in directed if b == gone]
            effects = sorted(b for a, b in directed if a == gone)
            others = [n for e in hidden if gone in e for n in e if n != gone]
            directed = {e for e in directed if gone not in e}
            hidden = {e for e in hidden if gone not in e}
            directed |= {(a, b) for a in causes for b in effects if a != b}
            pairs = [(a, b) for a in others for b in effects] + list(combinations(effects, 2))
            hidden |= {tuple(sorted(e)) for e in pairs if e[0] != e[1]}
        order = tuple(n for n in self.names if n in kept)
        return Diagram(order, tuple(sorted(directed)), tuple(sorted(hidden)))  # type: ignore[arg-type]

    def districts(self, names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
        """The c-components of ``names``: what hidden causes hold together (Tian & Pearl 2002)."""
        kept = [n for n in self.names if n in set(names)]
        return _components(kept, [e for e in self.hidden if set(e) <= set(kept)])


def _components(names, pairs) -> tuple[tuple[str, ...], ...]:
    home = {n: n for n in names}

    def root(n: str) -> str:
        while home[n] != n:
            n = home[n]
        return n

    for a, b in pairs:
        home[root(a)] = root(b)
    groups: dict[str, list[str]] = {}
    for n in names:
        groups.setdefault(root(n), []).append(n)
    return tuple(map(tuple, groups.values()))
