"""The YAML schema beside a log: what its columns mean and how its files are laid out.

Everything is optional except one variable with the role state (roles may also come as keywords)::

    version: 1
    variables:
      T1: {role: state, unit: °C, bounds: [0, 100], description: sensor 1, entity: heater 1}
      Q1: {role: action, kind: continuous, unit: "%", bounds: [0, 100]}
      mode: {role: context, kind: categorical, categories: [eco, boost]}
    columns: {episode: run, time: "Time (sec)", environment: site, propensity: p,
              terminated: fell, truncated: stopped}
    step: 1.0                       # time between rows; 0 for a static table
    time_unit: s
    policy: unknown                 # or randomised, known
    missing: [-9999, "n/a"]         # besides empty cells; replaces the default list of words
    rename: {"Heater 1": Q1, "Heater 1 (%)": Q1}    # name in a file → variable
    names: [time, Q1, Q2, T1, T2]   # of a file without a header line
    header: false                   # default: seen from the first line
    separator: ","                  # default: seen from the first lines
    encoding: utf-8
    pattern: "*.csv.gz"             # which files of a folder
    environment_from: "^([A-Za-z]+)__"   # regular expression on a file's name; its groups
    environments: [Atlanta, Buffalo]     # their order
    notes: [what an earlier reader noticed]

A unit in brackets at the end of a column's name is taken where the schema gives none.
``kind`` is ``continuous``, ``binary``, ``categorical`` or ``count``; where it is absent, the data
decide. The file is read by ``yaml.safe_load`` rules; keys that do not exist are errors.
"""

import math
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from doworld._core.errors import SchemaError, UnknownNameError
from doworld.data.roles import Roles
from doworld.data.schema import Kind, Policy, Role, Schema, Variable

__all__ = ["SchemaFile", "read_schema", "write_schema"]

_LARGEST = 4_000_000


def _word(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"YAML reads an unquoted yes, no, on, off as {value}; put it in quotes")
    return str(value) if isinstance(value, int | float) else value


