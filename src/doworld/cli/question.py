"""From typed options to a query: where it starts, what is done, when, and for which variables."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doworld._core.errors import QueryError
from doworld.cli.entry import say
from doworld.cli.reading import Reading, episode_of, pairs, words
from doworld.cli.values import Clock, Source, assignments, cell, names, number, split_spec

if TYPE_CHECKING:
    from doworld.data import Schema
    from doworld.model.world import WorldModel
    from doworld.query import Answer, Intervention, Population, Rows

__all__ = ["Question"]

_TABLES = (".csv", ".parquet", ".gz", ".tsv", ".txt")


@dataclass(frozen=True)
class Question:
    """A loaded model and how its questions are typed."""

    folder: Path
    model: "WorldModel"
    reading: Reading

    @classmethod
    def about(cls, folder: str, *, rename: list[str] | None, names: str | None) -> "Question":
        """Loads the model; ``rename`` and ``names`` say how a log differs from the model's own."""
        from doworld.model.store import load

        model = load(folder)
        changed = Reading(rename=pairs(rename), names=words(names))
        return cls(Path(folder), model, Reading.of(Path(folder), model.schema, changed))

    @cached_property
    def clock(self) -> Clock:
        """Times in rows of this model."""
        return Clock(self.model.schema.step, self.model.schema.time_unit)

    @property
    def schema(self) -> "Schema":
        """The model's schema."""
        return self.model.schema

    def value(self, name: str, text: str) -> float | str | bool:
        """A typed value of a variable; raises where the variable cannot have it."""
        variable = self.schema[name]
        typed = text if variable.categories else cell(text)
        variable.code(typed)
        return typed

    def given(self, texts: list[str]) -> "Rows":
        """The rows a question starts from: a log, values by name, or a log with values changed."""
        from doworld.query import Rows

        columns: dict[str, tuple[Any, ...]] = {}
        label, changed = "", {}
        for text in texts:
            if not _is_log(text, self.schema.index):
                changed.update(assignments(text, self.schema.index))
                continue
            if columns:
                raise QueryError("two logs are given, and a question starts from one. Give one.")
            rows = self.episode(text)
            columns, label = dict(rows.columns), rows.label
        for name, typed in changed.items():
            before = columns.get(name, ())[:-1]
            columns[name] = (*before, self.value(name, typed))
        return Rows(columns=columns, label=label)

    def episode(self, text: str) -> "Rows":
        """The rows of a typed log; raises where it holds several episodes and none is named."""
        from doworld.query.given import _rows

        source = Source.parse(text)
        log = self.reading.log(source.path, like=self.schema)
        episode = episode_of(log, source.episode, source.path)
        part = episode[source.first : source.last]
        if not len(part):
            raise QueryError(f"{text} holds no row: the episode has {len(episode)}.")
        found = _rows(part)
        return found.model_copy(
            update={"columns": {n: c for n, c in found.columns.items() if n in self.schema.index}}
        )

    def population(self, text: str) -> "Rows | Population":
        """All episodes of a typed log, in the model's variables."""
        from doworld.query.given import past

        source = Source.parse(text)
        if source.episode is not None or source.first is not None or source.last is not None:
            raise QueryError(
                f"--units asks about every episode, and {text!r} names a part. Give the log alone."
            )
        found = past(self.reading.log(source.path, like=self.schema))
        kept = {n: c for n, c in found.columns.items() if n in self.schema.index}
        return found.model_copy(update={"columns": kept})

    def alternatives(
        self, texts: list[str], first: str | None, last: str | None, end: int
    ) -> dict[str, tuple["Intervention", ...]]:
        """Worlds typed as ``name: heater=0@100:200; fan+=1``, by their names."""
        out: dict[str, tuple[Intervention, ...]] = {}
        for text in texts:
            name, sign, body = text.partition(":")
            parts = [p.strip() for p in body.split(";") if p.strip()]
            if not sign or not name.strip() or "=" in name or not parts:
                raise QueryError(
                    f"{text!r} is no alternative. Write a name, a colon and what is done, as in "
                    "'off: heater1=0@100:200'."
                )
            if name.strip() in out:
                raise QueryError(
                    f"two alternatives are called {name.strip()!r}. Give each a name of its own."
                )
            done: list[Intervention] = []
            for part in parts:
                kind, spec = _kind(part)
                done += self.interventions({kind: [spec]}, first, last, end)
            out[name.strip()] = tuple(done)
        return out

    def interventions(
        self,
        kinds: dict[str, list[str] | None],
        first: str | None,
        last: str | None,
        end: int,
    ) -> tuple["Intervention", ...]:
        """The interventions of ``--set``, ``--shift``, ``--scale``, ``--follow``."""
        from doworld.cli.plain_file import policy
        from doworld.query import Follow, Scale, Set, Shift

        out: list[Set | Shift | Scale | Follow] = []
        for kind, texts in kinds.items():
            for text in texts or []:
                body, at = self._timed(text, first, last, end)
                name, value = split_spec(body, self.schema.index)
                if kind == "set":
                    out.append(Set(name, self.value(name, value), at=at))
                elif kind == "shift":
                    out.append(Shift(name, number(value, "--shift"), at=at))
                elif kind == "follow":
                    out.append(Follow(name, policy(value), at=at))
                else:
                    out.append(Scale(name, number(value, "--scale"), at=at))
        if not out:
            raise QueryError(
                "nothing is done: give --set NAME=VALUE, --shift, --scale or --follow. "
                "Without an intervention, ask `doworld predict`."
            )
        return tuple(out)

    def _timed(
        self, text: str, first: str | None, last: str | None, end: int
    ) -> tuple[str, tuple[int, ...] | None]:
        body, sign, when = text.rpartition("@")
        if not sign or "=" in when or "=" not in body:
            return text, self.clock.between(first, last, end)
        low, colon, high = when.partition(":")
        if not colon:
            return body, (self.clock.rows(low),)
        return body, self.clock.between(low or "0", high or None, end)

    def planned(self, path: str | None) -> dict[str, tuple[Any, ...]]:
        """Actions and contexts to come, by row from now, of a CSV or Parquet file."""
        if path is None:
            return {}
        import polars as pl

        from doworld.data import Role

        if not Path(path).is_file():
            raise FileNotFoundError(2, "no such file", path)
        read = pl.read_parquet if path.endswith(".parquet") else pl.read_csv
        frame = read(path).rename(self.reading.rename, strict=False)
        wanted = self.schema.of(Role.ACTION, Role.CONTEXT)
        found = [n for n in frame.columns if n in wanted]
        others = [n for n in frame.columns if n not in wanted]
        if not found:
            raise QueryError(
                f"{path} holds none of the actions and contexts {', '.join(wanted)}, only "
                f"{', '.join(others)}. Name its columns like the model's."
            )
        if others:
            say(f"note: {path}: not used: {', '.join(others)} (neither action nor context).")
        out = {}
        for name in found:
            cells = frame[name].drop_nulls().to_list()
            if len(cells) < frame.height:
                raise QueryError(f"{path} has empty cells in {name!r}. Fill every row.")
            out[name] = tuple(self.value(name, str(c)) for c in cells)
        return out

    def rows(self, horizon: str) -> int:
        """The horizon in rows; raises ``QueryError`` where it holds none."""
        count = 1 if self.schema.static else self.clock.rows(horizon)
        if count < 1:
            raise QueryError(
                f"a horizon of {horizon} holds no row: a row is {self.schema.step:g} "
                f"{self.schema.time_unit}. Ask for at least that much."
            )
        return count

    def targets(self, texts: list[str] | None) -> tuple[str, ...]:
        """The named targets; none means all states."""
        return names(texts or [], self.schema.index)

    def answer(self, query: Any, seed: int) -> "Answer":
        """Asks the model."""
        from doworld.session.ask import ask

        return ask(self.model, query, seed=seed)


def _kind(part: str) -> tuple[str, str]:
    """What ``name=value``, ``name+=by`` or ``name*=by`` asks for, and the same with a plain =.

    >>> _kind("heater+=5@0:10")
    ('shift', 'heater=5@0:10')
    """
    for sign, kind in (("+=", "shift"), ("*=", "scale")):
        name, found, rest = part.partition(sign)
        if found:
            return kind, f"{name}={rest}"
    return "set", part


def _is_log(text: str, known: Any) -> bool:
    path = Path(Source.parse(text).path)
    if path.exists() or path.suffix.lower() in _TABLES:
        return True
    if "=" in text:
        return False
    raise QueryError(
        f"{text!r} is neither a file nor values by name. Write run.csv, run.csv[100:200] or "
        f"{next(iter(known), 'T1')}=40."
    )
