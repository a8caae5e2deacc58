"""Logs from Minari datasets and back.

A dataset's observations become state variables, its actions action variables and its rewards the
reward variable, flattened by ``doworld.data.spaces``. What Minari has no place for (contexts,
environments, time stamps, labels, kinds and units) is kept in the dataset's metadata and in each
episode's infos under names that begin with ``doworld``, where other readers leave it alone.
"""

import json
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np

from doworld._core.errors import DataError, MissingExtraError, SchemaError, UnknownNameError
from doworld.data.known_spaces import known_state, unit_of
from doworld.data.schema import Kind, Role, Schema, Variable
from doworld.data.spaces import FlatSpace, flat_space
from doworld.data.trajectories import Trajectories

__all__ = ["from_minari", "to_minari"]

_KEY = "doworld"
_EXTRA = "doworld_rows"
_SEED = re.compile(r"seed (\d+)$")


def _minari() -> Any:
    # Minari's own storage needs the first two, and does not declare them
    for package, module in (("h5py", "h5py"), ("pillow", "PIL"), ("minari", "minari")):
        try:
            import_module(module)
        except ImportError:
            purpose = "reading and writing Minari datasets"
            raise MissingExtraError(package, "envs", purpose) from None
    return import_module("minari")


def from_minari(
    dataset: Any, *, names: Sequence[str] | None = None, action_names: Sequence[str] | None = None
) -> Trajectories:
    """The log of a Minari dataset, or of the local dataset with this id (never downloaded).

    ``names`` and ``action_names`` name the flattened observations and actions; by default they are
    made of the keys of the spaces, or known from the environment. Each episode has T+1 rows; its
    seed is in its label. Raises ``UnknownNameError`` for an id that is not stored here and
    ``SchemaError`` for spaces that hold no variables.
    """
    minari = _minari()
    if isinstance(dataset, str):
        try:
            dataset = minari.load_dataset(dataset)
        except FileNotFoundError:
            raise UnknownNameError(
                "local Minari dataset", dataset, minari.list_local_datasets()
            ) from None
    episodes = list(dataset.iterate_episodes())
    if not episodes:
        raise DataError("the dataset has no episodes. Check its filter.")
    metadata = dataset.storage.metadata
    kept = json.loads(metadata[_KEY]) if _KEY in metadata else None
    spec = dataset.env_spec
    env_id = spec.id if spec is not None else ""
    spaces = (
        flat_space(dataset.observation_space, Role.STATE, names or _known(env_id), prefix="obs"),
        flat_space(dataset.action_space, Role.ACTION, action_names, prefix="action"),
    )
    seeds = [m.get("seed") for m in dataset.storage.get_episode_metadata([e.id for e in episodes])]
    log = _plain_log(episodes, seeds, spaces, env_id, str(metadata.get("dataset_id", "")))
    return log if kept is None else _restored(log, episodes, kept)


def _known(env_id: str) -> tuple[str, ...] | None:
    return known_state(env_id) if env_id else None


def _plain_log(
    episodes: list[Any],
    seeds: list[Any],
    spaces: tuple[FlatSpace, FlatSpace],
    env_id: str,
    dataset_id: str,
) -> Trajectories:
    """The log as any Minari dataset tells it."""
    blocks = [_block(e, spaces) for e in episodes]
    lengths = [len(b) for b in blocks]
    reward = Variable("reward", Role.REWARD)
    variables = [*spaces[0].variables, *spaces[1].variables, reward]
    left_out = sorted({k for e in episodes for k in (e.infos or {})} - {_EXTRA})
    notes = [f"read from the Minari dataset {dataset_id}"]
    if left_out:
        notes.append(f"the dataset's infos were left out: {', '.join(left_out)}")
    early = [str(e.id) for e in episodes if (e.terminations | e.truncations)[:-1].any()]
    if early:
        notes.append(f"episodes that go on after a termination flag: {', '.join(early[:8])}")
    return Trajectories(
        schema=Schema(tuple(replace(v, unit=unit_of(env_id, v.name)) for v in variables)),
        values=np.concatenate(blocks),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        times=np.concatenate([np.arange(n, dtype=np.float64) for n in lengths]),
        environment=np.zeros(len(blocks), np.int64),
        terminated=np.array([bool(e.terminations[-1:].any()) for e in episodes]),
        truncated=np.array([bool(e.truncations[-1:].any()) for e in episodes]),
        labels=tuple(
            f"{e.id} seed {s}" if s is not None else str(e.id)
            for e, s in zip(episodes, seeds, strict=True)
        ),
        notes=tuple(notes),
    )


