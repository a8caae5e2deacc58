"""What is believed of causes before they are tried, and how far it is trusted."""

from collections.abc import Iterable, Mapping, Sequence

from doworld._core.errors import UnknownNameError
from doworld.graph import CausalGraph, Mark, Prior

__all__ = ["Belief", "Guess"]

Guess = Prior | CausalGraph | Mapping[str, Iterable[str]] | None
"""Effect → its believed causes, edges required and forbidden, or edges with probabilities."""


class Belief:
    """Chances that a candidate is a cause, learned along the way.

    With s the stated chance, r the share of stated causes that were right so far (counting four
    of five beforehand), m the mean number of causes so far (counting one effect of two causes
    beforehand) and a candidate, one of n, that was the cause of c effects out of d:

        p = r s + (1 − r) h,    h = (c + 2.5 min(m/n, 1/2)) / (d + 2.5);

    p = h where nothing is stated.

    >>> belief = Belief.of({"table": ["planks"]}, None)
    >>> belief.causes("table"), round(belief.chance("planks", "table", 10), 3)
    (frozenset({'planks'}), 0.84)
    """

    def __init__(
        self, stated: dict[tuple[str, str], float], effects: frozenset[str], prior: Prior | None
    ) -> None:
        self._stated, self._effects, self._prior = stated, effects, prior
        self._right, self._judged = 4.0, 5.0
        self._sets_right, self._sets_judged = 1.0, 1.0
        self._times: dict[str, tuple[float, float]] = {}
        self._causes, self._judgements = 2.0, 1.0

    @classmethod
    def of(cls, guess: Guess, names: Sequence[str] | None) -> "Belief":
        """What a guess states; raises ``UnknownNameError`` for what is not in ``names``."""
        stated: dict[tuple[str, str], float] = {}
        if isinstance(guess, Prior):
            stated = {(pair[0], pair[1]): 1.0 for pair in guess.required}
            effects = {target for _, target in stated}
        elif isinstance(guess, CausalGraph):
            directed = [e for e in (*guess.doubtful, *guess.links) if e.mark is Mark.DIRECTED]
            stated = {(e.source, e.target): e.probability for e in directed}
            effects = set(guess.names)
        else:
            wanted = guess or {}
            stated = {(cause, effect): 1.0 for effect, causes in wanted.items() for cause in causes}
            effects = set(wanted)
        named = {n for pair in stated for n in pair} | effects
        if names is not None:
            for name in sorted(named - set(names)):
                raise UnknownNameError("variable", name, names)
            if isinstance(guess, Prior):
                guess.check(tuple(names))
        return cls(stated, frozenset(effects), guess if isinstance(guess, Prior) else None)

    def causes(self, effect: str) -> frozenset[str] | None:
        """The believed causes; None where there is no belief, or beliefs have mostly failed."""
        if effect not in self._effects or self._sets_right < self._sets_judged / 4:
            return None
        return frozenset(c for (c, e), p in self._stated.items() if e == effect and p >= 0.5)

    def chance(self, candidate: str, effect: str, count: int) -> float:
        """The chance that the candidate, one of ``count``, is a cause of the effect; not 0 or 1."""
        was, seen = self._times.get(candidate, (0.0, 0.0))
        usual = min(self._causes / self._judgements / count, 0.5)
        habit = (was + 2.5 * usual) / (seen + 2.5)
        stated = self._stated.get((candidate, effect))
        if stated is None and self._prior and not self._prior.allows(candidate, effect, 1):
            stated = 0.0
        trust = self._right / self._judged
        value = habit if stated is None else trust * stated + (1 - trust) * habit
        return min(max(value, 1e-4), 0.99)

    def judge_set(self, right: bool) -> None:
        """Takes note of whether the believed causes of an effect sufficed."""
        self._sets_right += right
        self._sets_judged += 1

    def judge(self, effect: str, causes: frozenset[str], candidates: frozenset[str]) -> None:
        """Takes note of what the causes of an effect turned out to be."""
        self._causes += len(causes)
        self._judgements += 1
        for candidate in candidates:
            was, seen = self._times.get(candidate, (0.0, 0.0))
            self._times[candidate] = (was + (candidate in causes), seen + 1)
            if self._stated.get((candidate, effect), 0.0) >= 0.5:
                self._right += candidate in causes
                self._judged += 1
