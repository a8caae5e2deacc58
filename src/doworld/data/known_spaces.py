"""What the numbers of well-known Gymnasium environments are called, and what depends on what."""

from typing import Any

_STATES: dict[str, tuple[str, ...]] = {
    "CartPole": ("x", "x_dot", "theta", "theta_dot"),
    "Pendulum": ("cos", "sin", "thetadot"),
    "MountainCar": ("position", "velocity"),
    "MountainCarContinuous": ("position", "velocity"),
    "Acrobot": ("cos1", "sin1", "cos2", "sin2", "thetadot1", "thetadot2"),
}

_UNITS: dict[str, dict[str, str]] = {
    "CartPole": {
        "x": "m",
        "x_dot": "m/s",
        "theta": "rad",
        "theta_dot": "rad/s",
        "gravity": "m/s²",
        "length": "m",
        "masspole": "kg",
        "masscart": "kg",
        "force_mag": "N",
    },
    "Pendulum": {
        "thetadot": "rad/s",
        "action": "N m",
        "g": "m/s²",
        "l": "m",
        "m": "kg",
    },
    "Acrobot": {"thetadot1": "rad/s", "thetadot2": "rad/s"},
}


def _stem(env_id: str) -> str:
    return env_id.rsplit("/", 1)[-1].split("-v", maxsplit=1)[0]


def known_state(env_id: str) -> tuple[str, ...] | None:
    """The names of an environment's observed numbers; None where we know none.

    >>> known_state("Pendulum-v1")
    ('cos', 'sin', 'thetadot')
    """
    return _STATES.get(_stem(env_id))


def unit_of(env_id: str, name: str) -> str:
    """The unit of a variable of a well-known environment; "" where we know none."""
    return _UNITS.get(_stem(env_id), {}).get(name, "")


def rederive(env: Any) -> None:
    """Brings attributes that CartPole computes once, when it is made, up to date."""
    if all(hasattr(env, n) for n in ("masspole", "masscart", "length", "polemass_length")):
        env.total_mass = env.masspole + env.masscart
        env.polemass_length = env.masspole * env.length
