"""What people know before the data: required, forbidden and likely edges, tiers and groups."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

from doworld._core.errors import GraphError, UnknownNameError
from doworld.graph.chance import Chance, chances_of

__all__ = ["Pair", "Prior"]

End = str | tuple[str, ...]
Pair = tuple[str, str] | tuple[str, str, int]
Pairs = tuple[Any, ...]
"""``Pair``s; of groups only until they are spelled out, which is when a ``Prior`` is made."""
Wide = tuple[End, End] | tuple[End, End, int]


@dataclass(frozen=True)
class Prior:
    """Knowledge that discovery honours exactly, but for ``probabilities``, which are odds.

    A group is what is one thing though it has several variables: the position and the speed of a
    cart. It may stand at either end of a pair. Forbidden between groups means that no variable of
    the one acts on any of the other; required means that at least one does, whichever the data
    favour. Inside a group nothing is said.

    Attributes:
        required: edges (source, target) or (source, target, lag) that the graph must hold; without
            a lag, lag 1 is required (lag 0 in a static table).
        forbidden: edges that it must not hold; without a lag, at no lag.
        tiers: sets of variables in causal order; a variable of a later one is never a cause of one
            of an earlier one, at any lag.
        groups: variables that belong together, each tuple one group.
        probabilities: chances of edges as ``Chance`` or as a mapping from pairs, between 0 and 1
            and neither. They weigh the tests (Genovese, Roeder and Wasserman 2006) and are odds in
            the search of orders, so a wrong one costs data and no more. 0.5 says nothing.
        either: sets of edges of which the graph must hold at least one; what is required between
            groups is kept here.

    Raises ``GraphError`` where it contradicts itself.

    >>> prior = Prior(forbidden=(("room", "weather"),))
    >>> prior.allows("room", "weather", 1), prior.allows("weather", "room", 1)
    (False, True)
    >>> cart, pole = ("x", "v"), ("angle", "spin")
    >>> prior = Prior(groups=(cart, pole), forbidden=((cart, pole),))
    >>> prior.allows("v", "spin", 1), prior.allows("spin", "v", 1), prior.allows("v", "x", 1)
    (False, True, True)
    """

    required: Pairs = ()
    forbidden: Pairs = ()
    tiers: tuple[tuple[str, ...], ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    probabilities: tuple[Chance, ...] | Mapping[Wide, float] = ()
    either: tuple[tuple[Pair, ...], ...] = ()

    def __post_init__(self) -> None:
        self._spell_out()
        for pair in self.required:
            lags = [pair[2]] if len(pair) == 3 else [0, 1]
            if not any(self.allows(pair[0], pair[1], lag) for lag in lags):
                raise GraphError(
                    f"edge {pair[0]} → {pair[1]} is required and also ruled out by a forbidden "
                    "edge or a tier. Drop one of the two."
                )
        for what, sets in (("tiers", self.tiers), ("groups", self.groups)):
            placed = [n for each in sets for n in each]
            if len(set(placed)) < len(placed):
                twice = next(n for n in placed if placed.count(n) > 1)
                raise GraphError(f"{twice!r} stands in two {what}. Keep it in one.")
        for pairs in self.either:
            if not any(self.allows(p[0], p[1], p[2] if len(p) == 3 else 1) for p in pairs):
                said = ", ".join(f"{p[0]} → {p[1]}" for p in pairs[:3])
                raise GraphError(
                    f"one of {said} is required, but all of them are ruled out by forbidden edges "
                    "or tiers. Drop one of the two."
                )
        for c in self.chances:
            if not self.allows(c.source, c.target, 1 if c.lag is None else c.lag):
                raise GraphError(
                    f"edge {c.source} → {c.target} has probability {c.probability:g} and is also "
                    "ruled out. Drop one of the two."
                )
        self._check_cycle([p for p in self.required if len(p) == 3 and p[2] == 0])

    def _spell_out(self) -> None:
        """Writes pairs of groups as pairs of variables."""
        either = list(self.either)
        required: list[Pair] = []
        for pair in self.required:
            ends = tuple(self._pairs(pair))
            if isinstance(pair[0], str) and isinstance(pair[1], str):
                required += ends
            else:
                either.append(ends)
        forbidden = [p for pair in self.forbidden for p in self._pairs(pair)]
        stated = self.probabilities
        if isinstance(stated, Mapping):
            spelled = {p: v for pair, v in stated.items() for p in self._pairs(pair)}
            stated = chances_of(spelled)
        written = {
            "required": tuple(required),
            "forbidden": tuple(forbidden),
            "tiers": tuple(tuple(t) for t in self.tiers),
            "groups": tuple(tuple(g) for g in self.groups),
            "probabilities": tuple(stated),
            "either": tuple(either),
        }
        for name, value in written.items():
            object.__setattr__(self, name, value)  # the spelled-out form is the object's value

    def _pairs(self, pair: Sequence[Any]) -> Iterable[Pair]:
        ends = [(e,) if isinstance(e, str) else tuple(e) for e in pair[:2]]
        known = {tuple(sorted(g)) for g in self.groups}
        for end, given in zip(ends, pair, strict=False):
            if not isinstance(given, str) and tuple(sorted(end)) not in known:
                raise GraphError(
                    f"({', '.join(end)}) stands at the end of an edge but is not among ``groups``. "
                    "Name it there."
                )
        for a, b in product(*ends):
            yield (a, b) if len(pair) == 2 else (a, b, int(pair[2]))

    @property
    def chances(self) -> tuple[Chance, ...]:
        """``probabilities`` as they are kept: one ``Chance`` an edge."""
        stated = self.probabilities
        return chances_of(stated) if isinstance(stated, Mapping) else stated  # type: ignore[arg-type]

    def check(self, names: tuple[str, ...], *, static: bool = False) -> None:
        """Raises ``UnknownNameError`` for a name that is not among ``names``.

        In a static table, also ``GraphError`` where required edges form a cycle.
        """
        pairs = [*self.required, *self.forbidden, *(p for each in self.either for p in each)]
        stated = [n for pair in pairs for n in pair[:2]]
        stated += [n for c in self.chances for n in (c.source, c.target)]
        for name in (*stated, *(n for each in (*self.tiers, *self.groups) for n in each)):
            if name not in names:
                raise UnknownNameError("variable", name, names)
        if static:
            self._check_cycle([p for p in self.required if len(p) == 2 or p[2] == 0])

    def _check_cycle(self, pairs: Sequence[Pair]) -> None:
        """Raises ``GraphError`` where edges within a row lead back to where they began."""
        after: dict[str, list[str]] = {}
        for pair in pairs:
            after.setdefault(pair[0], []).append(pair[1])
        for start in after:
            paths = [[start]]
            seen = {start}
            while paths:
                path = paths.pop()
                for name in after.get(path[-1], ()):
                    if name == start:
                        raise GraphError(
                            f"the required edges {' → '.join([*path, start])} form a cycle within "
                            "a row. Drop one of them, or give it a lag."
                        )
                    if name not in seen:
                        seen.add(name)
                        paths.append([*path, name])

    @cached_property
    def _barred(self) -> frozenset[tuple]:
        return frozenset(self.forbidden)

    @cached_property
    def _tier(self) -> dict[str, int]:
        return {n: i for i, each in enumerate(self.tiers) for n in each}

    def allows(self, source: str, target: str, lag: int) -> bool:
        """Whether an edge from ``source`` at ``lag`` to ``target`` is not ruled out."""
        if not self.forbidden and not self.tiers:
            return True
        if (source, target) in self._barred or (source, target, lag) in self._barred:
            return False
        tier = self._tier
        return not (source in tier and target in tier and tier[source] > tier[target])

    def requires(self, source: str, target: str, lag: int, *, static: bool = False) -> bool:
        """Whether an edge from ``source`` at ``lag`` to ``target`` must be in the graph."""
        if not self.required:
            return False
        default = 0 if static else 1
        return any(
            pair[:2] == (source, target) and lag == (pair[2] if len(pair) == 3 else default)
            for pair in self.required
        )

    def odds(self, source: str, target: str, lag: int) -> float:
        """The prior odds p/(1 − p) of an edge; 1 where nothing is said.

        A chance with a lag speaks of that lag alone and outweighs one without.
        """
        return self._odds.get((source, target, lag), self._odds.get((source, target, None), 1.0))

    @cached_property
    def _odds(self) -> dict[tuple[str, str, int | None], float]:
        return {(c.source, c.target, c.lag): c.odds for c in self.chances}

    def with_required(self, pairs: Iterable[Pair]) -> "Prior":
        """The same with more edges required."""
        return replace(self, required=(*self.required, *pairs))

    def to_dict(self) -> dict:
        """Plain data for JSON or YAML."""
        return {
            "required": [list(p) for p in self.required],
            "forbidden": [list(p) for p in self.forbidden],
            "tiers": [list(t) for t in self.tiers],
            "groups": [list(g) for g in self.groups],
            "probabilities": [c.to_dict() for c in self.chances],
            "either": [[list(p) for p in pairs] for pairs in self.either],
        }

    @classmethod
    def from_dict(cls, data: Any) -> "Prior":
        """The inverse of ``to_dict``, for what people write too: every field may be absent.

        Pairs are lists [source, target] or [source, target, lag], a group at an end is a list of
        its names, probabilities are lists of {source, target, probability, lag}. Raises
        ``GraphError`` for anything else.

        >>> Prior.from_dict({"required": [["push", "speed"]]}).required
        (('push', 'speed'),)
        """
        known = ("required", "forbidden", "tiers", "groups", "probabilities", "either")
        unknown = sorted(set(data) - set(known)) if isinstance(data, Mapping) else ["a list"]
        if unknown:
            raise GraphError(
                f"prior knowledge has no part {unknown[0]!r}. Its parts are {', '.join(known)}."
            )
        try:
            own = {k: tuple(map(_frozen, data.get(k) or ())) for k in known}
            sides = (*own["required"], *own["forbidden"], *(p for e in own["either"] for p in e))
            if not all(isinstance(p, tuple) and len(p) in (2, 3) for p in sides):
                raise TypeError("an edge is no pair")
            spelled: dict[Wide, float] = {}
            for c in data.get("probabilities") or ():
                ends = _frozen(c["source"]), _frozen(c["target"])
                lag = c.get("lag")
                spelled[ends if lag is None else (*ends, int(lag))] = float(c["probability"])
            return cls(
                required=own["required"],
                forbidden=own["forbidden"],
                tiers=own["tiers"],
                groups=own["groups"],
                probabilities=spelled,
                either=own["either"],
            )
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise GraphError(
                f"prior knowledge is not as it should be written ({error!r}). Write pairs as "
                "[cause, effect] or [cause, effect, lag], probabilities as {source: …, target: …, "
                "probability: …}."
            ) from None


def _frozen(value: Any) -> Any:
    """Lists as tuples, all the way down."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
