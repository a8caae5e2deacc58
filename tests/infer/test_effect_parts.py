"""Effects in a part of a population, of numbers and without overlap: never another question's."""

import numpy as np
import polars as pl
import pytest

import doworld as dw
from doworld.infer.effect import effect_of
from doworld.query import Effect, Status
from effect_tables import covers, graph, table

SIZE = 2000


def coins(rng, chance=0.5, size=SIZE):
    return (rng.random(size) < chance).astype(int)


def mediated():
    rng = np.random.default_rng(0)
    x, t = coins(rng), coins(rng)
    m = coins(rng, np.where(t == 1, 0.8, 0.2))
    y = t * np.where(x == 1, 3.0, 1.0) + m + x + rng.normal(size=SIZE)
    log = table(x=x, t=t, m=m, y=y)
    return log, graph(log, "t m", "x y", "m y", "t y")


@pytest.mark.parametrize(("level", "truth"), [(1, 3.0), (0, 1.0)])
def test_a_direct_effect_is_of_the_part_that_is_asked_about(level, truth):
    log, g = mediated()
    ask = {"treatment": "t", "outcome": "y", "mediator": "m", "level": 0.99}
    assert covers(effect_of(log, g, Effect(**ask, estimand="nde", given={"x": level})), truth)
    held = Effect(**ask, estimand="cde", given={"x": level, "m": 1})
    assert covers(effect_of(log, g, held), truth)


def test_an_instrument_does_not_answer_for_a_part_of_the_rows():
    rng = np.random.default_rng(1)
    u, z, k = rng.normal(size=SIZE), coins(rng), coins(rng)
    d = z + u + rng.normal(size=SIZE)
    y = d * np.where(k == 1, 3.0, 1.0) + 2 * u + rng.normal(size=SIZE)
    log = table(k=k, z=z, d=d, y=y)
    g = graph(log, "z d", "k y", "d y", hidden=("y d",))
    for named in ((), ("z",)):
        ask = Effect(
            treatment="d", outcome="y", levels=(0.0, 1.0), instrument=named, given={"k": 1}
        )
        answer = effect_of(log, g, ask)
        assert answer.status is Status.NOT_IDENTIFIED
        assert answer.fix


def test_a_front_door_is_of_the_part_that_is_asked_about_and_of_logged_levels():
    rng = np.random.default_rng(2)
    size = 6000
    u, k = rng.normal(size=size), rng.choice([1.0, 2.0, 7.0], size=size)
    t = (u + rng.normal(size=size) > 0).astype(int)
    m = coins(rng, np.where(t == 1, 0.9, 0.1), size)
    y = coins(rng, np.clip(0.3 + np.where(k == 7, 0.6, 0.1) * m + 0.1 * np.sign(u), 0, 1), size)
    log = table(k=k, t=t, m=m, y=y)
    g = graph(log, "t m", "k y", "m y", hidden=("y t",))
    ask = {"treatment": "t", "outcome": "y", "level": 0.99}
    assert covers(effect_of(log, g, Effect(**ask, given={"k": 7.0})), 0.48)
    assert covers(effect_of(log, g, Effect(**ask, given={"k": 2.0})), 0.08)
    for never in (5.0, 9.0):
        answer = effect_of(log, g, Effect(**ask, given={"k": never}))
        assert answer.status is Status.NOT_IDENTIFIED
        assert "No row of the log has k" in answer.why.warnings[0]


def lopsided():
    rng = np.random.default_rng(3)
    x = coins(rng, 0.1)
    t = np.where(x == 1, 1, coins(rng))
    y = t * np.where(x == 1, -2.0, 1.0) + 3 * x + rng.normal(size=SIZE)
    log = table(x=x, t=t, y=y)
    return log, graph(log, "x t", "x y", "t y")


def test_a_stratum_without_overlap_has_no_number():
    log, g = lopsided()
    ask = {"treatment": "t", "outcome": "y"}
    part = effect_of(log, g, Effect(**ask, estimand="cate", given={"x": 1}))
    assert part.status is Status.NOT_IDENTIFIED
    assert "No overlap" in part.why.warnings[0]
    every = effect_of(log, g, Effect(**ask, estimand="cate"))
    assert [p.name for p in every.details.points] == ["x = 0"]
    assert any("x = 1" in w for w in every.why.warnings)
    whole = effect_of(log, g, Effect(**ask))
    assert whole.status is Status.BOUNDED
    assert covers(whole, 0.7)
    assert any("almost surely had the level" in a for a in whole.why.assumptions)


