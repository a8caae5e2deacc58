"""A ball and a box on a table: where both are red, the box draws the ball.

With p the ball's place, q the box's, r = |q − p|, a the push, and c = 1 where both are red,

    p(t+1) = p + push · a + c · pull · (q − p) / (1 + r) + σ ε,    q(t+1) = q + σ ε,    ε ~ N(0, 1).

So the box acts on the ball in one of four contexts only (a two-dimensional world after the Magnetic
environment of Hwang et al. 2024, "Fine-grained causal dynamics learning with quantization").
"""

import numpy as np
from scipy.stats import norm

from doworld.data import Kind, Policy, Role, Schema, Variable
from doworld.graph import CausalGraph, Edge
from doworld.worlds.world import World

__all__ = ["Magnetic"]

PLACES = ("ball_x", "ball_y", "box_x", "box_y")
COLOURS = ("ball_red", "box_red")
PUSHES = ("push_x", "push_y")


class Magnetic(World):
    """A ball that is pushed about, and a box that may draw it.

    Args:
        red: the chance of either to be red at the start; the colours stay. A pair gives the ball's
            and the box's.
        box: the standard deviation of where the box starts; the ball starts with 1.
        push, pull, noise: how strongly an action and the box move the ball, and σ.

    >>> world = Magnetic()
    >>> [str(e) for e in world.graph.edges() if e.source == "box_x"]
    ['box_x(t-1) --> ball_x(t)', 'box_x(t-1) --> ball_y(t)', 'box_x(t-1) --> box_x(t)']
    >>> world.collect(4, 25, seed=0).transitions
    100
    """

    def __init__(
        self,
        *,
        red: float | tuple[float, float] = 0.5,
        box: float = 1.0,
        push: float = 0.2,
        pull: float = 0.3,
        noise: float = 0.02,
    ) -> None:
        self.red = red if isinstance(red, tuple) else (red, red)
        self.box, self.push, self.pull, self.noise = box, push, pull, noise
        self.schema = Schema(
            (
                *map(Variable, PLACES),
                *(Variable(n, kind=Kind.BINARY, bounds=(0.0, 1.0)) for n in COLOURS),
                *(Variable(n, Role.ACTION, bounds=(-1.0, 1.0)) for n in PUSHES),
            ),
            policy=Policy.RANDOMISED,
        )
        self.order = tuple(range(6))
        ball = [(s, b) for b in PLACES[:2] for s in (*PLACES, *COLOURS)]
        own = [*zip(PUSHES, PLACES[:2], strict=True), *((b, b) for b in (*PLACES[2:], *COLOURS))]
        self.graph = CausalGraph(self.schema.names, tuple(Edge(a, b) for a, b in (*ball, *own)))

    def start(self, rng, count):
        """Both anywhere around the middle, in colours drawn at random."""
        rows = np.zeros((count, len(self.schema)))
        rows[:, :4] = rng.standard_normal((count, 4)) * (1.0, 1.0, self.box, self.box)
        rows[:, 4:6] = rng.uniform(size=(count, 2)) < self.red
        return rows

    def attracted(self, rows):
        """Whether the box acts on the ball: where both are red."""
        return (rows[..., 4] > 0.5) & (rows[..., 5] > 0.5)

    def mechanism(self, variable, row, before, noise):
        """The equations above."""
        here, moved = before[:, variable], self.noise * norm.ppf(noise)
        if variable >= 4:
            return here
        if variable >= 2:
            return here + moved
        apart = before[:, 2:4] - before[:, :2]
        drawn = apart[:, variable] / (1 + np.linalg.norm(apart, axis=1))
        pulled = self.attracted(before) * self.pull * drawn
        return here + self.push * before[:, 6 + variable] + pulled + moved
