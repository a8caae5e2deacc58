"""Effects whose truth is known: the right comparison, its interval, and refusals."""

import numpy as np
import polars as pl
import pytest

import doworld as dw
from doworld._core.errors import QueryError, UnknownNameError
from doworld.infer.effect import effect_of
from doworld.query import Answer, Effect, Status
from effect_tables import covers, graph, table

SIZE = 1500


def noise(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def coin(seed, logit):
    rng = np.random.default_rng([seed, 1])
    return (rng.random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(float)


def confounded(seed=0, size=SIZE):
    x, z = noise(seed, 2, size)
    a = coin(seed, x)
    y = 2 * a + 1.5 * x + z + noise(seed + 100, size)
    log = table(x=x, z=z, a=a, y=y)
    return log, graph(log, "x a", "x y", "z y", "a y")


def test_a_confounded_effect_is_the_true_one_and_every_estimator_agrees():
    log, g = confounded()
    answer = effect_of(log, g, Effect(treatment="a", outcome="y", level=0.99))
    assert answer.status is Status.IDENTIFIED
    assert covers(answer, 2.0)
    by_name = {e.name: e for e in answer.details.estimators}
    assert {"doubly robust", "regression", "weighting", "crude"} <= by_name.keys()
    assert by_name["crude"].lower > 2.5
    assert answer.details.agreement.startswith("The estimators agree")
    assert answer.details.refutations
    assert all(r.passed for r in answer.details.refutations)
    assert len(answer.why.refutations) == len(answer.details.refutations)
    assert "x" in answer.why.adjustment


def test_the_same_seed_gives_the_same_answer_and_it_survives_json():
    log, g = confounded(size=400)
    query = Effect(treatment="a", outcome="y")
    one, two = effect_of(log, g, query, seed=3), effect_of(log, g, query, seed=3)
    assert one == two
    assert Answer.from_json(one.to_json()) == one


def test_order_of_rows_and_columns_matters_little():
    log, g = confounded(size=600)
    query = Effect(treatment="a", outcome="y")
    whole = effect_of(log, g, query)
    frame = pl.DataFrame({n: log.column(n) for n in ("y", "a", "z", "x")})
    other = dw.Trajectories.from_frame(frame, state=frame.columns)
    g2 = graph(other, "x a", "x y", "z y", "a y")
    again = effect_of(other, g2, query)
    assert abs(whole.estimate["y"][0] - again.estimate["y"][0]) < 0.05


def test_a_chance_is_compared_for_a_binary_outcome():
    x = noise(1, 2000)
    a = coin(1, 0.8 * x)
    y = coin(2, 0.5 * x + a - 0.5)
    log = table(x=x, a=a, y=y)
    p = 1 / (1 + np.exp(-(0.5 * x + np.array([[0.5], [-0.5]]))))
    answer = effect_of(log, graph(log, "x a", "x y", "a y"), Effect(treatment="a", outcome="y"))
    assert covers(answer, float((p[0] - p[1]).mean()))


def test_a_mediator_is_left_alone_and_a_collider_too():
    u, v, w = noise(3, 3, SIZE)
    a = coin(3, u)
    m = a + noise(4, SIZE)
    y = m + v + u + noise(5, SIZE)
    collider = u + v + 0.3 * w
    log = table(u=u, v=v, c=collider, a=a, m=m, y=y)
    g = graph(log, "u a", "u y", "u c", "v c", "v y", "a m", "m y")
    answer = effect_of(log, g, Effect(treatment="a", outcome="y"))
    assert covers(answer, 1.0)
    held = answer.why.adjustment
    assert "m" not in held.split("equal")[1]
    assert " c" not in held


def test_m_bias_needs_nothing_held_fixed():
    p, q = noise(6, 2, SIZE)
    a = coin(6, p)
    c = p + q + 0.3 * noise(7, SIZE)
    y = q + 0.0 * a + noise(8, SIZE)
    log = table(c=c, a=a, y=y)
    g = graph(log, "a y", hidden=("a c", "c y"))
    assert covers(effect_of(log, g, Effect(treatment="a", outcome="y")), 0.0)
    wrong = effect_of(log, g, Effect(treatment="a", outcome="y", adjust="c"))
    assert not covers(wrong, 0.0)
    assert any("your assumption" in line for line in wrong.why.assumptions)


def test_effects_on_the_treated_and_on_parts_differ_where_they_do():
    x = noise(9, 3000)
    a = coin(9, x)
    y = (1 + x) * a + x + noise(10, 3000)
    log = table(x=x, a=a, y=y)
    g = graph(log, "x a", "x y", "a y")
    treated = float((1 + x)[a == 1].mean())
    ask = {"treatment": "a", "outcome": "y", "level": 0.99}
    assert covers(effect_of(log, g, Effect(**ask)), 1.0)
    assert covers(effect_of(log, g, Effect(**ask, estimand="att")), treated)
    part = Effect(**ask, estimand="cate", given={"x": (0.5, None)})
    assert covers(effect_of(log, g, part), float((1 + x)[x >= 0.5].mean()))
    strata = effect_of(log, g, Effect(treatment="a", outcome="y", estimand="cate"))
    assert len(strata.estimate["y"]) == 2
    assert strata.estimate["y"][0] < strata.estimate["y"][1]


def test_levels_of_a_category_are_each_compared_with_the_most_frequent():
    rng = np.random.default_rng(11)
    x = rng.normal(size=2000)
    code = (rng.random(2000) + 0.2 * np.tanh(x) > 0.5).astype(int) + (rng.random(2000) > 0.7)
    y = np.array([0.0, 1.0, 3.0])[code] + x + rng.normal(size=2000)
    log = table(x=x, drug=np.array(["none", "old", "new"])[code], y=y)
    g = graph(log, "x drug", "x y", "drug y")
    answer = effect_of(log, g, Effect(treatment="drug", outcome="y", levels=("none", "new")))
    assert covers(answer, 3.0)
    every = effect_of(log, g, Effect(treatment="drug", outcome="y"))
    assert len(every.estimate["y"]) == 2


def test_a_dose_has_a_curve_and_contrasts():
    rng = np.random.default_rng(12)
    x = rng.normal(size=1500)
    a = 0.7 * x + rng.normal(size=1500)
    y = 2 * np.sin(a) + x + 0.5 * rng.normal(size=1500)
    log = table(x=x, a=a, y=y)
    g = graph(log, "x a", "x y", "a y")
    curve = effect_of(
        log, g, Effect(treatment="a", outcome="y", estimand="dose", levels=(-1.0, 0.0, 1.0))
    )
    found = curve.estimate["y"]
    assert np.abs(found - 2 * np.sin([-1, 0, 1])).max() < 0.35
    two = effect_of(log, g, Effect(treatment="a", outcome="y", levels=(0.0, 1.0), level=0.99))
    assert covers(two, 2 * np.sin(1.0))


def test_a_linear_dose_takes_the_line():
    rng = np.random.default_rng(13)
    x = rng.normal(size=800)
    a = x + rng.normal(size=800)
    log = table(x=x, a=a, y=1.5 * a + x**2 + rng.normal(size=800))
    g = graph(log, "x a", "x y", "a y")
    answer = effect_of(log, g, Effect(treatment="a", outcome="y", levels=(0.0, 2.0)))
    assert covers(answer, 3.0)


def test_an_effect_over_time_holds_the_rows_before_fixed():
    rng = np.random.default_rng(14)
    x, a = np.zeros(1200), np.zeros(1200)
    for t in range(1, 1200):
        x[t] = 0.6 * x[t - 1] + 0.8 * (a[t - 1] - 0.5) + 0.5 * rng.normal()
        a[t] = float(rng.random() < 1 / (1 + np.exp(-2 * x[t])))
    frame = pl.DataFrame({"t": np.arange(1200.0), "x": x, "a": a})
    log = dw.Trajectories.from_frame(frame, state="x", action="a", time="t")
    g = dw.CausalGraph(("x", "a"), (dw.Edge("x", "x"), dw.Edge("a", "x")))
    answer = effect_of(log, g, Effect(treatment="a", outcome="x", level=0.99))
    assert covers(answer, 0.8, "x")
    assert answer.details.units < answer.details.rows
    crude = next(e for e in answer.details.estimators if e.name == "crude")
    assert crude.lower > 0.8


def test_no_overlap_is_a_refusal_that_says_so_and_the_overlap_population_may_be_asked():
    x = noise(15, 2000)
    a = (x + 0.25 * noise(16, 2000) > 0).astype(float)
    y = a + x + noise(17, 2000)
    log = table(x=x, a=a, y=y)
    g = graph(log, "x a", "x y", "a y")
    answer = effect_of(log, g, Effect(treatment="a", outcome="y"))
    assert answer.status is Status.NOT_IDENTIFIED
    assert "No overlap" in answer.why.warnings[0]
    assert answer.estimate["y"] is None
    assert answer.details.overlap.outside > 0.15
    part = effect_of(log, g, Effect(treatment="a", outcome="y", population="overlap", level=0.99))
    assert part.status is Status.IDENTIFIED
    assert "may have had either" in part.details.population
    assert covers(part, 1.0)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"treatment": "b"}, UnknownNameError, "no variable is called 'b'"),
        ({"outcome": "a"}, QueryError, "both 'a'"),
        ({"adjust": "y"}, QueryError, "is the outcome"),
        ({"lag": 2}, QueryError, "without time"),
        ({"estimand": "nde"}, QueryError, "no mediator"),
        ({"mediator": "z"}, QueryError, "ways through it"),
        ({"levels": (1,)}, QueryError, "two levels"),
        ({"levels": (1, 1)}, QueryError, "twice"),
        ({"event": 1}, dw.DoworldError, "Leave event out"),
    ],
)
def test_what_is_not_well_formed_is_one_line(change, error, says):
    log, g = confounded(size=100)
    with pytest.raises(error, match=says):
        effect_of(log, g, Effect(**({"treatment": "a", "outcome": "y"} | change)))


