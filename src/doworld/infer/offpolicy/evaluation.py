"""Every estimator and bound of a policy's value, and which of them the log lets stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from doworld.data import Trajectories
from doworld.discover.latent.suspicion import Suspicion, suspicions
from doworld.infer.offpolicy.problem import Problem
from doworld.infer.offpolicy.sensitivity import (
    assumption_free,
    hidden_groups,
    revealed,
    sharpest,
    table_ends,
    weight_ends,
)
from doworld.infer.offpolicy.tables import Table, leaving_by_table, mean_of
from doworld.infer.offpolicy.weighing import NAMES, Weighing, critic_of, weighing_of
from doworld.query import PolicyValue, Status
from doworld.query.policy_value_details import Reading

__all__ = ["HIDDEN", "NOTHING", "TABLE", "Chosen", "Evaluation"]

DRAWS, TABLE_DRAWS = 500, 16
"""Bootstrap draws of the weighing estimators, and of tables, whose spread alone is taken."""

FEWEST = 50.0
"""Episodes that the weighed ones must count as, for their spread to be believed."""

WIDEST = 0.02
"""Share of the policy's episodes that may leave what the log holds, beside an estimate."""

TABLE, HIDDEN, NOTHING = "by table (Markov)", "sensitivity bound", "bound without assumptions"


class Chosen(NamedTuple):
    """The reading that an answer gives, and why none that says more."""

    reading: Reading
    status: Status
    reasons: tuple[str, ...] = ()


