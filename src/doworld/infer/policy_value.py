"""What another policy would have earned: estimators side by side, or bounds where none can hold."""

import numpy as np

from doworld._core.errors import QueryError
from doworld.data import Policy, Role, Trajectories
from doworld.discover.latent.suspicion import Suspicion
from doworld.graph import CausalGraph, Reason
from doworld.infer.offpolicy.evaluation import HIDDEN, TABLE, Chosen, Evaluation
from doworld.infer.offpolicy.problem import problem_of, reward_of
from doworld.infer.unanswerable import UnanswerableError
from doworld.model.world import WorldModel
from doworld.query import Answer, PolicyValue, Series, Status, Why
from doworld.query.policy import policy_words
from doworld.query.policy_value_details import PolicyValueDetails, Reading

__all__ = ["policy_value", "value_from_log"]


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

    An episode in which the policy does what the log never did there is worth anything between the
    least and the greatest logged return; where that may befall more than 2 % of its episodes, the
    answer is a bound. What was not tested is said in ``why``. Status ``not_identified`` where the
    log cannot say: actions that are numbers, rewards that were never logged.

    Raises ``UnknownNameError`` and ``QueryError`` for names, levels and policies that do not fit.
    """
    try:
        problem = problem_of(log, query.policies, query.reward, query.discount)
    except UnanswerableError as no:
        return _refusal(log, query, no)
    return _answer(Evaluation(log, query, problem, seed, _distrusted(graph, query)))


def _distrusted(graph: CausalGraph | None, query: PolicyValue) -> Suspicion | None:
    """What the graph suspects of how the policies' actions were chosen in the log."""
    facts = () if graph is None else graph.unidentified
    mine = [f for f in facts if f.reason is Reason.POLICY and f.variable in query.policies]
    if not mine:
        return None
    return Suspicion(
        suspected=True,
        tested=False,
        actions=tuple(dict.fromkeys(f.variable for f in mine)),
        states=tuple(dict.fromkeys(n for f in mine for n in f.others)),
        reason=" ".join(dict.fromkeys(f.note for f in mine)),
    )


def _answer(found: Evaluation) -> Answer:
    """The reading that holds, with all others beside it."""
    log, query, problem = found.log, found.query, found.problem
    readings = found.readings()
    chosen = found.chosen(readings)
    reading, reward = chosen.reading, reward_of(log, query.reward)
    assert reading.lower is not None
    assert reading.upper is not None
    middle = found.middle(readings) if reading.estimate is None else reading.estimate
    return Answer(
        query=query,
        status=chosen.status,
        level=query.level,
        series=(
            Series(
                variable=reward,
                unit=log.schema[reward].unit,
                rows=(0,),
                estimate=(middle,),
                lower=(reading.lower,),
                upper=(reading.upper,),
                support=(1 - found.leaving,),
            ),
        ),
        why=_why(found, chosen),
        fix=_fix(found, chosen.status),
        step=log.schema.step,
        time_unit=log.schema.time_unit,
        details=PolicyValueDetails(
            headline=reading.name,
            readings=tuple(readings),
            logged=_logged(found),
            episodes=problem.steps.episodes,
            effective=found.effective,
            unsupported=found.leaving,
            suspicion=found.suspicion.reason,
            strength=found.strength if reading.name == HIDDEN else None,
            reward=reward,
            unit=log.schema[reward].unit,
            policy="; ".join(f"{n}: {policy_words(p)}" for n, p in query.policies.items()),
        ),
    )


def _refusal(log: Trajectories, query: PolicyValue, no: UnanswerableError) -> Answer:
    reward = reward_of(log, query.reward)
    return Answer(
        query=query,
        status=Status.NOT_IDENTIFIED,
        level=query.level,
        series=(Series(variable=reward, unit=log.schema[reward].unit, rows=(), estimate=None),),
        why=Why(summary=_summary(query), rows=log.rows, warnings=(no.reason,)),
        fix=no.fix,
        step=log.schema.step,
        time_unit=log.schema.time_unit,
    )


def _summary(query: PolicyValue) -> str:
    return f"Value of another policy for {', '.join(query.policies)}"


def _logged(found: Evaluation) -> Reading:
    """What the logging policy earned."""
    problem = found.problem
    earned = problem.grid(problem.discount**problem.place * problem.reward).sum(1)
    low, high = found.interval(found.draws @ earned / problem.steps.episodes)
    return Reading(name="as logged", estimate=float(earned.mean()), lower=low, upper=high)


