"""Several logs of the same variables as one."""

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from doworld._core.errors import DoworldWarning, SchemaError
from doworld.data.schema import Kind, Policy, Schema, Variable
from doworld.data.trajectories import Trajectories
from doworld.data.units import agreed_units

__all__ = ["join"]


def join(logs: Sequence[Trajectories]) -> Trajectories:
    """One log of the episodes of several, in order.

    The variables must have the same names and roles; their order is the first log's. Categories are
    united, a kind that differs becomes the wider one (binary < count < continuous), and a policy
    that differs becomes unknown. Raises ``SchemaError`` where variables or time steps do not fit;
    warns of mixed units, which it never converts.

    >>> import polars as pl
    >>> one = Trajectories.from_frame(pl.DataFrame({"x": [0.0, 1.5]}), state="x", step=1)
    >>> len(join([one, one])), join([one, one]).transitions
    (2, 2)
    """
    if not logs:
        raise SchemaError("there is no log to join. Give at least one.")
    first = logs[0]
    for number, log in enumerate(logs[1:], 1):
        _check(first.schema, log.schema, number)
    named = ((f"log {i}", {v.name: v.unit for v in g.schema.variables}) for i, g in enumerate(logs))
    units, said = agreed_units(named)
    variables = tuple(
        replace(_united(v.name, logs), unit=units.get(v.name, "")) for v in first.schema.variables
    )
    places = tuple(dict.fromkeys(p for log in logs for p in log.schema.environments))
    policies = {log.schema.policy for log in logs}
    schema = replace(
        first.schema,
        variables=variables,
        environments=places,
        policy=policies.pop() if len(policies) == 1 else Policy.UNKNOWN,
    )
    odd = [log for log in logs if abs(log.schema.step - schema.step) > 0.01 * schema.step]
    if odd:
        message = (
            f"the logs have different steps: {schema.step:g} and {odd[0].schema.step:g} "
            f"{schema.time_unit}".rstrip()
            + f". Bring them to one: log.resample({schema.step:g})"
        )
        said.append(message)
        warnings.warn(f"{message}.", DoworldWarning, stacklevel=2)
    lengths = np.concatenate([np.diff(log.starts) for log in logs])
    return Trajectories(
        schema=schema,
        values=np.concatenate([_values(log, schema) for log in logs]),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        times=np.concatenate([log.times for log in logs]),
        environment=np.concatenate(
            [
                np.array([places.index(p) for p in log.schema.environments])[log.environment]
                for log in logs
            ]
        ),
        terminated=np.concatenate([log.terminated for log in logs]),
        truncated=np.concatenate([log.truncated for log in logs]),
        labels=tuple(label for log in logs for label in log.labels),
        propensity=_propensity(logs),
        notes=tuple(dict.fromkeys([*(n for log in logs for n in log.notes), *said])),
    )


def _check(first: Schema, other: Schema, number: int) -> None:
    for one, two, which in ((first, other, number), (other, first, 0)):
        for variable in one.variables:
            if variable.name not in two.index:
                raise SchemaError(
                    f"log {which} has no variable {variable.name!r}, which another log has. "
                    "Read both with the same roles."
                )
            if two[variable.name].role is not variable.role:
                raise SchemaError(
                    f"{variable.name!r} is {variable.role.value} in one log and "
                    f"{two[variable.name].role.value} in another. Read both with the same roles."
                )
    if first.static is not other.static:
        raise SchemaError("a static table and a log with time cannot be one log. Keep them apart.")
    if first.time_unit != other.time_unit:
        raise SchemaError(
            f"log {number} counts time in {other.time_unit!r} and log 0 in {first.time_unit!r}. "
            "Read both in one unit."
        )


def _united(name: str, logs: Sequence[Trajectories]) -> Variable:
    found = [log.schema[name] for log in logs]
    kinds = {v.kind for v in found}
    levels = tuple(dict.fromkeys(c for v in found for c in v.categories))
    low, high = min(v.bounds[0] for v in found), max(v.bounds[1] for v in found)
    united = replace(found[0], bounds=(low, high))
    if kinds == {Kind.CATEGORICAL}:
        return replace(united, categories=levels)
    if Kind.CATEGORICAL in kinds:
        raise SchemaError(
            f"{name!r} is categorical in one log and holds numbers in another. "
            "Declare it in both: variables={...}."
        )
    wider = [k for k in (Kind.CONTINUOUS, Kind.COUNT, Kind.BINARY) if k in kinds]
    return replace(united, kind=wider[0])


def _values(log: Trajectories, schema: Schema) -> np.ndarray:
    columns = []
    for variable in schema.variables:
        column = log.column(variable.name)
        own = log.schema[variable.name].categories
        if own and own != variable.categories:
            code = np.array([variable.categories.index(c) for c in own], np.float64)
            known = ~np.isnan(column)
            column = column.copy()
            column[known] = code[column[known].astype(np.int64)]
        columns.append(column)
    return np.column_stack(columns)


def _propensity(logs: Sequence[Trajectories]) -> np.ndarray | None:
    if all(log.propensity is None for log in logs):
        return None
    return np.concatenate(
        [np.full(g.rows, np.nan) if g.propensity is None else g.propensity for g in logs]
    )
