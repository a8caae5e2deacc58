"""What another policy would have earned: estimators side by side, or bounds where none can hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from doworld._core.errors import QueryError
from doworld.data import Role, Trajectories
from doworld.graph import CausalGraph
from doworld.infer.offpolicy.problem import Problem, problem_of
from doworld.infer.offpolicy.refused import distrusted, refused_of
from doworld.infer.offpolicy.sensitivity import (
    assumption_free,
    hidden_groups,
    revealed,
    sharpest,
    table_ends,
    weight_ends,
)
from doworld.infer.offpolicy.tables import Table, mean_of
from doworld.infer.offpolicy.weighing import NAMES, Weighing, critic_of, weighing_of
from doworld.infer.suspicion import Suspicion, remembers, suspected
from doworld.model.world import WorldModel
from doworld.query import Answer, PolicyValue, Series, Status, Why
from doworld.query.policy import policy_words
from doworld.query.policy_value_details import PolicyValueDetails, Reading

__all__ = ["policy_value", "value_from_log"]

DRAWS, TABLE_DRAWS = 500, 16
"""Bootstrap draws of the weighing estimators, and of tables, whose spread alone is taken."""

FEWEST = 50.0
"""Episodes that the weighed ones must count as, for their spread to be believed."""

WIDEST = 0.02
"""Share of the range of returns that actions without support may leave open in an estimate."""

TABLE, HIDDEN, NOTHING = "by table (Markov)", "sensitivity bound", "bound without assumptions"


def policy_value(model: WorldModel, query: PolicyValue, *, seed: int = 0) -> Answer:
    """E[Σ_t γᵗ r_t] had ``query.policies`` chosen the actions; see ``value_from_log``.

    Raises ``QueryError`` where the model carries no log, and as ``value_from_log`` does.
    """
    if model.log is None:
        raise QueryError(
            "a policy's value is computed from logged episodes, and a saved model carries none. "
            "Ask with them: ask(model, query, log=log), or --log LOG."
        )
    return value_from_log(model.log, query, seed=seed, graph=model.graph)


def value_from_log(
    log: Trajectories, query: PolicyValue, *, seed: int = 0, graph: CausalGraph | None = None
) -> Answer:
    """The value from a log alone; what ``graph`` suspects of the logged actions is heeded.

    Weighing estimators (see ``Weighing.estimates``), fitted Q-evaluation, and three bounds are
    computed side by side. The answer gives

    * the doubly robust estimate, weighted in episodes of several steps, if nothing hidden is
      suspected and the weighed episodes count as at least 50;
    * else fitted Q-evaluation, if nothing hidden lasts from row to row: the state tells all;
    * else a bound: next levels of the states that something hidden moves may be up to Λ times as
      likely, or less likely, than logged, Λ being twice what the log's own past reveals. Status
      ``bounded``; the hidden cause is named in ``why``. So it is too where the question itself asks
      for a hidden cause, by a strength above 1.

    What the policy does where the log never did it is worth anything between the least and the
    greatest logged return. Policies over numbers are ``not_identified``.

    Raises ``UnknownNameError`` and ``QueryError`` for names, levels and policies that do not fit.
    """
    refused = refused_of(log, query)
    if refused is not None:
        return refused
    problem = problem_of(log, query.policies, query.reward, query.discount)
    return _Evaluation(log, query, problem, seed, distrusted(graph, query)).answer()


@dataclass(eq=False)
class _Evaluation:
    log: Trajectories
    query: PolicyValue
    problem: Problem
    seed: int
    distrust: Suspicion | None = None
    draws: np.ndarray = field(init=False)
    weighing: Weighing = field(init=False)
    suspicion: Suspicion = field(init=False)
    memory: Suspicion = field(init=False)
    strength: float = field(init=False)

    def __post_init__(self) -> None:
        count = self.problem.steps.episodes
        rng = np.random.default_rng(self.seed)
        draws = rng.multinomial(count, np.full(count, 1 / count), DRAWS)
        self.draws = np.concatenate([np.ones((1, count)), draws]).astype(float)
        self.weighing = weighing_of(self.problem, critic_of(self.problem))
        self.suspicion = self.distrust or suspected(self.log)
        self.memory = remembers(self.log)
        if self.query.strength == 1:
            told = "Nothing hidden is assumed to have moved the actions: strength = 1 was asked."
            self.suspicion = Suspicion(False, False, reason=told)
        self.strength = self._strength()

    @property
    def effective(self) -> float:
        """As how many episodes the weighed ones count."""
        return float(self.weighing.effective()[-1])

    @property
    def open(self) -> float:
        """Share of the policy's actions that the log never holds where it takes them."""
        before = self.weighing.before[self.problem.steps.episode, self.problem.place]
        missing = 1 - self.problem.behaviour.possible
        return float((before * missing).sum() / max(before.sum(), 1e-12))

    @property
    def asked_hidden(self) -> bool:
        """Whether the question itself allows for a hidden cause."""
        return self.query.strength is not None and self.query.strength > 1

    def _hidden(self) -> tuple[str, ...]:
        """The states that something hidden moves."""
        return tuple(dict.fromkeys((*self.suspicion.states, *self.memory.states)))

    def _strength(self) -> float:
        if self.query.strength is not None:
            return self.query.strength
        groups = hidden_groups(self.problem, self._hidden())
        if self.problem.state is None or groups is None or self.log.schema.static:
            return sharpest(1.0)
        return sharpest(revealed(self.problem, *groups))

    def _interval(self, values: Float[np.ndarray, " draws"]) -> tuple[float, float]:
        """Percentiles of the bootstrap; the first draw is the log itself."""
        tail = (1 - self.query.level) / 2
        low, high = np.quantile(values[1:], [tail, 1 - tail])
        return float(min(low, values[0])), float(max(high, values[0]))

    def readings(self) -> list[Reading]:
        """Every estimator and bound."""
        found = self.weighing.estimates(self.draws)
        enough = self.effective >= FEWEST
        holds = enough and not self.suspicion.suspected
        out = []
        names = list(NAMES)
        if self.problem.horizon == 1:
            names = ["ips", "snips", "dr"]
        for name in names:
            low, high = self._interval(found[name])
            low, high = self._opened(low, high)
            least, most = self.problem.returns
            out.append(
                Reading(
                    name=NAMES[name],
                    estimate=float(np.clip(found[name][0], least, most)),
                    lower=float(np.clip(low, least, most)),
                    upper=float(np.clip(high, least, most)),
                    holds=holds,
                )
            )
        out += self._tables()
        ends = assumption_free(self.problem, self.draws)
        free = Reading(
            name=NOTHING,
            lower=self._interval(ends[0])[0],
            upper=self._interval(ends[1])[1],
            bound=True,
        )
        return [*out, free]

    def _opened(self, low: float, high: float) -> tuple[float, float]:
        """Ends with the part of the policy that the log never shows worth anything."""
        least, most = self.problem.returns
        share = self.open
        return low - share * max(0.0, high - least), high + share * max(0.0, most - low)

    def _tables(self) -> list[Reading]:
        """Fitted Q-evaluation and the sensitivity bound."""
        if self.problem.state is None or self.problem.horizon == 1:
            ends = weight_ends(self.weighing, self.strength, self.draws)
            low, high = self._interval(ends[:, 0])[0], self._interval(ends[:, 1])[1]
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
        groups = hidden_groups(self.problem, self._hidden())
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

    def answer(self) -> Answer:
        """The reading that holds, with all others beside it."""
        readings = self.readings()
        chosen, status, reasons = self._choice(readings)
        problem, reward = self.problem, self._reward()
        count = problem.steps.episodes
        earned = problem.grid(problem.discount**problem.place * problem.reward).sum(1)
        low, high = self._interval(self.draws @ earned / count)
        logged = Reading(name="as logged", estimate=float(earned.mean()), lower=low, upper=high)
        unit = self.log.schema[reward].unit
        middle = self._middle(readings) if chosen.estimate is None else chosen.estimate
        return Answer(
            query=self.query,
            status=status,
            level=self.query.level,
            series=(
                Series(
                    variable=reward,
                    unit=unit,
                    rows=(0,),
                    estimate=(middle,),
                    lower=(chosen.lower or 0.0,),
                    upper=(chosen.upper or 0.0,),
                    support=(1 - self.open,),
                ),
            ),
            why=self._why(chosen, reasons),
            fix=self._fix(status),
            step=self.log.schema.step,
            time_unit=self.log.schema.time_unit,
            details=PolicyValueDetails(
                headline=chosen.name,
                readings=tuple(readings),
                logged=logged,
                episodes=count,
                effective=self.effective,
                unsupported=min(1.0, max(0.0, self.open)),
                suspicion=self.suspicion.reason,
                strength=self.strength if chosen.name == HIDDEN else None,
                reward=reward,
                unit=unit,
                policy=self._policy(),
            ),
        )

    def _choice(self, readings: Sequence[Reading]) -> tuple[Reading, Status, list[str]]:
        by_name = {r.name: r for r in readings}
        bound = self._bound(by_name)
        if self.suspicion.suspected:
            return bound, Status.BOUNDED, [self.suspicion.reason]
        least, most = self.problem.returns
        reason = (
            f"{self.open:.1%} of the policy's actions were never logged where it takes them: "
            f"they are worth anything between {least:g} and {most:g}."
        )
        left_open = self.open > WIDEST * 2
        if self.asked_hidden:
            told = f"A hidden cause is allowed for, as asked: strength = {self.strength:g}."
            return bound, Status.BOUNDED, [told, *([reason] if left_open else [])]
        if left_open:
            return by_name.get(TABLE, by_name[NAMES["dr"]]), Status.BOUNDED, [reason]
        if self.effective >= FEWEST:
            name = NAMES["dr" if self.problem.horizon == 1 else "wdr"]
            return by_name[name], Status.IDENTIFIED, []
        few = (
            f"The policy acts so unlike the log that its {self.problem.steps.episodes:,} episodes "
            f"count as {self.effective:.0f}: weighing them tells nothing."
        )
        if TABLE in by_name and by_name[TABLE].holds:
            return by_name[TABLE], Status.IDENTIFIED, [few]
        return (
            bound,
            Status.BOUNDED,
            [few, *([self.memory.reason] if self.memory.suspected else [])],
        )

    def _bound(self, by_name: Mapping[str, Reading]) -> Reading:
        """The sensitivity bound; none of it is left where it weighs episodes that do not count."""
        told = TABLE in by_name or self.effective >= FEWEST
        return by_name[HIDDEN if told else NOTHING]

    def _middle(self, readings: Sequence[Reading]) -> float:
        """The estimate to show inside a bound: weighed where enough is left, else by table."""
        by_name = {r.name: r for r in readings}
        own = by_name[NAMES["dr" if self.problem.horizon == 1 else "wdr"]]
        if self.effective < FEWEST:
            own = by_name.get(TABLE, own)
        bound = self._bound(by_name)
        return float(np.clip(own.estimate or 0.0, bound.lower or 0.0, bound.upper or 0.0))

    def _reward(self) -> str:
        from doworld.data import Role

        return self.query.reward or self.log.schema.of(Role.REWARD)[0]

    def _policy(self) -> str:
        return "; ".join(f"{n}: {policy_words(p)}" for n, p in self.query.policies.items())

    def _why(self, chosen: Reading, reasons: list[str]) -> Why:
        problem = self.problem
        assumed = [f"Propensities: {problem.behaviour.source}."]
        if chosen.name == HIDDEN:
            names = ", ".join(self._hidden()) or "the states"
            assumed.append(
                f"Sensitivity model: at no state and action does anything hidden make a next level "
                f"of {names} more than Λ = {self.strength:g} times as likely, or less likely, than "
                "it was in the log"
                + (
                    " (Λ is twice what the log's own past reveals)."
                    if self.query.strength is None
                    else " (Λ as asked)."
                )
            )
        if chosen.name == TABLE:
            assumed.append("What comes next depends on the logged state and action alone.")
        if not problem.behaviour.known and not self.suspicion.suspected:
            assumed.append("The logging policy used nothing but the logged state.")
        least, most = problem.returns
        assumed.append(f"A return lies between {least:g} and {most:g}, as in the log.")
        return Why(
            summary=f"Value of another policy for {', '.join(self.query.policies)}",
            assumptions=tuple(assumed),
            adjustment=f"{chosen.name[0].upper()}{chosen.name[1:]}.",
            support=(
                f"{problem.steps.episodes:,} episodes count as {self.effective:.0f} once weighed; "
                f"{self.open:.1%} of the policy's actions were never logged there."
            ),
            rows=len(problem.steps),
            warnings=(*self._lost(), *reasons),
        )

    def _lost(self) -> list[str]:
        """A warning where rewards stand in last rows, whose actions led to no logged row."""
        if self.log.schema.static or self.log.schema[self._reward()].role is not Role.REWARD:
            return []
        gained = np.nan_to_num(self.log.column(self._reward()))
        last = self.log.starts[1:] - 1
        lost = np.setdiff1d(last[gained[last] != 0], self.problem.steps.rows)
        if not len(lost):
            return []
        share = float(abs(gained[lost]).sum() / abs(gained).sum())
        return [
            f"The last row of {len(lost):,} episodes holds a reward, and {share:.0%} of all that "
            "was logged: it is left out, since its action led to no logged row. Put each reward in "
            "the row of the action that earned it, and end each episode with the state it led to."
        ]

    def _fix(self, status: Status) -> str:
        if status is not Status.BOUNDED:
            return ""
        if self.suspicion.suspected:
            actions = ", ".join(self.suspicion.actions) or "the actions"
            return f"Log what decided {actions}, or draw them at random in some episodes."
        if self.asked_hidden:
            return "Ask with strength=1, or without one, for the value if nothing is hidden."
        return "Log episodes in which the policy's own actions are taken more often."