def _block(episode: Any, spaces: tuple[FlatSpace, FlatSpace]) -> np.ndarray:
    steps = len(episode.rewards)
    try:
        states = spaces[0].flatten_many(episode.observations, steps + 1)
        actions = spaces[1].flatten_many(episode.actions, steps)
    except ValueError as error:
        raise DataError(
            f"episode {episode.id} does not have {steps + 1} observations and {steps} actions for "
            f"its {steps} rewards ({error}). Record the last observation too."
        ) from None
    block = np.full((steps + 1, states.shape[1] + actions.shape[1] + 1), np.nan)
    block[:, : states.shape[1]] = states
    block[:-1, states.shape[1] : -1] = actions
    block[:-1, -1] = episode.rewards
    return block


def _restored(log: Trajectories, episodes: list[Any], kept: dict) -> Trajectories:
    """The log with what doworld had stored beside the dataset's own arrays."""
    schema = Schema.from_dict(kept["schema"])
    extra = np.concatenate([np.asarray(e.infos[_EXTRA], np.float64) for e in episodes])
    values = np.full((log.rows, len(schema)), np.nan)
    for role in (Role.STATE, Role.ACTION):
        values[:, schema.positions(role)] = log.values[:, log.schema.positions(role)]
    for name, column in zip(kept["extra"], extra.T, strict=True):
        if name in schema.index:
            values[:, schema.position(name)] = column
    ids = [int(e.id) for e in episodes]
    return Trajectories(
        schema=schema,
        values=values,
        starts=log.starts,
        times=extra[:, -2],
        environment=np.array([kept["environment"][i] for i in ids], np.int64),
        terminated=np.array([kept["terminated"][i] for i in ids], bool),
        truncated=np.array([kept["truncated"][i] for i in ids], bool),
        labels=tuple(kept["labels"][i] for i in ids),
        propensity=extra[:, -1] if kept["propensity"] else None,
        notes=tuple(kept["notes"]),
    )


@dataclass(frozen=True)
class _Target:
    """The spaces and the environment that a dataset is written for."""

    state: FlatSpace
    action: FlatSpace
    spec: Any


def to_minari(
    log: Trajectories,
    dataset_id: str,
    *,
    like: Any = None,
    env: Any = None,
    observation_space: Any = None,
    action_space: Any = None,
    **about: Any,
) -> Any:
    """Stores the log as the local Minari dataset ``dataset_id`` (such as "lab/rig-v0").

    Args:
        log: a log with actions; its first reward variable becomes the rewards (0 without one).
        dataset_id: the id; Minari keeps data under the environment variable
            ``MINARI_DATASETS_PATH``.
        like: a Minari dataset whose spaces and environment are used: then ``from_minari`` followed
            by ``to_minari`` gives the same arrays again.
        env: a Gymnasium id whose spaces are used.
        observation_space, action_space: the spaces to write; by default boxes and discrete spaces
            made from the schema.
        about: author, author_email, description, algorithm_name, code_permalink and other words of
            ``minari.create_dataset_from_buffers``.

    Returns the ``MinariDataset``. Raises ``SchemaError`` for a static table, a log without actions
    or spaces that do not fit, and ``DataError`` for an id that exists or values a space cannot
    hold.
    """
    minari = _minari()
    if log.schema.static or not log.schema.of(Role.ACTION):
        raise SchemaError(
            "Minari stores transitions with actions, and this log has none. "
            "Write it as CSV or Parquet: log.write('log.parquet')."
        )
    target = _target(log, like, env, observation_space, action_space)
    buffers = [_buffer(log, i, target) for i in range(len(log))]
    if target.spec is not None:
        about = {"env": target.spec, **about}
    with warnings.catch_warnings():
        # Minari warns of every word about the data that is not given
        warnings.simplefilter("ignore", UserWarning)
        try:
            dataset = minari.create_dataset_from_buffers(
                dataset_id,
                buffer=buffers,
                observation_space=target.state.space,
                action_space=target.action.space,
                **about,
            )
        except ValueError as error:
            raise DataError(f"the dataset {dataset_id!r} cannot be written: {error}") from None
    dataset.storage.update_metadata({_KEY: json.dumps(_kept(log))})
    return dataset


