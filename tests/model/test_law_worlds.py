"""Textbook worlds without noise: the law is found as it stands in the book, and no more."""

import numpy as np
import pytest

from doworld.data import Policy, Role, Schema, Trajectories, Variable
from doworld.model.design import design, parents
from doworld.model.law_fit import fit_law
from doworld.model.law_words import labels, plain_term

TAU = 0.1


def spring(s, u, k):
    return s[1], u - k * s[0] - 0.3 * s[1]


def thrown(s, u, drag):
    speed = np.hypot(*s)
    return u - drag * speed * s[0], -9.8 - drag * speed * s[1]


def tanks(s, u, valve):
    one, other = np.sqrt(np.maximum(s, 0.0))
    return u - valve * one, valve * one - 0.6 * other


def prey(s, u, growth):
    return (growth - u - 0.8 * s[1]) * s[0], (0.5 * s[0] - 0.9) * s[1]


WORLDS = {
    "spring": (spring, (-2, 2), (-2, 2), (1.0, 3.0)),
    "thrown": (thrown, (-8, 8), (-1, 1), (0.02, 0.08)),
    "tanks": (tanks, (0.5, 4.0), (0, 2), (0.6, 1.0)),
    "prey": (prey, (0.5, 3.0), (0, 0.3), (0.8, 1.4)),
}
NAMES = ("a", "b", "u", "c")


def _log(name, *, episodes=32, rows=21, seed=0):
    step, start, push, range_ = WORLDS[name]
    rng = np.random.default_rng(seed)
    levels = np.linspace(*range_, 8)
    values = np.zeros((episodes, rows, 4))
    for e in range(episodes):
        s, c = rng.uniform(*start, 2), levels[e % 8]
        for t in range(rows):
            u = rng.uniform(*push)
            values[e, t] = *s, u, c
            s = s + TAU * np.array(step(s, u, c))
    values[:, -1, 2] = np.nan
    schema = Schema(
        (
            Variable("a"),
            Variable("b"),
            Variable("u", role=Role.ACTION),
            Variable("c", role=Role.CONTEXT),
        ),
        policy=Policy.RANDOMISED,
        environments=tuple(f"c={c:g}" for c in levels),
    )
    return Trajectories(
        schema=schema,
        values=values.reshape(-1, 4),
        starts=np.arange(0, episodes * rows + 1, rows),
        times=np.tile(np.arange(float(rows)), episodes),
        environment=np.arange(episodes) % 8,
        terminated=np.zeros(episodes, bool),
        truncated=np.ones(episodes, bool),
        labels=tuple(str(e) for e in range(episodes)),
    )


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("spring", {"a": {"b"}, "b": {"b", "u", "a·c"}}),
        ("thrown", {"a": {"u", "a·c·√(a² + b²)"}, "b": {"", "b·c·√(a² + b²)"}}),
        ("tanks", {"a": {"u", "c·√a"}, "b": {"√b", "c·√a"}}),
        ("prey", {"a": {"a·b", "a·u", "a·c"}, "b": {"b", "a·b"}}),
    ],
)
def test_the_law_is_found_as_it_stands(name, terms):
    log = _log(name)
    data = design(log, 1, seed=0)
    for target, expected in terms.items():
        causes = [(n, 1) for n in NAMES]
        plan = parents(log, data.coding, [{target: causes}], [target])
        law = fit_law(log.schema, data, plan, 0, seed=0)
        called = labels(log.schema, data.coding, plan.columns[0].tolist(), latex=False)
        assert {plain_term(term, called) for term in law.terms} == expected
        assert law.unexplained < 1e-9