@dataclass(eq=False)
class Evaluation:
    """A question about a policy's value, worked out.

    Attributes:
        distrust: what was suspected of the logged actions beforehand; None has it tested.
        draws: how often each episode counts, (draws, episodes); the first row is the log itself.
        suspicion: whether the logged policy saw something hidden.
        memory: whether something hidden lasts.
        measured: what the log's past reveals of it, as a ratio; None where that was not measured.
        strength: Λ of the sensitivity bound.
        leaving: share of the policy's episodes that ever take an action never logged there.
    """

    log: Trajectories
    query: PolicyValue
    problem: Problem
    seed: int
    distrust: Suspicion | None = None
    draws: Float[np.ndarray, "draws episodes"] = field(init=False)
    weighing: Weighing = field(init=False)
    suspicion: Suspicion = field(init=False)
    memory: Suspicion = field(init=False)
    measured: float | None = field(init=False)
    strength: float = field(init=False)
    leaving: float = field(init=False)

    def __post_init__(self) -> None:
        count = self.problem.steps.episodes
        rng = np.random.default_rng(self.seed)
        draws = rng.multinomial(count, np.full(count, 1 / count), DRAWS)
        self.draws = np.concatenate([np.ones((1, count)), draws]).astype(float)
        self.weighing = weighing_of(self.problem, critic_of(self.problem))
        policy, self.memory = suspicions(self.log)
        self.suspicion = self.distrust or policy
        if self.query.strength == 1:
            told = "Nothing hidden is assumed to have moved the actions: strength = 1 was asked."
            self.suspicion = Suspicion(False, False, reason=told)
        asked = self.query.strength
        self.measured = self._measured() if asked is None else None
        self.strength = sharpest(self.measured) if asked is None else asked
        # weights of few episodes say little of where the policy goes; a table needs none
        weighed = self.effective >= FEWEST or not self.tabled
        self.leaving = (
            1 - float(self.weighing.staying(self.draws[:1])[0, -1])
            if weighed
            else leaving_by_table(self.problem)
        )

    @property
    def effective(self) -> float:
        """As how many episodes the weighed ones count."""
        return float(self.weighing.effective()[-1])

    @property
    def tabled(self) -> bool:
        """States have codes, and there is more than one step."""
        return self.problem.state is not None and self.problem.horizon > 1

    @property
    def hidden_asked(self) -> bool:
        """The question itself allows for a hidden cause."""
        return self.query.strength is not None and self.query.strength > 1

    def hidden(self) -> tuple[str, ...]:
        """The states that something hidden moves."""
        return tuple(dict.fromkeys((*self.suspicion.states, *self.memory.states)))

    def _measured(self) -> float | None:
        groups = hidden_groups(self.problem, self.hidden())
        if self.problem.state is None or groups is None or self.log.schema.static:
            return None
        return revealed(self.problem, *groups)

    def interval(self, values: Float[np.ndarray, " draws"]) -> tuple[float, float]:
        """Percentiles of the bootstrap; the first draw is the log itself."""
        tail = (1 - self.query.level) / 2
        low, high = np.quantile(values[1:], [tail, 1 - tail])
        return float(min(low, values[0])), float(max(high, values[0]))

    def readings(self) -> list[Reading]:
        """Every estimator and bound."""
        found = self.weighing.estimates(self.draws)
        holds = self.effective >= FEWEST and not self.suspicion.suspected
        out = []
        names = list(NAMES)
        if self.problem.horizon == 1:
            names = ["ips", "snips", "dr"]
        least, most = self.problem.returns
        for name in names:
            guess = self.weighing.guess if name in ("dr", "wdr") else None
            low, high = self._opened(*self.interval(found[name]), guess)
            out.append(
                Reading(
                    name=NAMES[name],
                    estimate=float(np.clip(found[name][0], least, most)),
                    lower=low,
                    upper=high,
                    holds=holds,
                )
            )
        out += self._tables()
        ends = assumption_free(self.problem, self.draws)
        free = Reading(
            name=NOTHING,
            lower=self.interval(ends[0])[0],
            upper=self.interval(ends[1])[1],
            bound=True,
        )
        return [*out, free]

    def _opened(self, low: float, high: float, guess: float | None = None) -> tuple[float, float]:
        """Ends with the episodes that leave what the log holds worth anything, not ``guess``."""
        least, most = self.problem.returns
        below, above = (most, least) if guess is None else np.clip([guess, guess], least, most)
        low, high = low - self.leaving * (below - least), high + self.leaving * (most - above)
        return float(np.clip(low, least, most)), float(np.clip(high, least, most))

    def _tables(self) -> list[Reading]:
        """Fitted Q-evaluation and the sensitivity bound."""
        if not self.tabled:
            ends = weight_ends(self.weighing, self.strength, self.draws)
            low, high = self.interval(ends[:, 0])[0], self.interval(ends[:, 1])[1]
            low, high = self._opened(low, high)
            return [Reading(name=HIDDEN, lower=low, upper=high, bound=True)]
        weights = self.draws[: TABLE_DRAWS + 1][:, self.problem.steps.episode]
        plain = table_ends(self.problem, None, 1.0, weights)
        table = Table(self.problem, np.ones(len(self.problem.steps)))
        middle = float(np.mean(plain[0]))
        seen = table.value(
            mean_of(table),
            float(np.bincount(self.problem.steps.episode, self.problem.reward).mean()),
        )
        groups = hidden_groups(self.problem, self.hidden())
        every = None if groups is None else groups[1]
        bent = table_ends(self.problem, every, self.strength, weights)
        low, high = self._around(plain)
        fitted = Reading(
            name=TABLE,
            estimate=seen if low <= seen <= high else middle,
            lower=low,
            upper=high,
            holds=not self.memory.suspected and not self.suspicion.suspected,
        )
        low, high = self._around(bent)
        return [fitted, Reading(name=HIDDEN, lower=low, upper=high, bound=True)]

    def _around(self, ends: Float[np.ndarray, "draws 2"]) -> tuple[float, float]:
        """The ends of the log itself, moved out by their spread over the bootstrap."""
        from scipy.stats import norm

        z = float(norm.ppf(0.5 + self.query.level / 2))
        low, high = ends[0] + np.array([-z, z]) * ends[1:].std(0)
        least, most = self.problem.returns
        return float(max(low, least)), float(min(high, most))

    def chosen(self, readings: Sequence[Reading]) -> Chosen:
        """The reading that holds; a bound wherever a hidden cause could move what it rests on."""
        by_name = {r.name: r for r in readings}
        bound = self._bound(by_name)
        if self.suspicion.suspected:
            return Chosen(bound, Status.BOUNDED, (self.suspicion.reason,))
        left = self._left()
        if self.hidden_asked:
            told = f"A hidden cause is allowed for, as asked: strength = {self.strength:g}."
            return Chosen(bound, Status.BOUNDED, (told, *left))
        status = Status.BOUNDED if left else Status.IDENTIFIED
        if self.effective >= FEWEST:
            # weights hold whatever lasts unseen, a table does not
            return Chosen(by_name[self._doubly], status, left)
        if self.tabled and not self.memory.suspected:
            return Chosen(by_name[TABLE], status, (*left, self._few()))
        lasting = (self.memory.reason,) if self.memory.suspected else ()
        return Chosen(bound, Status.BOUNDED, (*left, self._few(), *lasting))

    @property
    def _doubly(self) -> str:
        return NAMES["dr" if self.problem.horizon == 1 else "wdr"]

    def _left(self) -> tuple[str, ...]:
        if self.leaving <= WIDEST:
            return ()
        least, most = self.problem.returns
        episodes = "decisions" if self.problem.horizon == 1 else "episodes"
        return (
            f"In {self.leaving:.1%} of its {episodes} the policy takes an action that was never "
            f"logged there: they are worth anything between {least:g} and {most:g}.",
        )

    def _few(self) -> str:
        return (
            f"The policy acts so unlike the log that its {self.problem.steps.episodes:,} episodes "
            f"count as {self.effective:.0f}: weighing them tells nothing."
        )

    def _bound(self, by_name: Mapping[str, Reading]) -> Reading:
        """The sensitivity bound; none of it is left where it weighs episodes that do not count."""
        told = self.tabled or self.effective >= FEWEST
        return by_name[HIDDEN if told else NOTHING]

    def middle(self, readings: Sequence[Reading]) -> float:
        """The estimate to show inside a bound: weighed where enough is left, else by table."""
        by_name = {r.name: r for r in readings}
        own = by_name[self._doubly]
        if self.effective < FEWEST:
            own = by_name.get(TABLE, own)
        bound = self._bound(by_name)
        assert own.estimate is not None
        assert bound.lower is not None
        assert bound.upper is not None
        return float(np.clip(own.estimate, bound.lower, bound.upper))