def _why(found: Evaluation, chosen: Chosen) -> Why:
    problem = found.problem
    return Why(
        summary=_summary(found.query),
        assumptions=tuple(_assumed(found, chosen)),
        adjustment=f"{chosen.reading.name[0].upper()}{chosen.reading.name[1:]}.",
        support=(
            f"{problem.steps.episodes:,} episodes count as {found.effective:.0f} once weighed; "
            f"{found.leaving:.1%} of the policy's would take an action never logged there."
        ),
        rows=len(problem.steps),
        warnings=(*_lost(found), *chosen.reasons, *_untested(found, chosen)),
    )


def _assumed(found: Evaluation, chosen: Chosen) -> list[str]:
    problem, name = found.problem, chosen.reading.name
    out = [f"Propensities: {problem.behaviour.source}."]
    if name == HIDDEN:
        states = ", ".join(found.hidden()) or "the states"
        out.append(
            "Sensitivity model: at no state and action does anything hidden make a next level "
            f"of {states} more than Λ = {found.strength:g} times as likely, or less likely, than "
            f"it was in the log ({_strength(found)})."
        )
    if name == TABLE:
        out.append("What comes next depends on the logged state and action alone.")
    if not problem.behaviour.known and not found.suspicion.suspected:
        out.append("The logging policy used nothing but the logged state.")
    least, most = problem.returns
    out.append(f"A return lies between {least:g} and {most:g}, as in the log.")
    ends = int((problem.steps.rows + 1 == found.log.starts[1:][_owner(found)]).sum())
    if ends and not found.log.schema.static:
        out.append(
            f"The last row of {ends:,} episodes holds an action and what it earned: it counts as "
            "a step, and nothing is known of what it led to."
        )
    return out


def _owner(found: Evaluation) -> np.ndarray:
    return found.log.episode_of_row[found.problem.steps.rows]


def _strength(found: Evaluation) -> str:
    """Where Λ comes from."""
    if found.query.strength is not None:
        return "Λ as asked"
    if found.measured is None:
        return "Λ is a convention: the log is too short, or has too many levels, to measure it"
    return "Λ is twice what the log's own past reveals"


def _untested(found: Evaluation, chosen: Chosen) -> list[str]:
    """What the answer takes for granted because the log could not be asked."""
    out = []
    suspicion, schema = found.suspicion, found.log.schema
    told = schema.policy is not Policy.UNKNOWN or found.problem.behaviour.known
    if not (suspicion.tested or suspicion.suspected or told):
        out.append(
            "Whether something hidden moved the actions was not tested, and the answer takes for "
            f"granted that nothing did. {suspicion.reason}"
        )
    if chosen.reading.name == TABLE and not found.memory.tested:
        out.append(
            "Whether something hidden lasts from row to row was not tested, and the answer takes "
            f"for granted that nothing does. {found.memory.reason}"
        )
    return out


def _lost(found: Evaluation) -> list[str]:
    """Warnings of rewards that are left out, and of those that were not logged."""
    log, problem, reward = found.log, found.problem, reward_of(found.log, found.query.reward)
    out = []
    if problem.missing:
        out.append(
            f"{reward} was not logged at {problem.missing:,} of {len(problem.steps):,} steps, "
            "which count as 0. Log it in every row with an action."
        )
    if log.schema.static or log.schema[reward].role is not Role.REWARD:
        return out
    gained = np.nan_to_num(log.column(reward))
    last = log.starts[1:] - 1
    lost = np.setdiff1d(last[gained[last] != 0], problem.steps.rows)
    if len(lost):
        share = float(abs(gained[lost]).sum() / abs(gained).sum())
        out.append(
            f"The last row of {len(lost):,} episodes holds a reward without the state or action "
            f"that earned it, and {share:.0%} of all that was logged: it is left out. Put each "
            "reward in the row of the action that earned it."
        )
    return out


def _fix(found: Evaluation, status: Status) -> str:
    if status is not Status.BOUNDED:
        return ""
    if found.suspicion.suspected:
        actions = ", ".join(found.suspicion.actions) or "the actions"
        return f"Log what decided {actions}, or draw them at random in some episodes."
    if found.hidden_asked:
        return "Ask with strength=1, or without one, for the value if nothing is hidden."
    return "Log episodes in which the policy's own actions are taken more often."
