"""What people know before the data: required and forbidden edges, and tiers."""

from dataclasses import dataclass

from doworld._core.errors import GraphError, UnknownNameError

__all__ = ["Prior"]

Pair = tuple[str, str] | tuple[str, str, int]


@dataclass(frozen=True)
class Prior:
    """Knowledge that discovery honours exactly.

    Attributes:
        required: edges (source, target) or (source, target, lag) that the graph must hold; without
            a lag, lag 1 is required (lag 0 in a static table).
        forbidden: edges that it must not hold; without a lag, at no lag.
        tiers: groups in causal order; a variable of a later group is never a cause of one of an
            earlier group, at any lag.

    >>> prior = Prior(forbidden=(("room", "weather"),))
    >>> prior.allows("room", "weather", 1), prior.allows("weather", "room", 1)
    (False, True)
    """

    required: tuple[Pair, ...] = ()
    forbidden: tuple[Pair, ...] = ()
    tiers: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        for pair in self.required:
            lags = [pair[2]] if len(pair) == 3 else [0, 1]
            if not any(self.allows(pair[0], pair[1], lag) for lag in lags):
                raise GraphError(
                    f"edge {pair[0]} → {pair[1]} is required and also ruled out by a forbidden "
                    "edge or a tier. Drop one of the two."
                )
        placed = [n for tier in self.tiers for n in tier]
        if len(set(placed)) < len(placed):
            twice = next(n for n in placed if placed.count(n) > 1)
            raise GraphError(f"{twice!r} stands in two tiers. Keep it in one.")

    def check(self, names: tuple[str, ...]) -> None:
        """Raises ``UnknownNameError`` for a name that is not among ``names``."""
        pairs = [n for pair in (*self.required, *self.forbidden) for n in pair[:2]]
        for name in (*pairs, *(n for tier in self.tiers for n in tier)):
            if name not in names:
                raise UnknownNameError("variable", name, names)

    def allows(self, source: str, target: str, lag: int) -> bool:
        """Whether an edge from ``source`` at ``lag`` to ``target`` is not ruled out."""
        if not self.forbidden and not self.tiers:
            return True
        for pair in self.forbidden:
            if pair[:2] == (source, target) and (len(pair) == 2 or pair[2] == lag):
                return False
        tier = {n: i for i, group in enumerate(self.tiers) for n in group}
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
