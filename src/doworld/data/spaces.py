"""Gymnasium spaces as flat, named variables, and back.

Discrete(2) becomes binary, other Discrete and MultiDiscrete entries categorical (levels named by
their numbers), MultiBinary binary, integer boxes that start at 0 counts, other boxes continuous;
Dict and Tuple spaces are flattened by key.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from doworld._core.errors import DataError, SchemaError
from doworld.data.schema import Kind, Role, Variable

__all__ = ["FlatSpace", "flat_space"]

_TOO_MANY = 4096
_UNNAMED = "?"


@dataclass(frozen=True)
class _Leaf:
    """A space without parts: where it stands in a value, and what its entries mean."""

    path: tuple[str | int, ...]
    space: Any
    variables: tuple[Variable, ...]
    offset: Any


@dataclass(frozen=True)
class FlatSpace:
    """A space with its variables; ``flatten`` and ``unflatten`` are inverse to each other."""

    space: Any
    leaves: tuple[_Leaf, ...]
    names: tuple[str, ...]

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """The variables in the order of ``flatten``."""
        own = [v for leaf in self.leaves for v in leaf.variables]
        return tuple(replace(v, name=n) for v, n in zip(own, self.names, strict=True))

    def flatten(self, value: Any) -> Float[np.ndarray, " variables"]:
        """One value of the space as numbers; category codes for Discrete."""
        parts = []
        for leaf in self.leaves:
            found = value
            for key in leaf.path:
                found = found[key]
            parts.append(np.asarray(found, np.float64).reshape(-1) - leaf.offset)
        return np.concatenate(parts)

    def flatten_many(self, values: Any, count: int) -> Float[np.ndarray, "rows variables"]:
        """``count`` stacked values, each leaf an array with a leading axis, as one array."""
        parts = []
        for leaf in self.leaves:
            found = values
            for key in leaf.path:
                found = found[key]
            parts.append(np.asarray(found, np.float64).reshape(count, -1) - leaf.offset)
        return np.concatenate(parts, axis=1)

    def unflatten_many(self, rows: Float[np.ndarray, "rows variables"]) -> Any:
        """Stacked values of the space: the inverse of ``flatten_many``."""
        arrays: dict[tuple, np.ndarray] = {}
        at = 0
        for leaf in self.leaves:
            width = len(leaf.variables)
            part = rows[:, at : at + width] + leaf.offset
            shape = getattr(leaf.space, "shape", ()) or ()
            dtype = leaf.space.dtype or np.float64
            if np.issubdtype(dtype, np.integer) and np.isnan(part).any():
                raise DataError(
                    f"{self.names[at]!r} has missing values, which a {leaf.space} cannot hold. "
                    "Drop those episodes, or fill the values in."
                )
            arrays[leaf.path] = part.reshape(len(rows), *shape).astype(dtype)
            at += width
        return _nest(self.space, arrays, ())

    def unflatten(self, row: Float[np.ndarray, " variables"]) -> Any:
        """One value of the space from its numbers."""
        return _first(self.unflatten_many(row[None]))


def flat_space(
    space: Any, role: Role, names: Sequence[str] | None = None, *, prefix: str
) -> FlatSpace:
    """The flat form of a Gymnasium space; names are ``names``, or made of keys and ``prefix``.

    Raises ``SchemaError`` for wrong names and for spaces that hold no numbers, or images.
    """
    leaves = tuple(_leaves(space, role, ()))
    own = [v.name for leaf in leaves for v in leaf.variables]
    if len(own) > _TOO_MANY:
        raise SchemaError(
            f"the {role.value} space {space} has {len(own)} numbers, such as an image has. "
            "Turn it into variables first, with a gymnasium.ObservationWrapper."
        )
    if names is None:
        alone = own == [_UNNAMED] and role is Role.ACTION
        names = [prefix] if alone else [_readable(n, prefix) for n in own]
    if len(names) != len(own):
        raise SchemaError(
            f"{len(names)} names are given for the {len(own)} numbers of the {role.value} space "
            f"{space}. Give {len(own)} names."
        )
    return FlatSpace(space, leaves, tuple(names))


def _readable(name: str, prefix: str) -> str:
    if name == _UNNAMED:
        return f"{prefix}_0"
    return name if name[0].isalpha() else f"{prefix}_{name}"


def _leaves(space: Any, role: Role, path: tuple[str | int, ...]):
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        for key, part in space.spaces.items():
            yield from _leaves(part, role, (*path, key))
        return
    if isinstance(space, spaces.Tuple):
        for key, part in enumerate(space.spaces):
            yield from _leaves(part, role, (*path, key))
        return
    stem = "_".join(str(key) for key in path)

    def named(index: tuple[int, ...], single: bool) -> str:
        tail = [] if single else [str(i) for i in index]
        return "_".join([*([stem] if stem else []), *tail])

    if isinstance(space, spaces.Discrete):
        variable = _level(named((), True), role, int(space.n), int(space.start))
        yield _Leaf(path, space, (variable,), float(space.start))
    elif isinstance(space, spaces.MultiDiscrete):
        start = np.broadcast_to(getattr(space, "start", 0), space.nvec.shape)
        variables = tuple(
            _level(named(i, space.nvec.size == 1), role, int(space.nvec[i]), int(start[i]))
            for i in np.ndindex(space.nvec.shape)
        )
        yield _Leaf(path, space, variables, start.reshape(-1).astype(np.float64))
    elif isinstance(space, spaces.MultiBinary):
        variables = (
            tuple(
                Variable(named(i, space.shape == (1,)), role, Kind.BINARY, bounds=(0, 1))
                for i in np.ndindex(space.shape)
            )
            if space.shape
            else ()
        )
        yield _Leaf(path, space, variables, 0.0)
    elif isinstance(space, spaces.Box):
        yield _box(space, role, path, named)
    else:
        raise SchemaError(
            f"the {role.value} space has a part {space}, which is no fixed number of variables. "
            "Wrap the environment so that it gives Box, Discrete, MultiDiscrete, MultiBinary, "
            "Dict or Tuple."
        )


def _level(name: str, role: Role, count: int, start: int) -> Variable:
    kind = Kind.BINARY if count == 2 and start == 0 else Kind.CATEGORICAL
    categories = () if kind is Kind.BINARY else tuple(str(start + i) for i in range(count))
    bounds = (0.0, 1.0) if kind is Kind.BINARY else (-math.inf, math.inf)
    return Variable(name or _UNNAMED, role, kind, bounds=bounds, categories=categories)


def _box(space: Any, role: Role, path: tuple[str | int, ...], named: Any) -> _Leaf:
    if len(space.shape) > 2 or math.prod(space.shape) > _TOO_MANY:
        raise SchemaError(
            f"the {role.value} space {space} is an image or alike. Turn it into variables first, "
            "with a gymnasium.ObservationWrapper."
        )
    whole = np.issubdtype(space.dtype, np.integer) or space.dtype == np.bool_
    variables = []
    for i in np.ndindex(space.shape):
        low, high = _finite(space.low[i], -1), _finite(space.high[i], 1)
        kind = Kind.COUNT if whole and low >= 0 else Kind.CONTINUOUS
        kind = Kind.BINARY if whole and (low, high) == (0, 1) else kind
        name = named(i, math.prod(space.shape) == 1)
        variables.append(Variable(name or _UNNAMED, role, kind, bounds=(low, high)))
    return _Leaf(path, space, tuple(variables), 0.0)


def _finite(bound: Any, side: int) -> float:
    value = float(bound)
    # environments write "unbounded" as the largest float32, Gymnasium itself as the largest int64
    return side * math.inf if abs(value) > 1e18 else value


def _nest(space: Any, arrays: dict[tuple, np.ndarray], path: tuple) -> Any:
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        return {k: _nest(s, arrays, (*path, k)) for k, s in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_nest(s, arrays, (*path, i)) for i, s in enumerate(space.spaces))
    return arrays[path]


def _first(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _first(v) for k, v in value.items()}
    if isinstance(value, tuple):
        return tuple(_first(v) for v in value)
    return np.asarray(value[0])
