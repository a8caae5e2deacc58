"""The value of another policy: estimators near the truth, bounds that hold it, refusals."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import doworld as dw
from doworld._core.errors import QueryError, UnknownNameError
from doworld.data import Policy, Trajectories
from doworld.graph import CausalGraph, Reason, Unidentified
from doworld.infer.offpolicy.steps import steps_of
from doworld.infer.offpolicy.target import target_of
from doworld.infer.policy_value import value_from_log
from doworld.query import Answer, Case, PolicyValue, Rules, Status
from doworld.worlds.sepsis_simulator import ACTIONS, SepsisSimulator

EVEN = {"0": 0.5, "1": 0.5}
POLICIES = {
    "uniform": dict.fromkeys(ACTIONS, Rules(otherwise=EVEN)),
    "antibiotics": {
        "do_antibiotic": Rules(otherwise=1.0),
        "do_vasopressors": Rules(otherwise=0.0),
        "do_ventilation": Rules(otherwise=0.0),
    },
    "signs": {
        "do_antibiotic": Rules(
            cases=(Case(when={"hr": "2"}, then={"1": 0.9, "0": 0.1}),),
            otherwise={"1": 0.2, "0": 0.8},
        ),
        "do_vasopressors": Rules(
            cases=(Case(when={"sysbp": "0"}, then={"1": 0.9, "0": 0.1}),),
            otherwise={"1": 0.2, "0": 0.8},
        ),
        "do_ventilation": Rules(otherwise=EVEN),
    },
}


@pytest.fixture(scope="module")
def world():
    return SepsisSimulator()


@pytest.fixture(scope="module")
def logs(world):
    return {
        sees: world.collect(1500, world.best(sees_diabetes=sees, random=0.2), seed=4)
        for sees in (True, False)
    }


def truth(world, policies) -> float:
    """The exact value in the simulator, diabetes hidden."""
    count = len(world.states)
    values = np.concatenate([world.states.astype(float), np.zeros((count, 4))], 1)
    every = Trajectories(
        schema=replace(world.schema, step=0.0),
        values=values,
        starts=np.arange(count + 1),
        times=np.zeros(count),
        environment=np.zeros(count, np.int64),
        terminated=np.zeros(count, bool),
        truncated=np.ones(count, bool),
        labels=tuple(map(str, range(count))),
    )
    return world.value(target_of(every, steps_of(every, actions=ACTIONS), policies).chance)


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("confounded", [True, False])
def test_the_interval_or_bound_holds_the_truth(world, logs, name, confounded):
    answer = value_from_log(logs[confounded], PolicyValue(policies=POLICIES[name], level=0.95))
    series = answer["reward"]
    assert series.lower[0] <= truth(world, POLICIES[name]) <= series.upper[0]
    assert series.upper[0] - series.lower[0] < 2
    if confounded:
        assert answer.status is Status.BOUNDED
        assert "glucose" in answer.why.warnings[0]
        assert "confounder" in answer.why.warnings[0]
        assert any("Λ" in a for a in answer.why.assumptions)
    free = answer.details.readings[-1]
    assert free.lower <= truth(world, POLICIES[name]) <= free.upper


def test_the_logging_policy_gets_its_own_value_back(logs):
    rows = logs[False]
    answer = value_from_log(
        rows, PolicyValue(policies={"do_ventilation": Rules(otherwise={"1": 0.5, "0": 0.5})})
    )
    assert answer.details.logged.estimate == pytest.approx(
        np.nansum(rows.column("reward")) / len(rows)
    )


def _bandit(count: int, seed: int = 0, hole: bool = False) -> Trajectories:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, count)
    chance = np.where(x[:, None] == 1, [0.2, 0.3, 0.5], [0.6, 0.3, 0.1])
    if hole:
        chance = np.where(x[:, None] == 1, [0.4, 0.6, 0.0], [0.6, 0.4, 0.0])
    item = (np.cumsum(chance, 1) < rng.uniform(size=(count, 1))).sum(1)
    click = rng.uniform(size=count) < 0.1 + 0.2 * x + 0.1 * item
    frame = pl.DataFrame(
        {
            "x": x,
            "item": [f"i{k}" for k in item],
            "click": click.astype(float),
            "p": chance[np.arange(count), item],
        }
    )
    items = dw.Variable("item", dw.Role.ACTION, dw.Kind.CATEGORICAL, categories=("i0", "i1", "i2"))
    return Trajectories.from_frame(
        frame,
        state="x",
        action="item",
        reward="click",
        propensity="p",
        variables={"item": items},
        policy=Policy.KNOWN,
    )


def test_a_recommender_is_a_world_of_one_step():
    even = Rules(otherwise={"i0": 1 / 3, "i1": 1 / 3, "i2": 1 / 3})
    log = _bandit(6000)
    answer = value_from_log(log, PolicyValue(policies={"item": even}, level=0.99))
    exact = 0.1 + 0.2 * 0.5 + 0.1
    assert answer.status is Status.IDENTIFIED
    for reading in answer.details.readings[:3]:
        assert reading.estimate == pytest.approx(exact, abs=0.03)
    assert answer["click"].lower[0] <= exact <= answer["click"].upper[0]
    best = value_from_log(log, PolicyValue(policies={"item": Rules(otherwise="i2")}))
    assert best["click"].estimate[0] > answer["click"].estimate[0]


def test_intervals_cover_as_often_as_they_say():
    even = PolicyValue(policies={"item": Rules(otherwise={"i0": 0.5, "i2": 0.5})}, level=0.9)
    exact, held = 0.1 + 0.2 * 0.5 + 0.1, 0
    for seed in range(40):
        series = value_from_log(_bandit(500, seed), even)["click"]
        held += series.lower[0] <= exact <= series.upper[0]
    assert 31 <= held <= 40


def test_actions_that_were_never_logged_leave_a_bound():
    log = _bandit(3000, hole=True)
    answer = value_from_log(log, PolicyValue(policies={"item": Rules(otherwise="i2")}))
    assert answer.status is Status.BOUNDED
    assert "never logged" in answer.why.warnings[0]
    assert answer["click"].lower[0] <= 0.4 <= answer["click"].upper[0]
    assert answer["click"].upper[0] - answer["click"].lower[0] > 0.9
    assert answer.details.unsupported == pytest.approx(1.0)


def test_an_answer_is_plain_data_and_the_same_again(logs):
    query = PolicyValue(policies=POLICIES["uniform"])
    answer = value_from_log(logs[True], query, seed=3)
    assert Answer.from_json(answer.to_json()) == answer
    assert value_from_log(logs[True], query, seed=3) == answer
    assert "sensitivity bound" in str(answer)
    assert len(answer.figure().data) > 6


def test_malformed_questions(logs):
    log, bandit = logs[False], _bandit(200)

    def ask(rows, **said):
        return value_from_log(rows, PolicyValue(**said))

    with pytest.raises(UnknownNameError, match="do_nothing"):
        ask(log, policies={"do_nothing": Rules(otherwise=1.0)})
    with pytest.raises(UnknownNameError, match="i9"):
        ask(bandit, policies={"item": Rules(otherwise="i9")})
    with pytest.raises(QueryError, match="chooses actions"):
        ask(log, policies={"hr": Rules(otherwise="1")})
    with pytest.raises(QueryError, match="no policy"):
        ask(log, policies={})
    with pytest.raises(UnknownNameError, match="money"):
        ask(log, policies=POLICIES["uniform"], reward="money")
    rule = Rules(cases=(Case(when={"do_vasopressors": 1.0}, then=1.0),), otherwise=0.0)
    with pytest.raises(QueryError, match="reads"):
        ask(log, policies={**POLICIES["uniform"], "do_antibiotic": rule})
    impossible = replace(bandit, propensity=np.zeros(bandit.rows))
    with pytest.raises(QueryError, match="leave"):
        ask(impossible, policies={"item": Rules(otherwise="i1")})


def test_a_strength_that_is_asked_for_is_in_the_answer():
    log, even = _bandit(3000), Rules(otherwise={"i0": 0.5, "i2": 0.5})
    plain = value_from_log(log, PolicyValue(policies={"item": even}))
    assert plain.status is Status.IDENTIFIED
    found = [
        value_from_log(log, PolicyValue(policies={"item": even}, strength=s)) for s in (1.5, 3.0)
    ]
    widths = [a["click"].upper[0] - a["click"].lower[0] for a in (plain, *found)]
    assert widths == sorted(widths)
    for answer, strength in zip(found, ("1.5", "3"), strict=True):
        assert answer.status is Status.BOUNDED
        assert f"strength = {strength}" in answer.why.warnings[0]
        assert "strength=1" in answer.fix
        assert any(f"Λ = {strength} " in a for a in answer.why.assumptions)
    none = value_from_log(log, PolicyValue(policies={"item": even}, strength=1.0))
    assert none.series == plain.series


def test_what_the_graph_suspects_of_an_action_is_heeded():
    log, even = _bandit(3000), Rules(otherwise={"i0": 0.5, "i2": 0.5})
    note = "item may have been chosen by something hidden."
    fact = Unidentified("item", Reason.POLICY, note, ("click",))
    graph = CausalGraph(log.schema.names, (), max_lag=0, unidentified=(fact,))
    answer = value_from_log(log, PolicyValue(policies={"item": even}), graph=graph)
    assert answer.status is Status.BOUNDED
    assert note in answer.why.warnings
    assert "item" in answer.fix
    late = replace(fact, reason=Reason.LATE)
    other = CausalGraph(log.schema.names, (), max_lag=0, unidentified=(late,))
    told = value_from_log(log, PolicyValue(policies={"item": even}), graph=other)
    assert told.status is Status.IDENTIFIED  # whatever comes late is in the logged returns


def test_rewards_in_last_rows_are_not_lost_in_silence():
    rng = np.random.default_rng(0)
    rows = 4
    table = pl.DataFrame(
        {
            "ep": np.repeat(np.arange(60), rows),
            "s": rng.integers(0, 2, 60 * rows),
            "a": rng.integers(0, 2, 60 * rows),
            "r": np.tile([0.0, 0.0, 1.0, 3.0], 60),
        }
    ).with_columns(a=pl.when(pl.int_range(pl.len()) % rows < rows - 1).then("a"))
    said = {}
    for name, shown in {
        "whole": table,
        "cut": table.with_columns(pl.col("r").replace(3.0, 0.0)),
    }.items():
        log = Trajectories.from_frame(
            shown, state=["s"], action=["a"], reward=["r"], episode="ep", step=1.0
        )
        answer = value_from_log(log, PolicyValue(policies={"a": Rules(otherwise=EVEN)}))
        said[name] = [w for w in answer.why.warnings if "last row of 60 episodes" in w]
    assert "75%" in said["whole"][0]
    assert not said["cut"]


def test_weights_that_count_for_nothing_give_no_narrow_bound():
    rng = np.random.default_rng(0)
    table = pl.DataFrame(
        {
            "ep": np.repeat(np.arange(40), 16),
            "s": rng.normal(size=640),
            "a": rng.integers(0, 2, 640),
            "r": rng.normal(1.0, 0.2, 640),
        }
    )
    log = Trajectories.from_frame(
        table, state=["s"], action=["a"], reward=["r"], episode="ep", step=1.0
    )
    answer = value_from_log(log, PolicyValue(policies={"a": Rules(otherwise=0.0)}))
    assert answer.status is Status.BOUNDED
    (low,), (high,) = answer.series[0].lower, answer.series[0].upper
    assert low <= 15.0 <= high