def refused(log, g, **query):
    answer = effect_of(log, g, Effect(**query))
    assert answer.status is Status.NOT_IDENTIFIED
    assert answer.estimate[query["outcome"]] is None
    assert answer.fix
    return answer.why.warnings[0]


@pytest.mark.filterwarnings("ignore::doworld.DoworldWarning")
def test_what_the_log_cannot_say_is_refused():
    x = noise(18, 200)
    log = table(x=x, a=np.zeros(200), y=x + noise(19, 200), d=x + 1.0)
    g = graph(log, "x y", "a y", "y d")
    assert "nothing to compare" in refused(log, g, treatment="a", outcome="y")
    x_d = refused(log, g, treatment="x", outcome="y", adjust="d")
    assert "by the graph" in x_d
    far = refused(log, g, treatment="x", outcome="y", levels=(0.0, 50.0))
    assert "extrapolation" in far


def test_an_unobserved_common_cause_gives_no_number():
    log, _ = confounded(size=300)
    g = graph(log, "a y", "z y", hidden=("y a",))
    assert "Unobserved common causes" in refused(log, g, treatment="a", outcome="y")


def test_a_direction_that_nobody_knows_gives_no_number():
    log, _ = confounded(size=300)
    names = log.schema.names
    edges = (dw.Edge("x", "a", 0, dw.Mark.UNDIRECTED), dw.Edge("x", "y", 0), dw.Edge("a", "y", 0))
    g = dw.CausalGraph(names, edges, max_lag=0)
    assert "do not say whether" in refused(log, g, treatment="a", outcome="y")
    told = effect_of(log, g, Effect(treatment="a", outcome="y", adjust="x", level=0.99))
    assert covers(told, 2.0)


def test_a_negative_control_that_moves_is_called_out():
    u, x = noise(20, 2, SIZE)
    a = coin(20, x + 1.5 * u)
    y = a + x + 2 * u + noise(21, SIZE)
    before = 2 * u + noise(22, SIZE)
    log = table(x=x, n=before, a=a, y=y)
    g = graph(log, "x a", "x y", "a y")
    answer = effect_of(log, g, Effect(treatment="a", outcome="y", negative_controls="n"))
    line = next(r for r in answer.details.refutations if "negative control n" in r.name)
    assert not line.passed
    assert any("Refutation failed" in w for w in answer.why.warnings)


def test_text_is_readable_and_the_figure_has_its_panels():
    log, g = confounded(size=500)
    answer = effect_of(log, g, Effect(treatment="a", outcome="y"))
    text = str(answer)
    assert max(len(line) for line in text.splitlines()) <= 60
    for word in ("Overlap", "Tipping point", "placebo", "doubly robust"):
        assert word in text
    kinds = [trace.type for trace in answer.figure().data]
    assert {"bar", "contour", "scatter"} <= set(kinds)