def test_effects_past_a_mediator_need_overlap_too():
    rng = np.random.default_rng(4)
    w = rng.normal(size=SIZE)
    t = np.where(rng.random(SIZE) < 0.004, w <= 0, w > 0).astype(int)
    m = coins(rng, np.where(t == 1, 0.8, 0.2))
    y = t * (1 - 2 * np.abs(w)) + m + 3 * np.maximum(w, 0) + rng.normal(size=SIZE)
    log = table(w=w, t=t, m=m, y=y)
    g = graph(log, "w t", "w y", "t m", "m y", "t y")
    for more in ({"estimand": "nde"}, {"estimand": "cde", "given": {"m": 1}}):
        ask = Effect(treatment="t", outcome="y", mediator="m", **more)
        answer = effect_of(log, g, ask)
        assert answer.status is Status.NOT_IDENTIFIED
        assert "No overlap" in answer.why.warnings[0]


def test_a_dose_that_varies_more_where_it_does_more_has_the_mean_effect():
    rng = np.random.default_rng(5)
    w = coins(rng)
    d = np.where(w == 1, 1.5, 1.0) * rng.normal(size=SIZE)
    y = d * np.where(w == 1, 2.0, 1.0) + w + rng.normal(size=SIZE)
    log = table(w=w, d=d, y=y)
    g = graph(log, "w d", "w y", "d y")
    ask = {"treatment": "d", "outcome": "y", "levels": (0.0, 1.0), "level": 0.99}
    assert covers(effect_of(log, g, Effect(**ask)), 1.5)
    strata = effect_of(log, g, Effect(**ask, estimand="cate")).details.points
    assert all(p.lower <= truth <= p.upper for p, truth in zip(strata, (1.0, 2.0), strict=True))
    assert effect_of(log, g, Effect(**ask, estimand="att")).status is Status.NOT_IDENTIFIED
    only = effect_of(log, g, Effect(**ask, population="overlap"))
    assert only.status is Status.NOT_IDENTIFIED


@pytest.mark.parametrize(("level", "low", "high"), [(1, 0.8, 0.9), (0, 0.0, 0.5)])
def test_sufficiency_is_of_the_part_that_is_asked_about(level, low, high):
    rng = np.random.default_rng(6)
    x, t = coins(rng), coins(rng)
    y = coins(rng, np.where(x == 1, 0.1 + 0.8 * t, 0.5))
    log = table(x=x, t=t, y=y)
    g = graph(log, "x y", "t y")
    ask = Effect(treatment="t", outcome="y", estimand="pns", given={"x": level})
    ends = effect_of(log, g, ask).interval["y"]
    assert ends[0][0] <= low + 0.02
    assert abs(ends[1][0] - high) < 0.1
    assert ends[0][0] > low - 0.15


def test_an_instrument_that_lasts_for_an_episode_is_one_draw_an_episode():
    hit = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        z, c = (np.repeat(rng.normal(size=40), 30) for _ in range(2))
        u = rng.normal(size=1200)
        d = z + u + rng.normal(size=1200)
        y = d + 2 * u + 1.5 * c + rng.normal(size=1200)
        columns = {"ep": np.repeat(np.arange(40), 30), "t": np.tile(np.arange(30), 40)}
        frame = pl.DataFrame({**columns, "z": z, "d": d, "y": y})
        log = dw.Trajectories.from_frame(
            frame, state=["d", "y"], context=["z"], episode="ep", time="t"
        )
        g = graph(log, "z d", "d y", hidden=("y d",))
        ask = Effect(
            treatment="d", outcome="y", instrument="z", levels=(0.0, 1.0), lag=0, level=0.9
        )
        hit.append(covers(effect_of(log, g, ask), 1.0))
    assert sum(hit) >= 9


def test_natural_effects_are_each_against_nobody_treated():
    rng = np.random.default_rng(7)
    t = coins(rng)
    m = coins(rng, np.where(t == 1, 0.8, 0.2))
    y = 2.0 * t * m + t + rng.normal(size=SIZE)
    log = table(t=t, m=m, y=y)
    g = graph(log, "t m", "m y", "t y")
    ask = {"treatment": "t", "outcome": "y", "mediator": "m", "level": 0.99}
    assert covers(effect_of(log, g, Effect(**ask, estimand="nde")), 1.4)
    # without the treatment the mediator does nothing
    through = effect_of(log, g, Effect(**ask, estimand="nie"))
    assert covers(through, 0.0)
    parts = {e.name: e for e in through.details.estimators}
    both = parts["indirect, with the direct one"]
    assert both.lower <= 1.2 <= both.upper
    assert not through.details.agreement  # these are different effects


def test_a_confounder_that_is_half_missing_does_not_confound():
    rng = np.random.default_rng(8)
    x = rng.normal(size=SIZE)
    t = coins(rng, 1 / (1 + np.exp(-x)))
    y = 2.0 * t + x + rng.normal(size=SIZE)
    log = table(x=np.where(coins(rng) == 1, np.nan, x), t=t, y=y)
    g = graph(log, "x t", "x y", "t y")
    answer = effect_of(log, g, Effect(treatment="t", outcome="y", level=0.99))
    assert covers(answer, 2.0)
    assert any("what is held fixed" in w for w in answer.why.warnings)
