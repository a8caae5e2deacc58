"""Logs from CSV and Parquet files: one file, or a folder with one file an episode.

What the columns mean comes from a YAML schema (given, or found beside the data as
``<name>.schema.yaml`` or ``schema.yaml``; ``doworld.data.schema_file`` shows the format), from
keywords as in ``Trajectories.from_frame``, or from both, where a keyword wins.
"""

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from doworld._core.errors import DataError, DoworldWarning, SchemaError
from doworld.data.frame import from_table
from doworld.data.places import files_of, stem
from doworld.data.roles import Roles, as_names
from doworld.data.schema import Kind, Policy, Role, Schema, Variable
from doworld.data.schema_file import Columns, SchemaFile, read_schema
from doworld.data.tables import MISSING_WORDS, Layout, Limit, columns_of, load, unit_in_name
from doworld.data.timing import SECONDS, time_unit_in_name
from doworld.data.trajectories import Trajectories
from doworld.data.units import agreed_units

__all__ = ["Limit", "read"]

_FILE = "\x00file"
_PLACE = "\x00environment"


def read(
    path: str | Path | Sequence[str | Path],
    *,
    schema: str | Path | Schema | None = None,
    state: str | Iterable[str] | None = None,
    action: str | Iterable[str] | None = None,
    context: str | Iterable[str] | None = None,
    reward: str | Iterable[str] | None = None,
    episode: str | None = None,
    time: str | None = None,
    environment: str | None = None,
    propensity: str | None = None,
    terminated: str | None = None,
    truncated: str | None = None,
    policy: Policy | None = None,
    step: float | None = None,
    time_unit: str | None = None,
    variables: Mapping[str, Variable] | None = None,
    names: Sequence[str] | None = None,
    header: bool | None = None,
    separator: str | None = None,
    missing: Sequence[float | str] | None = None,
    rename: Mapping[str, str] | None = None,
    encoding: str | None = None,
    pattern: str | None = None,
    environment_from: str | None = None,
    limit: Limit | None = None,
) -> Trajectories:
    """A log from a CSV or Parquet file, several of them, or a folder of one file an episode.

    Roles (``state`` … ``variables``) are as in ``Trajectories.from_frame``. When ``state`` is
    given, the roles of a schema file no longer count, only its kinds, units, bounds and words.
    Times are brought to ``time_unit``, or to the first file's unit, where the header names the
    file's own ("Time (sec)", "tempo_ms").

    Args:
        path: a file (``.csv``, ``.tsv``, ``.txt``, ``.dat``, each also ``.gz``, or ``.parquet``),
            a list of files, or a folder, whose files are read in natural order (run2 < run10).
        schema: a YAML schema's path, or a ``Schema``, whose columns of time, episode and
            environment are taken where the file has them; None: looked for beside the data.
        names: the columns' names, for a file without a header line.
        header: whether there is a header line; None: seen from the first line.
        separator: the character between cells, " " for blanks; None: seen from the first lines.
        missing: words and numbers that mean "no value", such as -9999, besides empty cells;
            None: the words of ``doworld.data.tables.MISSING_WORDS``.
        rename: name in a file → variable, so that differently named files line up.
        encoding: of text files (utf-8).
        pattern: which files of a folder, such as "Atlanta__*.csv.gz".
        environment_from: a regular expression searched in each file's name; its groups, or what
            it matches, name the file's environment.
        limit: the largest file that is read.

    Raises ``UnknownNameError`` for a file or column that does not exist, ``SchemaError`` for
    roles or a schema that do not fit, ``DataError`` for what cannot be read; warns of units that
    differ between files.

    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for i in range(2):
    ...     _ = (folder / f"run{i}.csv").write_text(f"t, T1, Q1\\n0,20.5,0\\n1,21,50\\n2,2{i},\\n")
    >>> log = read(folder, state="T1", action="Q1", time="t")
    >>> log.labels, log.schema["Q1"].kind.value, log.transitions
    (('run0', 'run1'), 'count', 4)
    """
    files, known = _described(path, schema, pattern)
    layout = _layout(
        known,
        names=names,
        header=header,
        separator=separator,
        missing=missing,
        rename=rename,
        encoding=encoding,
    )
    several = len(files) > 1 or not isinstance(path, str | Path) or Path(path).is_dir()
    source = _Source(files, layout, limit or Limit(), several)
    if isinstance(schema, Schema):
        known = _indexed(known, schema, source, time)
    roles = _roles(
        known,
        schema,
        lists=(state, action, context, reward),
        single={
            "episode": episode,
            "time": time,
            "environment": environment,
            "propensity": propensity,
            "terminated": terminated,
            "truncated": truncated,
            "policy": policy,
            "step": step,
            "time_unit": time_unit,
        },
        variables=variables,
    )
    if not roles.state:
        raise _unexplained(source)
    return _log(source, roles, known, environment_from or known.environment_from)


