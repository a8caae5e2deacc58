"""Blame in worlds written down by hand, whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest

import doworld as dw
from doworld._core.errors import QueryError, UnknownNameError
from doworld.data import Kind, Role, Variable
from doworld.infer.blame import alternatives, blame, inquiry
from doworld.query import Answer, Blame, Feedback, Goal
from worlds_by_hand import heater, linear_world, machine

COLD = Goal(limit={"T": (None, 1.5)})


def hot(seed=0, at=(7,), rows=16, value=5.0):
    """An episode of the heater that was heated too much at some rows."""
    rng = np.random.default_rng(seed)
    x = np.zeros((rows, 4))
    x[:, 2], x[:, 3] = rng.uniform(-1, 1, rows), 0.5
    x[list(at), 2] = value
    for t in range(rows - 1):
        noise = 0.1 * rng.normal(size=2)
        x[t + 1, 0] = 0.8 * x[t, 0] + 0.5 * x[t, 2] + 0.2 * x[t, 3] + noise[0]
        x[t + 1, 1] = 0.5 * x[t, 1] + x[t, 0] + noise[1]
    return {n: x[:, i] for i, n in enumerate("TDQW")}


@pytest.fixture(scope="module")
def model():
    """The heater, from a log in which no action went beyond 2 %."""
    own = heater(members=(0.98, 1.0, 1.02))
    low, high = np.full(4, -2.0), np.full(4, 2.0)
    return replace(own, reference=replace(own.reference, low=low, high=high))


@pytest.fixture(scope="module")
def answer(model):
    return blame(model, Blame(episode=hot(), success=COLD))


def test_names_the_one_action_that_was_fatal(answer):
    details = answer.details
    assert answer.status == "identified"
    assert (details.best.variable, details.best.row, details.best.was) == ("Q", 7, 5.0)
    assert details.success == 1.0
    assert details.ties == (7,)
    assert details.chance == pytest.approx(1.0)
    saved = {r: p for r, p in zip(details.rows, details.necessity, strict=True) if p > 0.5}
    assert saved == {7: 1.0}
    assert answer.estimate["success"][7] == 1.0
    assert answer.interval["success"][0][7] <= 1.0
    assert details.text in str(answer).replace("\n", " ")


def test_the_smallest_change_is_the_exact_one(answer):
    """T(8 + k) falls by .5 · .8ᵏ (5 − q), and must be 1.5 at most, under weights times 1."""
    t = hot()["T"][8:]
    exact = 5 - ((t - 1.5) / (0.5 * 0.8 ** np.arange(len(t)))).max()
    least = answer.details.least
    step = (5 - answer.details.best.instead) / 25
    assert exact - step - 0.1 <= least.instead <= exact + 0.1


def test_predicate_and_goal_agree(model, answer):
    def cold(ep):
        assert ep["T"].shape == (16,)
        assert ep.Q.shape == (15,)
        assert len(ep) == 16
        return ep["T"][1:].max() <= 1.5

    other = blame(model, Blame(episode=hot(), success=cold))
    assert other.details.alternatives == answer.details.alternatives
    assert other.details.best.row == 7


def test_slow_predicates_are_judged_on_fewer_draws(model):
    calls = []

    def slow(ep):
        calls.append(0)
        end = 0.0
        for value in np.asarray(ep["T"]):  # no tracing
            end = max(end, value)
        while len(calls) % 50 == 1 and sum(range(2_000_000)) < 0:
            pass
        return bool(end <= 1.5)

    query = Blame(episode=hot(), success=slow, seconds=0.05, samples=64, grid=4)
    details = blame(model, query).details
    assert details.best.row == 7
    assert len(calls) < 64 * 3 * 15 * 8


def test_a_change_that_two_rows_need(model):
    """Two rows of too much heat: one change is not enough, two are."""
    episode = hot(at=(4, 9))
    single = blame(model, Blame(episode=episode, success=COLD)).details
    assert single.best is None
    assert single.success == 0.0
    assert [c.row for c in single.changes] == [4, 9]
    assert single.together == 1.0
    asked = blame(model, Blame(episode=episode, success=COLD, budget=2)).details
    assert [c.row for c in asked.changes] == [4, 9]
    assert asked.method == "every pair was tried" or "greedily" in asked.method


def test_two_changes_of_a_predicate(model):
    episode = hot(at=(4, 9), rows=14)
    query = Blame(episode=episode, success=lambda ep: bool(ep["T"].max() < 1.5), budget=2, grid=3)
    details = blame(model, query).details
    assert [c.row for c in details.changes] == [4, 9]
    assert details.method == "every pair was tried"


def test_a_long_episode_costs_fewer_draws_and_not_the_row(model, monkeypatch):
    whole = blame(model, Blame(episode=hot(), success=COLD)).details
    monkeypatch.setattr(inquiry, "MOST_ROWS", 1)
    thrifty = blame(model, Blame(episode=hot(), success=COLD)).details
    assert thrifty.best.row == whole.best.row
    assert thrifty.success == whole.success
    assert all(round(3 * p, 6) == round(3 * p) for p in thrifty.still)  # one draw of three members


def test_nothing_saves_what_no_action_reaches(model):
    """The weather is no action: what it did cannot be undone."""
    episode = hot(at=()) | {"W": np.full(16, 60.0)}
    t = np.zeros(16)
    for row in range(15):
        t[row + 1] = 0.8 * t[row] + 0.5 * episode["Q"][row] + 12.0
    details = blame(model, Blame(episode=episode | {"T": t}, success=COLD)).details
    assert details.best is None
    assert details.together == 0.0
    assert "No single change" in details.text


def test_any_change_saves_an_episode_that_fails_by_a_hair(model):
    def strict(ep):
        return bool(np.abs(ep["Q"] - hot()["Q"][:15]).max() > 1e-6)

    details = blame(model, Blame(episode=hot(), success=strict)).details
    assert details.always
    assert len(details.ties) == 15
    assert "Any single change" in details.text


def test_an_episode_that_succeeded_is_not_blamed(model):
    out = blame(model, Blame(episode=hot(at=()), success=Goal(limit={"T": (None, 50.0)})))
    assert out.status == "not_identified"
    assert "succeeded" in out.why.warnings[0]
    assert out.fix


def test_ties_are_told():
    """A counter that any one of three presses would have stopped."""
    model = linear_world(
        (Variable("n"), Variable("press", Role.ACTION, Kind.BINARY)),
        {"n": {("n", 1): 1.0, ("press", 1): 1.0}},
        sigma=0.01,
    )
    episode = {"n": np.array([0.0, 0.0, 0.0, 1.0, 1.0]), "press": np.array([0, 0, 1, 0, 0.0])}
    details = blame(model, Blame(episode=episode, success=lambda ep: ep["n"][-1] > 1.5)).details
    assert details.ties == (0, 1, 3)
    assert details.chance == pytest.approx(1 / 3)
    assert "equally good" in details.text
    assert set(details.likely) == {0, 1, 3}


def test_necessity_and_sufficiency_against_the_closed_form():
    """y = 2 a + ε, ε ~ N(0, 1); success is y ≥ 1. PN = 1 where 2 + ε ≥ 1 for the episode's ε."""
    model = linear_world(
        (Variable("y"), Variable("a", Role.ACTION, Kind.BINARY)), {"y": {("a", 1): 2.0}}, sigma=1.0
    )
    episode = {"y": np.array([0.0, -0.3]), "a": np.array([0.0, 0.0])}
    query = Blame(episode=episode, success=lambda ep: ep["y"][-1] >= 1, samples=4000)
    details = blame(model, query).details
    from scipy.stats import norm

    assert details.necessity == (1.0,)
    both = norm.cdf(1) - norm.cdf(-1)  # fails without and succeeds with: −1 ≤ ε < 1
    assert details.both[0] == pytest.approx(both, abs=0.03)
    assert details.sufficiency[0] == pytest.approx(both / norm.cdf(1), abs=0.03)
    assert details.still[0] == pytest.approx(norm.cdf(-1), abs=0.03)


