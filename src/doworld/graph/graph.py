"""Causal graphs over time: edges source → target at a lag, each with its evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from doworld._core.errors import GraphError, UnknownNameError
from doworld.graph.choice import Choice, summary
from doworld.graph.conflict import Conflict
from doworld.graph.local import LocalGraph, silenced
from doworld.graph.unidentified import Unidentified

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from doworld.graph.difference import Difference
    from doworld.graph.falsification import Falsification
    from doworld.graph.falsify import Logged

__all__ = ["CausalGraph", "Edge", "Evidence", "Mark"]


class Mark(StrEnum):
    """The ends of an edge. Only ``DIRECTED`` says that source is a cause of target."""

    DIRECTED = "-->"
    UNDIRECTED = "---"
    BIDIRECTED = "<->"
    PARTIAL = "o->"
    CIRCLE = "o-o"


@dataclass(frozen=True)
class Evidence:
    """What speaks for an edge: the test, its statistic, p-value and number of rows."""

    test: str
    statistic: float
    p_value: float
    rows: int
    note: str = ""


@dataclass(frozen=True)
class Edge:
    """``source`` at row t−``lag`` acts on ``target`` at row t; lag 0 is within the same row.

    ``probability`` is the share of bootstrap samples that hold the edge (1 for required edges),
    ``effect`` the share of the target's explainable one-step variance that is lost without it,
    or a standardised coefficient where the relation is linear (``evidence.test`` says which).

    >>> str(Edge("force", "speed", lag=1))
    'force(t-1) --> speed(t)'
    """

    source: str
    target: str
    lag: int = 1
    mark: Mark = Mark.DIRECTED
    probability: float = 1.0
    effect: float = float("nan")
    evidence: Evidence | None = None

    def __str__(self) -> str:
        when = f"(t-{self.lag})" if self.lag else "(t)"
        return f"{self.source}{when} {self.mark.value} {self.target}(t)"


@dataclass(frozen=True)
class CausalGraph:
    """Edges among named variables up to ``max_lag``.

    Attributes:
        names: the variables, in the schema's order.
        links: the edges that the graph holds.
        doubtful: edges left out whose bootstrap probability is not negligible; they are what
            structure uncertainty is made of.
        max_lag: the longest lag that was looked at.
        notes: how the graph came about: settings decided from the data, and questions that the
            data forbid, in words.
        unidentified: the questions that the data forbid, as data.
        local: contexts in which fewer causes act than ``links`` holds.
        choices: the rule table as it was applied: what was seen, chosen, and why.
        conflicts: where prior knowledge and the data disagree; the edges follow the knowledge.
        roles: what each variable is (state, action, context, reward), in the order of ``names``;
            empty where nobody said.

    >>> g = CausalGraph(("a", "b"), (Edge("a", "b", lag=1),), max_lag=1)
    >>> g.parents("b")
    (('a', 1),)
    """

    names: tuple[str, ...]
    links: tuple[Edge, ...]
    doubtful: tuple[Edge, ...] = ()
    max_lag: int = 1
    notes: tuple[str, ...] = field(default=())
    unidentified: tuple[Unidentified, ...] = ()
    local: tuple[LocalGraph, ...] = ()
    choices: tuple[Choice, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    roles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for edge in (*self.links, *self.doubtful):
            for name in (edge.source, edge.target):
                if name not in self.names:
                    raise UnknownNameError("variable", name, self.names)
            if not 0 <= edge.lag <= max(self.max_lag, 0):
                raise GraphError(
                    f"edge {edge} has lag {edge.lag}, but the graph reaches back {self.max_lag}. "
                    f"Raise max_lag or drop the edge."
                )
            if edge.lag == 0 and edge.source == edge.target:
                raise GraphError(f"{edge.target!r} cannot cause itself within one row. Use lag 1.")
        said = [n for f in self.unidentified for n in (f.variable, *f.others)]
        said += [n for c in self.conflicts for n in (c.source, c.target)]
        said += [n for c in self.local for n in (c.target, c.gate[0], *c.parents)]
        for name in said:
            if name not in self.names:
                raise UnknownNameError("variable", name, self.names)
        if self.roles and len(self.roles) != len(self.names):
            raise GraphError(
                f"{len(self.roles)} roles were given for {len(self.names)} variables. Give one "
                "for each, or none."
            )
        seen = [(e.source, e.target, e.lag) for e in self.links]
        if len(set(seen)) < len(seen):
            twice = next(k for k in seen if seen.count(k) > 1)
            raise GraphError(f"edge {twice[0]} → {twice[1]} at lag {twice[2]} is listed twice.")
        self.levels()

    def edges(self) -> tuple[Edge, ...]:
        """The edges of the graph, in order of target, source and lag."""
        return self._ordered

    @cached_property
    def _ordered(self) -> tuple[Edge, ...]:
        at = {n: i for i, n in enumerate(self.names)}
        return tuple(sorted(self.links, key=lambda e: (at[e.target], at[e.source], e.lag)))

    def parents(self, target: str) -> tuple[tuple[str, int], ...]:
        """(source, lag) of every directed edge into ``target``; raises ``UnknownNameError``."""
        if target not in self.names:
            raise UnknownNameError("variable", target, self.names)
        return self._families[0].get(target, ())

    def children(self, source: str) -> tuple[tuple[str, int], ...]:
        """(target, lag) of every directed edge out of ``source``; raises ``UnknownNameError``."""
        if source not in self.names:
            raise UnknownNameError("variable", source, self.names)
        return self._families[1].get(source, ())

    @cached_property
    def _families(self) -> tuple[dict[str, tuple[tuple[str, int], ...]], ...]:
        """(parents by target, children by source), in the order of ``edges``."""
        above: dict[str, list[tuple[str, int]]] = {}
        below: dict[str, list[tuple[str, int]]] = {}
        for e in self.edges():
            if e.mark is Mark.DIRECTED:
                above.setdefault(e.target, []).append((e.source, e.lag))
                below.setdefault(e.source, []).append((e.target, e.lag))
        return tuple({n: tuple(of) for n, of in each.items()} for each in (above, below))

    def descendants(self, source: str) -> frozenset[str]:
        """Every variable that ``source`` can act on at any later time, itself included."""
        found, frontier = {source}, [source]
        while frontier:
            for child, _ in self.children(frontier.pop()):
                if child not in found:
                    found.add(child)
                    frontier.append(child)
        return frozenset(found)

    def ancestors(self, target: str) -> frozenset[str]:
        """Every variable that can act on ``target`` from any earlier time, itself included."""
        found, frontier = {target}, [target]
        while frontier:
            for parent, _ in self.parents(frontier.pop()):
                if parent not in found:
                    found.add(parent)
                    frontier.append(parent)
        return frozenset(found)

    def levels(self) -> dict[str, int]:
        """The contemporaneous level of each variable: parents at lag 0 have a lower one.

        Raises ``GraphError`` where the directed lag-0 edges form a cycle.
        """
        same: dict[str, set[str]] = {n: set() for n in self.names}
        for edge in self.links:
            if edge.lag == 0 and edge.mark is Mark.DIRECTED:
                same[edge.target].add(edge.source)
        level: dict[str, int] = {}
        while len(level) < len(self.names):
            ready = [n for n in self.names if n not in level and same[n] <= level.keys()]
            if not ready:
                cycle = ", ".join(sorted(n for n in self.names if n not in level))
                raise GraphError(
                    f"edges at lag 0 form a cycle among {cycle}. Drop one of them or give it a lag."
                )
            for n in ready:
                level[n] = 1 + max((level[p] for p in same[n]), default=-1)
        return level

    def adjacency(self) -> Bool[np.ndarray, "sources targets lags"]:
        """``[i, j, k]``: whether i at lag k is a cause of j."""
        array = np.zeros((len(self.names), len(self.names), self.max_lag + 1), bool)
        at = {n: i for i, n in enumerate(self.names)}
        for e in self.links:
            if e.mark is Mark.DIRECTED:
                array[at[e.source], at[e.target], e.lag] = True
        return array

    def probabilities(self) -> Float[np.ndarray, "sources targets lags"]:
        """``[i, j, k]``: the probability of the edge from i at lag k to j, doubtful ones too."""
        array = np.zeros((len(self.names), len(self.names), self.max_lag + 1))
        at = {n: i for i, n in enumerate(self.names)}
        for e in (*self.doubtful, *self.links):
            array[at[e.source], at[e.target], e.lag] = e.probability
        return array

    def diff(self, other: "CausalGraph") -> "Difference":
        """What ``other`` has more, less and otherwise; see ``doworld.graph.difference``."""
        from doworld.graph.difference import difference

        return difference(self, other)

    @property
    def summary(self) -> str:
        """Two sentences: what discovery chose and why; "" for a graph that was not discovered."""
        return summary(self.choices)

    def at(self, state: Mapping[str, float]) -> "CausalGraph":
        """The edges that act now: those that no context of ``local`` silences in this state.

        ``state`` holds values by name, levels as their codes. A gate at an earlier row is read from
        the same mapping. Where a gate's value is not given, its edges stay. Raises
        ``UnknownNameError``.

        >>> links = (Edge("a", "c", 0), Edge("b", "c", 0))
        >>> local = (LocalGraph("c", ("a", 0), level=1, parents=()),)
        >>> g = CausalGraph(("a", "b", "c"), links, max_lag=0, local=local)
        >>> [[str(e) for e in g.at({"a": v}).edges()] for v in (0, 1)]
        [['a(t) --> c(t)', 'b(t) --> c(t)'], ['a(t) --> c(t)']]
        """
        for name in state:
            if name not in self.names:
                raise UnknownNameError("variable", name, self.names)
        silent = silenced(self.local, state)
        links = tuple(e for e in self.links if e.lag or not silent(e.source, e.target))
        return replace(self, links=links, local=())

    def falsify(self, log: "Logged", **how: Any) -> "Falsification":
        """Which of its independencies a log rejects; see ``doworld.graph.falsify``."""
        from doworld.graph.falsify import falsify

        return falsify(self, log, **how)

    def plot(self, *, title: str = "") -> "Figure":
        """The graph as a Plotly figure; see ``doworld.graph.figure``."""
        from doworld.graph.figure import figure

        return figure(self, title=title)

    def to_networkx(self) -> Any:
        """The graph as a ``networkx.MultiDiGraph``; see ``doworld.graph.forms`` for other forms."""
        from doworld.graph.forms import to_networkx

        return to_networkx(self)

    def to_dict(self) -> dict:
        """Plain data for JSON."""

        def row(e: Edge) -> dict:
            proof = e.evidence
            return {
                "source": e.source,
                "target": e.target,
                "lag": e.lag,
                "mark": e.mark.value,
                "probability": e.probability,
                "effect": None if np.isnan(e.effect) else e.effect,
                "evidence": None
                if proof is None
                else {
                    "test": proof.test,
                    "statistic": proof.statistic,
                    "p_value": proof.p_value,
                    "rows": proof.rows,
                    "note": proof.note,
                },
            }

        return {
            "names": list(self.names),
            "links": [row(e) for e in self.edges()],
            "doubtful": [row(e) for e in self.doubtful],
            "max_lag": self.max_lag,
            "notes": list(self.notes),
            "unidentified": [fact.to_dict() for fact in self.unidentified],
            "local": [context.to_dict() for context in self.local],
            "choices": [choice.to_dict() for choice in self.choices],
            "conflicts": [conflict.to_dict() for conflict in self.conflicts],
            "roles": list(self.roles),
        }

    @classmethod
    def from_dict(cls, data: dict) -> "CausalGraph":
        """The inverse of ``to_dict``."""

        def edge(row: dict) -> Edge:
            proof = row["evidence"]
            return Edge(
                source=row["source"],
                target=row["target"],
                lag=int(row["lag"]),
                mark=Mark(row["mark"]),
                probability=float(row["probability"]),
                effect=float("nan") if row["effect"] is None else float(row["effect"]),
                evidence=None if proof is None else Evidence(**proof),
            )

        return cls(
            names=tuple(data["names"]),
            links=tuple(edge(r) for r in data["links"]),
            doubtful=tuple(edge(r) for r in data["doubtful"]),
            max_lag=int(data["max_lag"]),
            notes=tuple(data["notes"]),
            unidentified=tuple(Unidentified.from_dict(f) for f in data.get("unidentified", ())),
            local=tuple(LocalGraph.from_dict(c) for c in data.get("local", ())),
            choices=tuple(Choice.from_dict(c) for c in data.get("choices", ())),
            conflicts=tuple(Conflict.from_dict(c) for c in data.get("conflicts", ())),
            roles=tuple(data.get("roles", ())),
        )