@dataclass(frozen=True)
class _Source:
    files: list[Path]
    layout: Layout
    limit: Limit
    several: bool


def _unexplained(source: _Source) -> SchemaError:
    file = source.files[0]
    columns = ", ".join(map(repr, columns_of(file, source.layout, source.limit)[:20]))
    return SchemaError(
        f"nothing says what the columns of {file.name} mean: no schema.yaml lies beside it "
        f"and no state is named. Name the roles, state=[...] and action=[...] (in a terminal: "
        f"--state A,B --action C). It has {columns}."
    )


def _log(
    source: _Source, roles: Roles, known: SchemaFile, environment_from: str | None
) -> Trajectories:
    if environment_from is not None and roles.environment is not None:
        raise SchemaError(
            "the environment is named twice, by a column and by environment_from. Choose one."
        )
    by_file = source.several and (len(source.files) > 1 or roles.episode is None)
    text = [n for n in (roles.episode, roles.environment) if n is not None]
    text += [
        n
        for n, v in roles.variables.items()
        if v.kind is Kind.CATEGORICAL and n not in roles.kind_inferred
    ]
    tables, units = [], []
    clock = _Clock(roles)
    for file in source.files:
        table, called = load(file, source.layout, roles.columns, text, limit=source.limit)
        table = clock.aligned(table, file, called)
        tables.append(_labelled(table, file, roles, by_file, environment_from))
        units.append((file.name, {n: unit_in_name(called[n]) for n in roles.role_of}))
    roles = replace(roles, time_unit=clock.unit)
    declared = {n: v.unit for n, v in roles.variables.items()}
    agreed, mixed = agreed_units([("the schema", declared), *units])
    table = pl.concat(tables, how="vertical_relaxed") if len(tables) > 1 else tables[0]
    called = {"episode_column": roles.episode or "", "environment_column": roles.environment or ""}
    if by_file:
        roles = replace(roles, episode=_FILE)
    if environment_from is not None:
        roles = replace(roles, environment=_PLACE)
    log = from_table(table, roles, environments=known.environments)
    schema = replace(log.schema, **called)
    for name, unit in agreed.items():
        entry = known.variables.get(name)
        told = entry is not None and entry.unit is not None
        if not schema[name].unit and not told:
            schema = schema.with_variable(replace(schema[name], unit=unit))
    labels = log.labels
    if roles.episode is None and len(log) == 1:
        labels = (stem(source.files[0]),)
    notes = tuple(dict.fromkeys([*known.notes, *log.notes, *clock.notes, *mixed]))
    return replace(log, schema=schema, labels=labels, notes=notes)


class _Clock:
    """Brings the time columns of several files to the unit of the first that names one."""

    def __init__(self, roles: Roles) -> None:
        self.name, self.unit = roles.time, roles.time_unit
        self.notes: list[str] = []

    def aligned(self, table: pl.DataFrame, file: Path, called: Mapping[str, str]) -> pl.DataFrame:
        """The table with its times in the common unit."""
        if self.name is None or not table[self.name].dtype.is_numeric():
            return table
        unit = time_unit_in_name(called[self.name])
        self.unit = self.unit or unit or None
        if not unit or unit == self.unit or self.unit not in SECONDS:
            return table
        self.notes.append(f"times of {file.name} were converted from {unit} to {self.unit}")
        times = table[self.name].cast(pl.Float64) * (SECONDS[unit] / SECONDS[self.unit])
        return table.with_columns(times.alias(self.name))


def _labelled(
    table: pl.DataFrame, file: Path, roles: Roles, by_file: bool, environment_from: str | None
) -> pl.DataFrame:
    """The table with columns that name its episode and environment after the file."""
    if by_file:
        label = pl.Series(_FILE, [stem(file)] * table.height, dtype=pl.String)
        if roles.episode is not None:
            label = (label + "/" + table[roles.episode].cast(pl.String)).alias(_FILE)
        table = table.with_columns(label)
    if environment_from is None:
        return table
    try:
        found = re.search(environment_from, file.name)
    except re.error as error:
        raise SchemaError(
            f"environment_from={environment_from!r} is no regular expression: {error}."
        ) from None
    if found is None:
        raise DataError(
            f"environment_from={environment_from!r} matches nothing in {file.name!r}. Correct it, "
            "or leave that file out by a pattern."
        )
    name = " ".join(g for g in found.groups() if g) or found[0]
    return table.with_columns(pl.lit(name).alias(_PLACE))