def test_levels_make_a_bound_and_shares_sum_up():
    model = machine()
    episode = {
        "mode": ["slow", "off", "off", "off", "off"],
        "heat": [2.0, 1.9, 0.9, 0.5, 0.2],
        "switch": [0, 0, 0, 0, 0],
    }
    query = Blame(episode=episode, success=Goal(keep={"heat": (1.5, None)}))
    out = blame(model, query)
    assert out.status == "bounded"
    assert 0 < out.details.success <= 1
    total = sum(s.value for s in out.details.shares)
    assert total == pytest.approx(out.details.shared, abs=1e-6)
    assert out.details.best.instead == 1.0


def test_the_moment_after_which_it_was_lost(answer):
    details = answer.details
    assert details.turning == 8
    assert details.no_return == 8
    assert details.ahead[7] > 0.5 > details.ahead[8]
    assert max(details.still) < 0.05


def test_shares_name_the_row(answer):
    shares = answer.details.shares
    top = max(shares, key=lambda s: s.value)
    assert (top.variable, top.first, top.last) == ("Q", 7, 7)
    assert sum(s.value for s in shares) == pytest.approx(answer.details.shared, abs=1e-6)


def test_another_episode_of_the_same_bucket_compiles_nothing(model):
    blame(model, Blame(episode=hot(), success=COLD))
    before = alternatives._run._cache_size()
    for seed, at, rows in ((1, 3, 16), (2, 9, 13)):
        out = blame(model, Blame(episode=hot(seed, (at,), rows), success=COLD))
        assert out.details.best.row == at
    assert alternatives._run._cache_size() == before


