"""Counterfactual laws from observed ones: events in several worlds at once."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from doworld._core.errors import QueryError, UnknownNameError
from doworld.graph import MixedGraph
from doworld.identify.effects import effect_or_hedge, unidentified, words
from doworld.identify.estimand import Constant, Expression, at, label, product, quotient, total
from doworld.identify.law import ObservedLaw
from doworld.identify.verdict import Cause, Estimand, Hedge, Identified, NotIdentified, Way

__all__ = ["Event", "Potential", "counterfactual_of"]

Node = Hashable
Symbol = Hashable


@dataclass(frozen=True)
class Potential:
    """What ``node`` would be, had the nodes of ``under`` the values beside them.

    A value is a symbol, or a ``Potential``: what another node would be in a world of its own.

    >>> str(Potential("y", (("x", "x*"), ("m", Potential("m", (("x", "x"),))))))
    'y_{x*, m_{x}}'
    """

    node: Node
    under: tuple[tuple[Node, "Symbol | Potential"], ...] = ()

    def __str__(self) -> str:
        inside = ", ".join(str(v) if isinstance(v, Potential) else label(v) for _, v in self.under)
        return f"{label(self.node)}_{{{inside}}}" if inside else label(self.node)


@dataclass(frozen=True)
class Event:
    """``potential`` has the value ``value``; different symbols are different values."""

    potential: Potential
    value: Symbol

    def __str__(self) -> str:
        return f"{self.potential} = {label(self.value)}"


def counterfactual_of(
    graph: MixedGraph, events: Iterable[Event], given: Iterable[Event] = ()
) -> Identified | NotIdentified:
    r"""P(events | given), events of several worlds, from the law of the observed nodes.

    Decides as ID* and IDC* do (Shpitser & Pearl 2008), by the shorter way of Correa, Lee &
    Bareinboim (2021): nested values become sums; the ancestors of all events, each in the smallest
    world that moves it, factor by districts; a factor whose nodes all can live in one world is an
    effect, which ID gives, and one whose nodes cannot is in no data. Given events drop all
    factors that no hidden cause or ancestor ties to ``events``.

    Symbols stand for values: a node as its own symbol, or anything else hashable, and two symbols
    of one node for different values. Raises ``UnknownNameError`` and ``QueryError``.

    >>> confounded = MixedGraph.of("z -> x -> y", "z -> y")
    >>> treated = counterfactual_of(
    ...     confounded, [Event(Potential("y", (("x", "x*"),)), "y")], [Event(Potential("x"), "x")]
    ... )
    >>> str(treated.estimand)
    '[Σ_z P(z, x) P(y | z, x*)] / P(x)'
    """
    problem, events = _Problem(graph), tuple(events)
    if not events:
        raise QueryError("no event is asked about. Name at least one.")
    asked, seen = problem.unified(problem.plain(events), problem.plain(given))
    if problem.impossible or not asked:
        certain = Constant(0.0 if problem.impossible else 1.0)
        return Identified(Estimand(certain, Way.COUNTERFACTUAL), ("A value is what it is set to.",))
    steps = problem.steps
    free = {e.value for e in (*asked, *seen)} | {v for e in (*asked, *seen) for _, v in e.world}
    other = problem.apart(asked, seen)
    found = problem.factored(asked, seen)
    if isinstance(found, NotIdentified):
        return found
    formula = problem.summed(found, asked, seen)
    if other is not None and not problem.impossible:
        alone, *rest = other
        below = alone.factored(*rest)
        if isinstance(below, NotIdentified):
            return below
        formula = quotient(problem.whole(found), alone.whole(below))
    arbitrary = tuple(sorted(formula.free - free, key=str))
    return Identified(Estimand(formula, Way.COUNTERFACTUAL, arbitrary=arbitrary), tuple(steps))


@dataclass(frozen=True)
class _Plain:
    """An event without nested values: node in ``world`` has ``value``."""

    node: Node
    world: tuple[tuple[Node, Symbol], ...]
    value: Symbol

    @property
    def key(self) -> tuple:
        return (self.node, self.world)

    def renamed(self, old: Symbol, new: Symbol) -> "_Plain":
        world = tuple((n, new if v == old else v) for n, v in self.world)
        return _Plain(self.node, world, new if self.value == old else self.value)


@dataclass(frozen=True)
class _Entry:
    """One node of a factor: its value, given the values of its parents in its world."""

    node: Node
    causes: tuple[tuple[Node, Symbol], ...]
    value: Symbol


@dataclass
class _Problem:
    graph: MixedGraph
    steps: list[str] = field(default_factory=list)
    fresh: list[Symbol] = field(default_factory=list)
    used: set[Symbol] = field(default_factory=set)
    same: list[tuple[Symbol, Symbol]] = field(default_factory=list)
    impossible: bool = False

    def plain(self, events: Iterable[Event]) -> list[_Plain]:
        """Events in smallest worlds, nested values replaced by symbols that are summed over."""
        out: list[_Plain] = []
        waiting = list(events)
        self.used |= {e.value for e in waiting} | {
            v for e in waiting for _, v in e.potential.under if not isinstance(v, Potential)
        }
        while waiting:
            event = waiting.pop(0)
            settings: dict[Node, Symbol] = {}
            for node, value in event.potential.under:
                if node not in self.graph.position:
                    raise UnknownNameError("node", node, map(str, self.graph.nodes))
                settings[node] = self.settled(node, value, waiting)
            node = event.potential.node
            if node not in self.graph.position:
                raise UnknownNameError("node", node, map(str, self.graph.nodes))
            if node in settings:
                self.same.append((settings[node], event.value))
                continue
            out.append(_Plain(node, self.smallest(node, settings), event.value))
        return out

    def unified(
        self, asked: Sequence[_Plain], seen: Sequence[_Plain]
    ) -> tuple[list[_Plain], list[_Plain]]:
        """The events with one symbol for what is one value: nested ones may be of one potential."""
        known: dict[tuple, Symbol] = {}
        for event in (*asked, *seen):
            value = known.setdefault(event.key, event.value)
            if value != event.value:
                self.same.append((value, event.value))
        if not self.same:
            return list(asked), list(seen)
        one, other = self.same.pop()
        if one in self.fresh:
            one, other = other, one
        if one != other and other not in self.fresh:
            self.impossible = True
            return list(asked), list(seen)
        if one != other:
            self.fresh.remove(other)
        alike = {other: one}
        self.same = [(alike.get(a, a), alike.get(b, b)) for a, b in self.same]
        asked, seen = ([e.renamed(other, one) for e in part] for part in (asked, seen))
        return self.unified(asked, seen)

    def apart(
        self, asked: Sequence[_Plain], seen: Sequence[_Plain]
    ) -> "tuple[_Problem, list[_Plain], list[_Plain]] | None":
        """The problem of what is given alone, with the asked values summed by symbols of their own.

        None where the asked values stand nowhere else, so that one sum over them does it.
        """
        values = [e.value for e in asked if e.value not in self.fresh]
        elsewhere = {v for e in (*asked, *seen) for _, v in e.world} | {e.value for e in seen}
        if not seen or (elsewhere.isdisjoint(values) and len(set(values)) == len(values)):
            return None
        other = _Problem(self.graph, fresh=list(self.fresh), used=set(self.used))
        free = []
        for event in asked:
            symbol = event.value
            if symbol not in self.fresh:
                symbol = other.symbol(event.node)
                other.fresh.append(symbol)
            free.append(replace(event, value=symbol))
        return other, *other.unified(free, seen)

    def settled(self, node: Node, value: "Symbol | Potential", waiting: list[Event]) -> Symbol:
        """The symbol of a value; a nested one becomes an event of its own, to be summed over."""
        if not isinstance(value, Potential):
            return value
        symbol = self.symbol(value.node)
        self.fresh.append(symbol)
        waiting.append(Event(value, symbol))
        self.steps.append(f"{label(node)} is set to {value}: sum over its value {label(symbol)}.")
        return symbol

    def symbol(self, node: Node) -> Symbol:
        """A symbol for a value of ``node`` that nobody uses yet."""
        symbol: Symbol = node
        while symbol in self.used:
            symbol = f"{label(node)}'" if symbol == node else f"{symbol}'"
        self.used.add(symbol)
        return symbol

    def smallest(
        self, node: Node, settings: Mapping[Node, Symbol]
    ) -> tuple[tuple[Node, Symbol], ...]:
        """The settings that can move a node (exclusion)."""
        above = self.graph.cut(into=settings).ancestors([node])
        return tuple((n, settings[n]) for n in self.graph.sorted(settings) if n in above)

    def ancestors(self, event: _Plain, cut: Iterable[Node] = ()) -> list[tuple]:
        """(node, smallest world) of every node that moves the event in its own world."""
        world = dict(event.world)
        above = self.graph.cut(out_of={*world, *cut}).ancestors([event.node])
        return [(n, self.smallest(n, world)) for n in self.graph.sorted(above)]

    def factored(
        self, asked: Sequence[_Plain], seen: Sequence[_Plain]
    ) -> list[tuple[frozenset, Expression, frozenset]] | NotIdentified:
        """(keys, law, symbols) of each factor that the asked events need."""
        events = [*asked, *seen]
        values: dict[tuple, Symbol] = {}
        for event in events:
            if values.setdefault(event.key, event.value) != event.value:
                self.impossible = True
        keys = list(dict.fromkeys(k for e in events for k in self.ancestors(e)))
        order = {n: i for i, n in enumerate(self.graph.order())}
        keys.sort(key=lambda k: order[k[0]])
        for key in keys:
            if key not in values:
                values[key] = self.symbol(key[0])
                self.fresh.append(values[key])
        entries = self.entries(keys, values)
        needed = self.needed(asked, seen)
        chosen = list(dict.fromkeys(entries[k] for k in keys if k in needed))
        return self.districts(chosen)

    def entries(self, keys: Sequence[tuple], values: dict[tuple, Symbol]) -> dict[tuple, _Entry]:
        """Each node with its parents' values; equal ones must be equal (consistency)."""
        out: dict[tuple, _Entry] = {}
        found: dict[tuple, Symbol] = {}
        for key in keys:
            node, world = key[0], dict(key[1])
            causes = []
            for parent in self.graph.sorted(self.graph.parents[node]):
                value = world.get(parent)
                if value is None:
                    value = values[parent, self.smallest(parent, world)]
                causes.append((parent, value))
            same = (node, tuple(causes))
            value = values[key]
            if same in found and found[same] != value:
                kept = found[same]
                if value in self.fresh:
                    old, new = value, kept
                elif kept in self.fresh:
                    old, new = kept, value
                else:
                    self.impossible = True
                    old = new = value
                values.update({k: new for k, v in values.items() if v == old})
                found = {k: new if v == old else v for k, v in found.items()}
                if old != new:
                    self.fresh.remove(old)
                    self.steps.append(f"{label(node)} is the same in both worlds.")
                value = new
            found[same] = value
            out[key] = _Entry(node, tuple(causes), value)
        return {
            k: _Entry(e.node, e.causes, found[e.node, e.causes])
            if (e.node, e.causes) in found
            else e
            for k, e in out.items()
        }

    def needed(self, asked: Sequence[_Plain], seen: Sequence[_Plain]) -> frozenset[tuple]:
        """The ancestors tied to what is asked, with what is given cut off (Correa et al. 2021)."""
        given = {e.key: e.node for e in seen}
        groups: list[tuple[set[tuple], bool]] = []
        for number, event in enumerate((*asked, *seen)):
            above = self.ancestors(event)
            cut = {given[k] for k in above if k in given and k != event.key}
            own = set(self.ancestors(event, cut))
            is_asked = number < len(asked)
            for other in [g for g in groups if self.tied(g[0], own)]:
                groups.remove(other)
                own |= other[0]
                is_asked |= other[1]
            groups.append((own, is_asked))
        return frozenset[tuple]().union(*(g for g, wanted in groups if wanted))

    def tied(self, one: set[tuple], other: set[tuple]) -> bool:
        """Whether two sets share a node of one world or an unobserved cause."""
        first, last = {k[0] for k in one}, {k[0] for k in other}
        linked = last.union(*(self.graph.spouses[n] for n in last))
        return bool(one & other) or bool(first & linked)

    def districts(
        self, entries: Sequence[_Entry]
    ) -> list[tuple[frozenset, Expression, frozenset]] | NotIdentified:
        """The law of each district of the nodes at hand."""
        graph = self.graph
        everything = frozenset(graph.nodes)
        out = []
        for district in graph.subgraph({e.node for e in entries}).districts():
            own = [e for e in entries if e.node in district]
            clash = _conflict(own)
            if clash is not None:
                return self.conflicting(district, clash)
            settings = {n: v for e in own for n, v in e.causes} | {e.node: e.value for e in own}
            inside = ", ".join(label(e.value) for e in own)
            self.steps.append(f"Factor of {words(graph, district)} ({inside}): one world.")
            law = effect_or_hedge(
                graph, everything - district, district, ObservedLaw(graph), self.steps
            )
            if isinstance(law, Hedge):
                return unidentified(graph, everything - district, district, law, tuple(self.steps))
            out.append((frozenset(district), at(settings, law), frozenset(settings.values())))
        return out

    def conflicting(self, district: frozenset[Node], node: Node) -> NotIdentified:
        names = words(self.graph, district)
        return NotIdentified(
            f"{label(node)} would have two values at once for {names}: no row of any log, nor of "
            "any experiment, shows both worlds of one unit.",
            "Ask for bounds, or assume a functional form (no interaction, monotonicity).",
            Cause.WORLDS,
            steps=tuple(self.steps),
        )

    def summed(
        self,
        factors: Sequence[tuple[frozenset, Expression, frozenset]],
        asked: Sequence[_Plain],
        seen: Sequence[_Plain],
    ) -> Expression:
        if self.impossible:
            return Constant(0.0)
        joint = product(f for _, f, _ in factors)
        over = [s for s in self.fresh if s in joint.free]
        top = self.whole(factors)
        if not seen:
            return top
        values = [e.value for e in asked if e.value in joint.free and e.value not in over]
        return quotient(top, total([*dict.fromkeys(values), *over], joint))

    def whole(self, factors: Sequence[tuple[frozenset, Expression, frozenset]]) -> Expression:
        """The product of the factors, summed over what nobody asked about."""
        joint = product(f for _, f, _ in factors)
        return total([s for s in self.fresh if s in joint.free], joint)


def _conflict(entries: Sequence[_Entry]) -> Node | None:
    """A node that would need two values in one world."""
    known: dict[Node, Symbol] = {}
    for entry in entries:
        for node, value in (*entry.causes, (entry.node, entry.value)):
            if known.setdefault(node, value) != value:
                return node
    seen: set[Node] = set()
    for entry in entries:
        if entry.node in seen:
            return entry.node
        seen.add(entry.node)
    return None