def _described(
    path: str | Path | Sequence[str | Path],
    schema: str | Path | Schema | None,
    pattern: str | None,
) -> tuple[list[Path], SchemaFile]:
    """The files, and what a schema says of them; it may say which files of a folder are meant."""
    files = files_of(path, pattern)
    known = _schema(files, path, schema)
    if pattern is None and known.pattern is not None:
        files = files_of(path, known.pattern)
    return files, known


def _layout(
    known: SchemaFile,
    *,
    names: Sequence[str] | None,
    header: bool | None,
    separator: str | None,
    missing: Sequence[float | str] | None,
    rename: Mapping[str, str] | None,
    encoding: str | None,
) -> Layout:
    """The schema's layout with the keywords laid over it."""
    return Layout(
        names=tuple(names) if names is not None else known.names,
        header=known.header if header is None else header,
        separator=known.separator if separator is None else separator,
        missing=_missing(known.missing if missing is None else missing),
        rename={**known.rename, **(rename or {})},
        encoding=encoding or known.encoding or "utf-8",
    )


def _schema(
    files: list[Path],
    path: str | Path | Sequence[str | Path],
    schema: str | Path | Schema | None,
) -> SchemaFile:
    if isinstance(schema, Schema):
        return SchemaFile(
            time_unit=schema.time_unit,
            policy=schema.policy,
            environments=schema.environments if schema.environments != ("default",) else (),
        )
    if schema is not None:
        return read_schema(schema)
    folder = files[0].parent
    choices = [folder / "schema.yaml", folder / "schema.yml"]
    if isinstance(path, str | Path) and not Path(path).is_dir():
        choices = [folder / f"{stem(files[0])}.schema.yaml", *choices]
    elif isinstance(path, str | Path):
        choices = [Path(path) / "schema.yaml", *choices]
    for choice in choices:
        if choice.is_file():
            return read_schema(choice)
    return SchemaFile()


def _indexed(known: SchemaFile, schema: Schema, source: _Source, time: str | None) -> SchemaFile:
    """With the columns of time, episode and environment that the schema's own log had.

    A file may lack them. Without a column of time, rows are the schema's step apart.
    """
    if schema.static:
        return known.model_copy(update={"step": 0.0})
    there = columns_of(source.files[0], source.layout, source.limit)
    found = {
        part: name
        for part, called, usual in (
            ("time", schema.time_column, "time"),
            ("episode", schema.episode_column, "episode"),
            ("environment", schema.environment_column, "environment"),
        )
        if (name := called or usual) in there and (called or name not in schema.index)
    }
    step = None
    if "time" not in found and time is None:
        step = schema.step
        if schema.time_column:
            warnings.warn(
                f"{source.files[0].name} has no column {schema.time_column!r}, which told the "
                f"time: its rows are taken as {step:g} {schema.time_unit} apart, in their order. "
                f"Name its column of time: time=... (in a terminal: --rename "
                f"COLUMN={schema.time_column}).".replace("  ", " "),
                DoworldWarning,
                stacklevel=3,
            )
    return known.model_copy(update={"columns": Columns(**found), "step": step})


def _roles(
    known: SchemaFile,
    schema: Any,
    *,
    lists: tuple[str | Iterable[str] | None, ...],
    single: Mapping[str, Any],
    variables: Mapping[str, Variable] | None,
) -> Roles:
    """The schema's roles with the keywords laid over them."""
    roles = known.roles()
    if isinstance(schema, Schema):
        of = {r: schema.of(r) for r in Role}
        roles = replace(
            roles,
            state=of[Role.STATE],
            action=of[Role.ACTION],
            context=of[Role.CONTEXT],
            reward=of[Role.REWARD],
            variables={v.name: v for v in schema.variables},
        )
    told = dict(zip(("state", "action", "context", "reward"), lists, strict=True))
    if told["state"] is not None:
        changed = {key: as_names(value) for key, value in told.items()}
    else:
        changed = {key: as_names(value) for key, value in told.items() if value is not None}
    own = {key: value for key, value in single.items() if value is not None}
    roles = replace(roles, **changed, **own)
    merged = {**roles.variables, **(variables or {})}
    kept = {n: v for n, v in merged.items() if n in roles.role_of or n in (variables or {})}
    inferred = roles.kind_inferred - frozenset(variables or {})
    return replace(roles, variables=kept, kind_inferred=inferred)


def _missing(given: Sequence[float | str] | None) -> tuple[float | str, ...] | None:
    """Numbers alone leave the usual words in force."""
    if given is None:
        return None
    if any(isinstance(m, str) for m in given):
        return tuple(given)
    return (*given, *MISSING_WORDS)