def test_written_down_and_read_again(model, answer):
    assert Answer.from_json(answer.to_json()) == answer
    spoken = blame(model, Blame(episode=hot(), success=lambda ep: ep["T"].max() < 1.5, samples=2))
    again = Answer.from_json(spoken.to_json())
    assert again.details == spoken.details
    with pytest.raises(QueryError, match="not kept"):
        dw.ask(model, again.query)


def test_the_figure_has_its_panels(answer):
    fig = answer.figure()
    names = {t.name for t in fig.data}
    assert {"as it was", "with the best change", "decisive", "best response tried"} <= names
    heat = next(t for t in fig.data if t.type == "heatmap")
    assert np.array(heat.z).shape == (7, 15)


def test_the_same_seed_gives_the_same_answer(model, answer):
    assert blame(model, Blame(episode=hot(), success=COLD)) == answer


@pytest.mark.parametrize(
    ("success", "said"),
    [
        (lambda ep: 1 / 0, "raised ZeroDivisionError"),
        (lambda ep: 0.3, r"returned 0\.3"),
        (lambda ep: ep["T"] < 2, "an array of shape"),
        (lambda ep: ep[3] < 2, "read by name"),
        (Goal(maximise="T"), "says not what success is"),
        (Goal(limit={"T": (None, 2.0)}, target={"T": 9.0}), "apart"),
    ],
)
def test_success_that_is_none_is_one_line(model, success, said):
    with pytest.raises(QueryError, match=said) as error:
        blame(model, Blame(episode=hot(), success=success))
    assert "\n" not in str(error.value)


def test_malformed_questions(model):
    with pytest.raises(UnknownNameError, match="TT"):
        blame(model, Blame(episode=hot(), success=lambda ep: ep["TT"].max() < 2))
    with pytest.raises(UnknownNameError):
        blame(model, Blame(episode=hot() | {"Z": np.zeros(16)}, success=COLD))
    with pytest.raises(QueryError, match="D has no value"):
        blame(model, Blame(episode={n: c for n, c in hot().items() if n != "D"}, success=COLD))
    with pytest.raises(QueryError, match="one row"):
        blame(model, Blame(episode={n: c[:1] for n, c in hot().items()}, success=COLD))
    with pytest.raises(QueryError, match="changes actions"):
        blame(model, Blame(episode=hot(), success=COLD, actions="W"))
    with pytest.raises(QueryError, match="bounds"):
        blame(model, Blame(episode=hot(), success=COLD, alternatives={"Q": (9.0,)}))
    with pytest.raises(QueryError, match="changes actions"):
        blame(model, Blame(episode=hot(), success=COLD, reacts={"T": Feedback(weights={"D": 1.0})}))
    with pytest.raises(UnknownNameError, match="QQ"):
        blame(model, Blame(episode=hot(), success=COLD, actions="QQ"))
    with pytest.raises(UnknownNameError, match="QQ"):
        blame(model, Blame(episode=hot(), success=COLD, alternatives={"QQ": (1.0,)}))
    with pytest.raises(UnknownNameError, match="QQ"):
        blame(model, Blame(episode=hot(), success=COLD, reacts={"QQ": Feedback(weights={})}))
    with pytest.raises(UnknownNameError, match="TT"):
        blame(model, Blame(episode=hot(), success=COLD, reacts={"Q": Feedback(weights={"TT": 1})}))
    with pytest.raises(QueryError, match="success is a Goal or a function"):
        Blame(episode=hot(), success=3)
