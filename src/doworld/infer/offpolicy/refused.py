"""What keeps a log from saying what another policy is worth."""

from doworld.data import Trajectories
from doworld.graph import CausalGraph, Reason
from doworld.infer.offpolicy.problem import reward_of
from doworld.infer.offpolicy.steps import steps_of
from doworld.infer.suspicion import Suspicion
from doworld.query import Answer, PolicyValue, Series, Status, Why

__all__ = ["distrusted", "refused_of"]


def refused_of(log: Trajectories, query: PolicyValue) -> Answer | None:
    """``not_identified`` where a policy chooses among numbers, which no log holds twice; else None.

    Raises ``UnknownNameError`` and ``QueryError`` for names that do not fit.
    """
    schema = log.schema
    numbers = [n for n in query.policies if not schema[n].levels]
    if not numbers:
        return None
    steps_of(log, actions=tuple(n for n in schema.names if n in query.policies))
    reward, names = reward_of(log, query.reward), ", ".join(numbers)
    many = len(numbers) > 1
    follows = ", ".join(f"Follow({n!r}, …)" for n in query.policies)
    return Answer(
        query=query,
        status=Status.NOT_IDENTIFIED,
        level=query.level,
        series=(Series(variable=reward, unit=schema[reward].unit, rows=(), estimate=None),),
        why=Why(
            summary=f"Value of another policy for {', '.join(query.policies)}",
            rows=log.rows,
            warnings=(
                f"{names} {'are numbers' if many else 'is a number'}: a log hardly ever holds the "
                "very number that a policy asks for, so no logged episode tells what it earns.",
            ),
        ),
        fix=f"Roll the policy out in the learned world, Do(given=…, horizon=…, target={reward!r}, "
        f"interventions=[{follows}]), and add up {reward}; or cut {names} into levels (a "
        "categorical column) and give a policy over these.",
        step=schema.step,
        time_unit=schema.time_unit,
    )


def distrusted(graph: CausalGraph | None, query: PolicyValue) -> Suspicion | None:
    """What the graph already suspects of how a policy's actions were chosen in the log."""
    facts = [] if graph is None else graph.unidentified
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
