"""Closed forms: members spread as far as the data leave them open, and no further than that."""

import numpy as np
import pytest
from model_worlds import linear_log, log_of

from doworld.data import Role, Variable
from doworld.model.closed import fit_closed, fit_linear
from doworld.model.design import design, parents


def plan_for(log, target: str, sources: list[str], *, members: int = 2, own=None):
    """The design, and parents of ``target`` with another graph for the members of ``own``."""
    data = design(log, 1, seed=0)
    every = [{target: [(s, 1) for s in sources]}] * members
    for member, fewer in (own or {}).items():
        every[member] = {target: [(s, 1) for s in fewer]}
    return data, parents(log, data.coding, every, [target])


def test_members_spread_by_the_standard_error():
    log = linear_log((21,) * 60)
    data, plan = plan_for(log, "x", ["x", "u"], members=200)
    fitted = fit_linear(data, plan, 0, seed=0)
    train = data.rows[~data.held]
    inputs = np.c_[np.ones(len(train)), data.gather(plan.columns[0], train)]
    change = data.values[train, 0] - data.values[train - 1, 0]
    weight, squares, *_ = np.linalg.lstsq(inputs, change, rcond=None)
    error = np.sqrt(np.diag(np.linalg.inv(inputs.T @ inputs)) * squares / len(train))
    order = np.argsort(fitted.terms[:, 0])  # the constant, then the inputs
    own = fitted.weight[:, order] * fitted.scale
    np.testing.assert_allclose(own.mean(0), weight, atol=0.02 * np.abs(weight).max())
    np.testing.assert_allclose(own.std(0), error, rtol=0.35)


def test_members_of_one_block_of_excitation_stay_near_the_fit():
    # the action moves in one block only: a resample without it would know nothing of its effect
    rng, rows = np.random.default_rng(0), np.zeros((200, 2))
    rows[100:115, 1] = 1.0
    for t in range(1, 200):
        rows[t, 0] = 0.9 * rows[t - 1, 0] + rows[t - 1, 1] + 0.1 * rng.normal()
    log = log_of((Variable("x"), Variable("u", Role.ACTION)), [rows])
    data, plan = plan_for(log, "x", ["x", "u"], members=20)
    fitted = fit_linear(data, plan, 0, seed=0)
    effect = fitted.final[:, fitted.terms[:, 0].argmax()]
    assert effect.std() < 0.2 * abs(effect.mean())


def test_a_member_with_another_graph_has_its_own_fit():
    data, plan = plan_for(linear_log(), "x", ["x", "u"], members=3, own={2: ["x"]})
    fitted = fit_linear(data, plan, 0, seed=0)
    action = int(fitted.terms[:, 0].argmax())
    assert (fitted.weight[:2, action] != 0).all()
    assert fitted.weight[2, action] == 0


@pytest.mark.parametrize(("noise", "offered"), [(0.5, False), (1e-4, True)])
def test_few_noisy_rows_carry_no_polynomial(noise, offered):
    rng, episodes = np.random.default_rng(0), []
    for _ in range(10):
        rows = rng.normal(size=(30, 4))
        for t in range(1, 30):
            x, a, b, c = rows[t - 1]
            rows[t, 0] = 0.3 * x + a * b + c + noise * rng.normal()
        episodes.append(rows)
    variables = (Variable("x"), *(Variable(n, Role.ACTION) for n in "abc"))
    data, plan = plan_for(log_of(variables, episodes), "x", ["x", "a", "b", "c"])
    assert (2 in fit_closed(data, plan, 0, seed=0)) is offered


def test_spared_rows_are_learned_from_once_all_is_chosen():
    log = linear_log((15,) * 40, noise=0.02)
    data, plan = plan_for(log, "x", ["x", "u"])
    fitted = fit_linear(data, plan, 0, seed=0)
    every = np.union1d(data.rows, data.kept)
    inputs = np.c_[np.ones(len(every)), data.gather(plan.columns[0], every)]
    change = data.values[every, 0] - data.values[every - 1, 0]
    weight = np.linalg.lstsq(inputs, change, rcond=None)[0]
    order = np.argsort(fitted.terms[:, 0])
    np.testing.assert_allclose(fitted.final[:, order].mean(0) * fitted.scale, weight, atol=1e-6)
    assert np.abs(fitted.weight[:, order].mean(0) * fitted.scale - weight).max() > 1e-5
