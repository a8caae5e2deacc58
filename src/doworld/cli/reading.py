"""How a log is read: roles from options, remembered beside a model for the questions to come."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from doworld._core.errors import DataError, ModelFileError, QueryError

if TYPE_CHECKING:
    from doworld.data import Episode, Schema, Trajectories

__all__ = ["Reading", "pairs", "words"]

_FILE, _SCHEMA = "reading.json", "schema.yaml"


def words(text: str | None) -> tuple[str, ...]:
    """Comma-separated words; a backslash keeps a comma.

    >>> words("T1, T2"), words(None)
    (('T1', 'T2'), ())
    """
    if not text:
        return ()
    kept = text.replace("\\,", "\0").split(",")
    return tuple(w.strip().replace("\0", ",") for w in kept if w.strip())


def pairs(texts: list[str] | None) -> dict[str, str]:
    """``old=new`` pairs; raises ``QueryError`` for anything else."""
    out = {}
    for text in texts or []:
        old, sign, new = text.rpartition("=")
        if not sign or not old.strip() or not new.strip():
            raise QueryError(
                f"--rename takes old=new, not {text!r}. Write, say, 'Heater 1'=heater1."
            )
        out[old.strip()] = new.strip()
    return out


@dataclass(frozen=True)
class Reading:
    """Which columns play which part, as typed; a model's folder remembers it."""

    state: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    reward: tuple[str, ...] = ()
    episode: str | None = None
    time: str | None = None
    environment: str | None = None
    propensity: str | None = None
    policy: str | None = None
    step: float | None = None
    names: tuple[str, ...] = ()
    rename: dict[str, str] = field(default_factory=dict)
    schema: str | None = None

    @classmethod
    def typed(cls, options: Mapping[str, Any]) -> "Reading":
        """From a command's options by name; other options are left alone."""
        lists = ("state", "action", "context", "reward", "names")
        given: dict[str, Any] = {k: v for k, v in options.items() if k in cls.__dataclass_fields__}
        given |= {k: words(v) for k, v in given.items() if k in lists}
        given["rename"] = pairs(given.get("rename"))
        return cls(**given)

    def found(self, path: str) -> "Reading":
        """With the schema file that lies beside the log, where none is stated."""
        if self.schema:
            return self
        place = Path(path)
        folder = place if place.is_dir() else place.parent
        choices = [folder / "schema.yaml", folder / "schema.yml"]
        if not place.is_dir():
            stem = place.name.split(".")[0] if place.name.count(".") > 1 else place.stem
            choices = [
                folder / f"{place.stem}.schema.yaml",
                folder / f"{stem}.schema.yaml",
                *choices,
            ]
        return replace(self, schema=next((str(c) for c in choices if c.is_file()), None))

    def log(self, path: str | list[str], *, like: "Schema | None" = None) -> "Trajectories":
        """Reads a file or folder; ``like`` fixes the variables' kinds and categories."""
        from doworld.data.files import read

        used = self if like is None else self._or_own(path, like)
        given: dict[str, Any] = _stated(used)
        if "policy" in given:
            from doworld.data import Policy

            given["policy"] = Policy(given["policy"])
        if like is not None:
            given["variables"] = {v.name: v for v in like.variables}
            if not (used.schema or used.time or used.episode or used.step):
                given["schema"] = like  # how the model's log was read is known by nothing else
        log = read(path, **given)
        if like is not None:
            _same(log.schema, like, str(path), used)
        return log

    def _or_own(self, path: str | list[str], like: "Schema") -> "Reading":
        """The schema that lies beside a log, where it describes every variable of the model."""
        from doworld.data.schema_file import read_schema

        own = Reading().found(path).schema if isinstance(path, str) else None
        if own is None or not set(like.names) <= set(read_schema(own).variables):
            return self
        return Reading(schema=own, rename=self.rename)

    def options(self) -> str:
        """The options that say the same on a command line."""
        typed = []
        for name, value in _stated(self).items():
            if name == "rename":
                typed += [f"--rename {quote(f'{old}={new}')}" for old, new in value.items()]
            elif name != "policy":
                text = ",".join(value) if isinstance(value, tuple) else str(value)
                typed.append(f"--{name} {quote(text)}")
        return " ".join(typed)

    def save(self, folder: Path) -> None:
        """Writes ``reading.json``, and the schema file's text, into a model's folder."""
        kept = replace(self, schema=_SCHEMA if self.schema else None)
        if self.schema:
            (folder / _SCHEMA).write_text(Path(self.schema).read_text("utf-8"), "utf-8")
        text = json.dumps(asdict(kept), indent=1, ensure_ascii=False)
        (folder / _FILE).write_text(text, "utf-8")

    @classmethod
    def of(cls, folder: Path, schema: "Schema", change: "Reading") -> "Reading":
        """How the model's log was read, with what ``change`` states instead."""
        path = folder / _FILE
        if path.is_file():
            base = cls._load(path)
            if base.schema:
                base = replace(base, schema=str(folder / base.schema))
            elif not (base.time or base.episode or base.step) and schema.step:
                base = replace(base, step=schema.step)  # read without a column of time, on purpose
        else:
            base = replace(cls(), **_roles(schema))
        return replace(base, **_stated(change))

    @classmethod
    def _load(cls, path: Path) -> "Reading":
        try:
            data: dict[str, Any] = json.loads(path.read_text("utf-8"))
            lists: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in data.items()
            }
            return cls(**lists)
        except (ValueError, TypeError, AttributeError):
            raise ModelFileError(
                f"{path} is not as `doworld learn` wrote it. Delete it and state the roles again: "
                "--state, --action, --time."
            ) from None


def _stated(reading: Reading) -> dict[str, Any]:
    return {k: v for k, v in vars(reading).items() if v not in (None, (), {}, "")}


def _roles(schema: "Schema") -> dict[str, Any]:
    from doworld.data import Role

    return {role.value: schema.of(role) for role in Role}


def _same(found: "Schema", wanted: "Schema", path: str, reading: Reading) -> None:
    lost = [n for n in wanted.names if n not in found.index]
    if lost:
        raise DataError(
            f"{path} holds no {', '.join(map(repr, lost))}, which the model is about. "
            "State which columns they are: --rename OLD=NEW."
        )
    if wanted.static or found.static:
        return
    units = found.time_unit, wanted.time_unit
    if all(units) and units[0] != units[1]:
        raise DataError(
            f"{path} counts time in {units[0]}, but the model was learned in {units[1]}. "
            f"Convert its time column to {units[1]}."
        )
    if abs(found.step / wanted.step - 1) > 0.05:
        steps = [f"{s.step:g} {s.time_unit}".rstrip() for s in (found, wanted)]
        raise DataError(
            f"{path} has a row every {steps[0]}, but the model was learned with {steps[1]}. "
            f"Bring it to that step: doworld data convert {quote(path)} new.csv "
            f"--resample {wanted.step:g} {reading.options()}".rstrip()
        )


def episode_of(log: "Trajectories", which: str | None, source: str) -> "Episode":
    """The one episode that is meant; raises ``QueryError`` where that is open."""
    if which is None:
        if len(log) != 1:
            few = ", ".join(log.labels[:6]) + (", …" if len(log) > 6 else "")
            raise QueryError(
                f"{source} holds {len(log)} episodes ({few}). Say which: "
                f"'{source}[{log.labels[0]}]'."
            )
        return log.episode(0)
    if which in log.labels:
        return log.episode(log.labels.index(which))
    from doworld._core.errors import UnknownNameError

    raise UnknownNameError("episode", which, log.labels)
