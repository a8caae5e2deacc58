"""The three rungs, each asked of the model and checked in the simulator."""

import numpy as np

from doworld.data import Trajectories
from doworld.infer import counterfactual, do, predict
from doworld.model.world import WorldModel
from doworld.query import Answer, Counterfactual, Do, Predict, Set
from doworld.session.tour.checks import Check, errors, percent
from doworld.worlds.cartpole import STATE, alive, replay

__all__ = ["check_counterfactual", "check_do", "check_predict"]

HORIZON = 20
CASES = 24
SAMPLES = 64
MARK = 0.02

Case = tuple[dict[str, float], np.ndarray]


def _spread(log: Trajectories) -> np.ndarray:
    return np.array([np.nanstd(log.column(name)) for name in STATE])


def _cases(
    log: Trajectories, rng: np.random.Generator, gravity: float | None
) -> tuple[list[Case], np.ndarray]:
    """Early states of the log, each with new random actions, and what the simulator makes of them.

    Only cases whose episode lasts all ``HORIZON`` rows count: beyond the angle at which CartPole
    ends an episode there is no world to predict.
    """
    cases, truth = [], []
    while len(cases) < CASES:
        episode = log.episode(int(rng.integers(len(log))))
        values = episode.values[int(rng.integers(min(4, len(episode))))].tolist()
        given = dict(zip(log.schema.names, values, strict=True))
        given.pop("action")
        actions = rng.integers(0, 2, HORIZON)
        pull = given["gravity"] if gravity is None else gravity
        rows = replay(_start(given), actions, gravity=pull, length=given["length"])[1:]
        if alive(rows):
            cases.append((given, actions))
            truth.append(rows)
    return cases, np.array(truth)


def _forecast(answer: Answer) -> np.ndarray:
    """Rows 1…HORIZON of the four states."""
    columns = []
    for name in STATE:
        series = answer[name]
        assert series.estimate is not None
        columns.append(
            [v for r, v in zip(series.rows, series.estimate, strict=True) if 0 < r <= HORIZON]
        )
    return np.array(columns).T


def _covered(answer: Answer, truth: np.ndarray) -> float:
    inside = []
    for j, name in enumerate(STATE):
        series = answer[name]
        assert series.lower is not None
        assert series.upper is not None
        ends = zip(series.rows, series.lower, series.upper, strict=True)
        inside += [a <= truth[r - 1, j] <= b for r, a, b in ends if 0 < r <= HORIZON]
    return float(np.mean(inside))


def _persistence(cases: list[Case], truth: np.ndarray, spread: np.ndarray) -> str:
    still = np.array([[[given[n] for n in STATE]] * HORIZON for given, _ in cases])
    return percent(errors(still, truth, spread))


def _asked(
    model: WorldModel, cases: list[Case], seed: int, gravity: float | None
) -> tuple[np.ndarray, list[Answer]]:
    answers = []
    for given, actions in cases:
        planned = {"action": tuple(int(a) for a in actions)}
        common = {"given": given, "planned": planned, "horizon": HORIZON, "samples": SAMPLES}
        if gravity is None:
            answers.append(predict(model, Predict(**common), seed=seed))
        else:
            query = Do(**common, interventions=(Set("gravity", gravity),))
            answers.append(do(model, query, seed=seed))
    return np.array([_forecast(a) for a in answers]), answers


def check_predict(
    model: WorldModel, monolith: WorldModel, log: Trajectories, *, seed: int
) -> tuple[list[Check], Answer]:
    """Rung 1: predictions over 20 steps under new action sequences."""
    cases, truth = _cases(log, np.random.default_rng([seed, 1]), None)
    spread = _spread(log)
    ours, answers = _asked(model, cases, seed, None)
    theirs, _ = _asked(monolith, cases, seed, None)
    error = errors(ours, truth, spread)
    beside = {
        "monolith": percent(errors(theirs, truth, spread)),
        "persistence": _persistence(cases, truth, spread),
    }
    coverage = np.mean([_covered(a, t) for a, t in zip(answers, truth, strict=True)])
    row = Check(
        "predict 20 steps, new actions",
        "RMSE ≤ 2 % of each sd",
        percent(error),
        bool(np.all(error <= MARK)),
        beside,
        f"{_each(error)}; 90 % intervals cover {coverage:.0%}",
    )
    return [row], answers[0]


