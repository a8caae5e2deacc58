"""The tour from the first log to the balanced pole."""

import time
from dataclasses import dataclass

from doworld._core.errors import MissingExtraError
from doworld._core.progress import Progress, Quiet
from doworld.data import Trajectories
from doworld.discover import discover
from doworld.graph import CausalGraph
from doworld.model.learn import fit
from doworld.model.monolith import fit_monolith
from doworld.model.world import WorldModel
from doworld.query import Answer
from doworld.session.tour.balance import check_balance
from doworld.session.tour.checks import Check
from doworld.session.tour.graph import check_graph
from doworld.session.tour.rungs import check_counterfactual, check_do, check_predict
from doworld.worlds.cartpole import published_graph

__all__ = ["GRAVITY", "LENGTH", "Tour", "collect", "run"]

GRAVITY = tuple(float(g) for g in range(7, 15))
"""Gravities of the tour's environments, m/s²."""

LENGTH = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Half pole lengths of the tour's environments, m."""


@dataclass(frozen=True, eq=False)
class Tour:
    """What the tour found.

    Attributes:
        checks: promised and measured, one row a promise.
        log: the random-action log that all was learned from.
        graph, truth: the discovered graph and the one of the published equations.
        model: the world model.
        answers: one answer per rung, for the report.
        seconds: wall clock by step.
    """

    checks: tuple[Check, ...]
    log: Trajectories
    graph: CausalGraph
    truth: CausalGraph
    model: WorldModel
    answers: dict[str, Answer]
    seconds: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        return all(c.passed for c in self.checks)

    def to_dict(self) -> dict:
        """Plain data for JSON."""
        return {
            "passed": self.passed,
            "checks": [c.to_dict() for c in self.checks],
            "graph": self.graph.to_dict(),
            "seconds": dict(self.seconds),
        }


def collect(episodes: int, *, seed: int, gravity=GRAVITY, length=LENGTH) -> Trajectories:
    """Random-action CartPole logs, gravity and pole length varied and recorded as context."""
    return Trajectories.from_gymnasium(
        "CartPole-v1",
        policy="random",
        episodes=episodes,
        seed=seed,
        context={"gravity": list(gravity), "length": list(length)},
    )


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now


def run(*, seed: int = 0, episodes: int = 288, progress: Progress | None = None) -> Tour:
    """Collects, discovers, learns, asks on all three rungs and plans; checks each in the simulator.

    Raises ``MissingExtraError`` without Gymnasium.
    """
    try:
        import gymnasium  # noqa: F401
    except ImportError:
        raise MissingExtraError("gymnasium", "envs", "the tour") from None
    progress = progress or Quiet()
    clock = _Clock()
    log = collect(episodes, seed=seed)
    fresh = collect(96, seed=seed + 1)
    clock.lap("collect")
    graph = discover(log, seed=seed, progress=progress)
    truth = published_graph()
    clock.lap("discover")
    model = fit(log, graph, seed=seed, progress=progress)
    clock.lap("learn")
    monolith = fit_monolith(log, seed=seed, progress=progress)
    clock.lap("monolithic baseline")
    checks = [check_graph(graph, truth)]
    answers: dict[str, Answer] = {}
    for name, check in (("predict", check_predict), ("do", check_do)):
        rows, answer = check(model, monolith, log, seed=seed)
        checks += rows
        answers[name] = answer
        clock.lap(name)
    rows, answers["counterfactual"] = check_counterfactual(model, monolith, log, fresh, seed=seed)
    checks += rows
    clock.lap("counterfactual")
    row, answers["plan"] = check_balance(model, seed=seed, progress=progress)
    checks.append(row)
    clock.lap("plan")
    total = sum(clock.seconds.values())
    checks.append(Check("time", "at most 2 minutes on two cores", f"{total:.0f} s", total <= 120))
    return Tour(tuple(checks), log, graph, truth, model, answers, clock.seconds)
