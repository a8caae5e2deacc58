"""The worlds' names in Gymnasium; no world is imported before one of them is made.

Call ``register`` once, before ``gymnasium.make``: since version 1.0 Gymnasium reads no entry
points, so that no package is found without being asked for.
"""

from collections.abc import Mapping
from typing import Any

from doworld._core.errors import MissingExtraError

__all__ = ["ENVIRONMENTS", "register"]

_HOME = "doworld.worlds.gymnasium"

ENVIRONMENTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "doworld/Chemical-chain-v0": ("chemical", {"graph": "chain"}),
    "doworld/Chemical-collider-v0": ("chemical", {"graph": "collider"}),
    "doworld/Chemical-full-v0": ("chemical", {"graph": "full"}),
    "doworld/Chemical-jungle-v0": ("chemical", {"graph": "jungle"}),
    "doworld/ChemicalFork-v0": ("chemical", {"graph": "fork"}),
    "doworld/ChemicalFullFork-v0": (
        "chemical",
        {"graph": "full", "local": "fork", "objects": 10},
    ),
    "doworld/ChemicalFullChain-v0": (
        "chemical",
        {"graph": "full", "local": "chain", "objects": 10},
    ),
    "doworld/Magnetic-v0": ("magnetic", {}),
    "doworld/Crafting-v0": ("crafting", {}),
    "doworld/CraftingRewired-v0": ("crafting", {"rewired": 0}),
}
"""Id → function of ``doworld.worlds.gymnasium`` that makes it, and its arguments."""


def register() -> None:
    """Makes the worlds known to ``gymnasium.make``; those that are known already are left alone.

    Raises ``MissingExtraError`` without Gymnasium.

    >>> register()
    >>> import gymnasium
    >>> gymnasium.make("doworld/Crafting-v0", steps=10).action_space
    Discrete(41)
    """
    try:
        from gymnasium.envs.registration import register as add
        from gymnasium.envs.registration import registry
    except ImportError:
        raise MissingExtraError("gymnasium", "envs", "registering environments") from None
    for name, (maker, arguments) in ENVIRONMENTS.items():
        if name not in registry:
            add(name, entry_point=f"{_HOME}:{maker}", kwargs=dict(arguments))