def _extra(log: Trajectories) -> list[str]:
    """The variables that the dataset's own arrays cannot hold in full."""
    actions = log.schema.positions(Role.ACTION)
    last = log.starts[1:] - 1
    filled = bool((~np.isnan(log.values[last[:, None], actions])).any())
    return [
        *log.schema.of(Role.CONTEXT),
        *log.schema.of(Role.REWARD),
        *(log.schema.of(Role.ACTION) if filled else ()),
    ]


def _kept(log: Trajectories) -> dict:
    return {
        "schema": log.schema.to_dict(),
        # the infos' last two columns are the times and the propensities
        "extra": [*_extra(log), "", ""],
        "environment": log.environment.tolist(),
        "terminated": log.terminated.tolist(),
        "truncated": log.truncated.tolist(),
        "labels": list(log.labels),
        "propensity": log.propensity is not None,
        "notes": list(log.notes),
    }


def _target(
    log: Trajectories, like: Any, env: Any, observation_space: Any, action_space: Any
) -> _Target:
    import gymnasium

    spec = None
    if like is not None:
        observation_space = observation_space or like.observation_space
        action_space = action_space or like.action_space
        known = like.env_spec is not None and like.env_spec.id in gymnasium.registry
        spec = like.env_spec if known else None
    elif env is not None:
        made = gymnasium.make(env)
        observation_space = observation_space or made.observation_space
        action_space = action_space or made.action_space
        spec = made.spec
        made.close()
    chosen = []
    for role, space in ((Role.STATE, observation_space), (Role.ACTION, action_space)):
        variables = [v for v in log.schema.variables if v.role is role]
        space = _space(variables) if space is None else space  # noqa: PLW2901
        chosen.append(flat_space(space, role, [v.name for v in variables], prefix=""))
    return _Target(chosen[0], chosen[1], spec)


def _space(variables: list[Variable]) -> Any:
    """A Gymnasium space for variables: one discrete, several discrete, a box, or a tuple."""
    from gymnasium import spaces

    levels = [v.levels for v in variables]
    if all(levels):
        return spaces.Discrete(levels[0]) if len(levels) == 1 else spaces.MultiDiscrete(levels)
    if not any(v.kind is Kind.CATEGORICAL for v in variables):
        low = np.array([v.bounds[0] for v in variables])
        high = np.array([v.bounds[1] for v in variables])
        return spaces.Box(low, high, dtype=np.float64)
    return spaces.Tuple([_space([v]) for v in variables])


def _buffer(log: Trajectories, number: int, target: _Target) -> Any:
    from minari.data_collector import EpisodeBuffer

    episode = log.episode(number)
    values, schema = episode.values, log.schema
    steps = episode.steps
    rewards = schema.positions(Role.REWARD)
    rows = slice(log.starts[number], log.starts[number + 1])
    propensity = np.full(steps + 1, np.nan) if log.propensity is None else log.propensity[rows]
    extra = [values[:, schema.position(name)] for name in _extra(log)]
    ends = np.zeros((2, steps), bool)
    ends[:, -1:] = [[episode.terminated], [episode.truncated]]
    seed = _SEED.search(episode.label)
    actions = values[:-1, schema.positions(Role.ACTION)]
    return EpisodeBuffer(
        seed=int(seed[1]) if seed else None,
        observations=target.state.unflatten_many(values[:, schema.positions(Role.STATE)]),
        actions=target.action.unflatten_many(actions),
        rewards=values[:-1, rewards[0]] if rewards else np.zeros(steps),  # type: ignore[arg-type]
        terminations=ends[0],  # type: ignore[arg-type]
        truncations=ends[1],  # type: ignore[arg-type]
        infos={_EXTRA: np.column_stack([*extra, episode.times, propensity])},
    )