def _start(given: dict[str, float]) -> np.ndarray:
    return np.array([given[n] for n in STATE])


def _each(error: np.ndarray) -> str:
    return ", ".join(f"{n} {100 * e:.2g} %" for n, e in zip(STATE, error, strict=True))


def check_do(
    model: WorldModel, monolith: WorldModel, log: Trajectories, *, seed: int
) -> tuple[list[Check], Answer]:
    """Rung 2: do(gravity = a value never seen), inside the range seen and 25 % beyond it."""
    seen = np.unique(log.column("gravity"))
    low, high = float(seen[0]), float(seen[-1])
    middle = len(seen) // 2
    inside = float(seen[middle - 1 : middle + 1].mean())
    values = {"inside": inside, "beyond": high + 0.25 * (high - low)}
    spread = _spread(log)
    rows, answer = [], None
    for where, gravity in values.items():
        cases, truth = _cases(log, np.random.default_rng([seed, 2]), gravity)
        ours, answers = _asked(model, cases, seed, gravity)
        theirs, _ = _asked(monolith, cases, seed, gravity)
        error, other = errors(ours, truth, spread), errors(theirs, truth, spread)
        beside = {
            "monolith": percent(other),
            "persistence": _persistence(cases, truth, spread),
        }
        reached = bool(np.all(error <= MARK) and np.mean(error) < np.mean(other))
        rows.append(
            Check(
                f"do(gravity = {gravity:.4g}), {where} the range seen",
                "RMSE ≤ 2 % of each sd, below the monolith's",
                percent(error),
                reached,
                beside,
                f"{_each(error)}; monolith {_each(other)}",
            )
        )
        answer = answers[0] if where == "beyond" else answer
    assert answer is not None
    return rows, answer


def check_counterfactual(
    model: WorldModel,
    monolith: WorldModel,
    log: Trajectories,
    fresh: Trajectories,
    *,
    seed: int,
) -> tuple[list[Check], Answer]:
    """Rung 3: the same episode with one action flipped, replayed in the simulator.

    Episodes count whose flipped course the simulator would not have ended within the 20 rows.
    """
    at, cases, truth = 2, [], []
    for episode in fresh:
        if len(episode) < at + 2 + HORIZON or len(cases) == CASES:
            continue
        part = episode[: at + 1 + HORIZON]
        actions = part.column("action")[:-1].copy()
        actions[at] = 1 - actions[at]
        setting = {n: float(part.column(n)[0]) for n in ("gravity", "length")}
        first = np.array([part.column(n)[0] for n in STATE])
        rows = replay(first, actions, **setting)[at + 1 :]
        if alive(rows):
            flip = Set("action", int(actions[at]), at=at)
            query = Counterfactual(episode=part, interventions=(flip,), samples=SAMPLES)  # type: ignore[arg-type]
            cases.append(query)
            truth.append((rows, np.stack([part.column(n) for n in STATE], 1)[at + 1 :]))
    answers = [counterfactual(model, query, seed=seed) for query in cases]
    ours = [_after(a, at) for a in answers]
    theirs = [_after(counterfactual(monolith, query, seed=seed), at) for query in cases]
    happened = np.array([fact for _, fact in truth])
    true = np.array([rows for rows, _ in truth])
    spread = _spread(log)
    error = errors(np.array(ours), true, spread)
    beside = {
        "monolith": percent(errors(np.array(theirs), true, spread)),
        "the fact itself": percent(errors(happened, true, spread)),
    }
    row = Check(
        f"counterfactual, action flipped at row {at}, next 20 rows",
        "RMSE ≤ 2 % of each sd",
        percent(error),
        bool(np.all(error <= MARK)),
        beside,
        f"{_each(error)}; {len(cases)} episodes",
    )
    return [row], answers[0]


def _after(answer: Answer, at: int) -> np.ndarray:
    columns = []
    for name in STATE:
        series = answer[name]
        assert series.estimate is not None
        columns.append([v for r, v in zip(series.rows, series.estimate, strict=True) if r > at])
    return np.array(columns).T
