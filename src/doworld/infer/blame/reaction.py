"""Actions that react: policies that are followed in the rows after a change."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from doworld.infer.interventions import check_order
from doworld.infer.reach import Reach
from doworld.infer.setup import sweeps
from doworld.model.dynamics import Followed
from doworld.model.world import WorldModel
from doworld.query import Blame, Follow
from doworld.query.done import Done, arrays

__all__ = ["Reaction", "reaction"]


@dataclass(frozen=True, eq=False)
class Reaction:
    """The policies of the actions that react, and what acts on what when they do."""

    model: WorldModel
    done: Done
    reach: Reach

    @property
    def chance(self) -> bool:
        """Whether a policy draws what it does."""
        return self.done.chance

    def followed(self, window: Float[np.ndarray, "lags variables"], steps: int) -> Followed:
        """The policies in scaled units, on in all rows 0…``steps``; a world says in which."""
        model, size = self.model, len(self.model.schema)
        policies, on = self.done.stacked()
        on = np.repeat(on[:1], steps + 1, 0).astype(np.float32)
        first = window[0] if len(window) else np.zeros(size)
        return Followed(
            policies=jax.tree.map(_array, policies.scaled(model.center, model.scale)),
            on=jnp.asarray(on),
            luck=jnp.full(on.shape, 0.5),
            before=_array(first),
            gain=jnp.ones(size),
            offset=jnp.zeros(size),
            sweeps=sweeps(model, self.reach, self.done),
        )


def reaction(model: WorldModel, query: Blame, rows: int) -> Reaction | None:
    """What reacts in ``query``; None where nothing does.

    Raises ``QueryError`` where a policy is malformed or reads what follows from its own choice.
    """
    if not query.reacts:
        return None
    follows = [Follow(name, policy) for name, policy in query.reacts.items()]
    done = arrays(model.schema, follows, rows)
    reach = Reach.of(model)
    check_order(model.schema, done, reach)
    return Reaction(model, done, reach.following(done))


def _array(leaf):
    array = np.asarray(leaf)
    return jnp.asarray(array if array.dtype.kind in "iu" else array.astype(np.float32))