Word = Annotated[str, BeforeValidator(_word)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VariableEntry(_Part):
    """One variable in a schema file."""

    role: Role = Role.STATE
    kind: Kind | None = None
    unit: Word | None = None
    bounds: tuple[float | None, float | None] = (None, None)
    categories: tuple[Word, ...] = ()
    description: str = ""
    entity: Word = ""

    def variable(self, name: str) -> Variable:
        """The variable; its kind stands for nothing where the entry names none."""
        low, high = self.bounds
        kind = self.kind or (Kind.CATEGORICAL if self.categories else Kind.CONTINUOUS)
        return Variable(
            name=name,
            role=self.role,
            kind=kind,
            unit=self.unit or "",
            bounds=(-math.inf if low is None else low, math.inf if high is None else high),
            categories=self.categories,
            description=self.description,
            entity=self.entity,
        )


class Columns(_Part):
    """The columns that are no variables."""

    episode: Word | None = None
    time: Word | None = None
    environment: Word | None = None
    propensity: Word | None = None
    terminated: Word | None = None
    truncated: Word | None = None


class SchemaFile(_Part):
    """A schema file's content; the module's text says what each key means."""

    version: int = 1
    variables: dict[Word, VariableEntry] = {}
    columns: Columns = Columns()
    step: float | None = None
    time_unit: Word | None = None
    policy: Policy = Policy.UNKNOWN
    missing: tuple[float | str, ...] | None = None
    rename: dict[Word, Word] = {}
    names: tuple[Word, ...] | None = None
    header: bool | None = None
    separator: str | None = None
    encoding: str | None = None
    pattern: str | None = None
    environment_from: str | None = None
    environments: tuple[Word, ...] = ()
    notes: tuple[str, ...] = ()

    def roles(self) -> Roles:
        """The roles of the columns as a reader wants them."""
        of: dict[Role, list[str]] = {role: [] for role in Role}
        for name, entry in self.variables.items():
            of[entry.role].append(name)
        told = self.variables.items()
        return Roles(
            state=tuple(of[Role.STATE]),
            action=tuple(of[Role.ACTION]),
            context=tuple(of[Role.CONTEXT]),
            reward=tuple(of[Role.REWARD]),
            **self.columns.model_dump(),
            policy=self.policy,
            step=self.step,
            time_unit=self.time_unit,
            variables={name: entry.variable(name) for name, entry in told},
            kind_inferred=frozenset(n for n, e in told if e.kind is None and not e.categories),
        )


class _Loader(yaml.SafeLoader):
    """YAML's safe loader that refuses a key written twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, str | int | float) and key in seen:
            line = key_node.start_mark.line + 1
            raise SchemaError(f"{key!r} is written twice (line {line}). Remove one of them.")
        if isinstance(key, str | int | float):
            seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_schema(path: str | Path) -> SchemaFile:
    """The schema file at ``path``; raises ``SchemaError`` or ``UnknownNameError`` with the fix."""
    path = Path(path)
    if not path.is_file():
        near = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        raise UnknownNameError(f"schema file in {path.parent}", path.name, near)
    if path.stat().st_size > _LARGEST:
        raise SchemaError(f"{path.name} is larger than 4 MB, which no schema is. Check the path.")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except SchemaError as error:
        raise SchemaError(f"{path.name}: {error}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        line = " ".join(str(error).split())
        raise SchemaError(f"{path.name} is no YAML: {line}. Correct it there.") from None
    if not isinstance(content, dict):
        raise SchemaError(
            f"{path.name} holds no keys. Begin with 'variables:'; doworld.data.schema_file shows "
            "the format."
        )
    version = content.get("version", 1)
    if isinstance(version, int) and version > 1:
        raise SchemaError(f"{path.name} has version {version}, newer than 1. Update doworld.")
    try:
        return SchemaFile.model_validate(content)
    except ValidationError as error:
        raise _explained(path.name, error) from None


def _explained(name: str, error: ValidationError) -> SchemaError | UnknownNameError:
    """The first mistake of a schema file, in words."""
    first = error.errors(include_url=False)[0]
    place = first["loc"]
    where = f"{name}, {'.'.join(str(p) for p in place if p != '[key]')}"
    if first["type"] == "extra_forbidden":
        model: type[BaseModel] = SchemaFile
        if len(place) > 1:
            model = Columns if place[0] == "columns" else VariableEntry
        inside = f" under {'.'.join(map(str, place[:-1]))}" if len(place) > 1 else ""
        return UnknownNameError(f"key in {name}{inside}", [*place][-1], model.model_fields)
    said = first["msg"].removeprefix("Value error, ")
    return SchemaError(f"{where}: {said}; {first['input']!r} is written there. Correct it.")


def write_schema(schema: Schema, path: str | Path, **layout: Any) -> Path:
    """Writes a log's schema as YAML that ``read_schema`` reads back, and returns its path.

    ``layout`` gives further keys of the format: columns, missing, rename, notes and so on.
    """
    path = Path(path)
    content: dict[str, Any] = {"version": 1, "variables": {}}
    for variable in schema.variables:
        entry: dict[str, Any] = {
            "role": variable.role.value,
            "kind": variable.kind.value,
            "unit": variable.unit,
        }
        if any(math.isfinite(b) for b in variable.bounds):
            entry["bounds"] = [float(b) if math.isfinite(b) else None for b in variable.bounds]
        if variable.categories:
            entry["categories"] = list(variable.categories)
        for key in ("description", "entity"):
            if getattr(variable, key):
                entry[key] = getattr(variable, key)
        content["variables"][variable.name] = entry
    content |= {
        "step": float(schema.step),
        "time_unit": schema.time_unit,
        "policy": schema.policy.value,
        "environments": list(schema.environments),
        **layout,
    }
    SchemaFile.model_validate(content)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None)
    path.write_text(text, encoding="utf-8")
    return path
