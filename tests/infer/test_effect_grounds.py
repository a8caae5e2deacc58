"""What an effect's answer says that it takes for granted."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import doworld as dw
from doworld.data import Policy
from doworld.infer.effect import effect_of
from doworld.infer.effects.adjustment import SIMPLE
from doworld.query import Effect


def trial(policy: Policy):
    """A treatment that was drawn by a coin, a mediator and an outcome that it moves."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 2, 800)
    m = (rng.random(800) < 0.3 + 0.4 * a).astype(int)
    y = (rng.random(800) < 0.2 + 0.3 * m + 0.2 * a).astype(int)
    log = dw.Trajectories.from_frame(
        pl.DataFrame({"a": a, "m": m, "y": y}), state=["m", "y"], action="a"
    )
    log = replace(log, schema=replace(log.schema, policy=policy))
    links = (dw.Edge("a", "m", 0), dw.Edge("m", "y", 0), dw.Edge("a", "y", 0))
    return log, dw.CausalGraph(log.schema.names, links, max_lag=0)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"estimand": "pn"},
        {"estimand": "nde", "mediator": "m"},
        {"estimand": "cde", "mediator": "m", "given": {"m": 1}},
    ],
)
def test_randomised_actions_spare_one_assumption_alone(asked):
    query = Effect(treatment="a", outcome="y", **asked)
    told = {p: effect_of(*trial(p), query).why.assumptions for p in Policy}
    randomised, unknown = told[Policy.RANDOMISED], told[Policy.UNKNOWN]
    assert randomised[0] == "The logged a was randomised."
    assert SIMPLE not in randomised
    assert set(randomised[1:]) == set(unknown) - {SIMPLE}
    assert bool(randomised[1:]) == ("mediator" in asked)
