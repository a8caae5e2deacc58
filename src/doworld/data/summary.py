"""What a person wants to know of a log first, for the terminal, the notebook and JSON."""

import html
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from doworld.data.freedom import Freedom, freedom
from doworld.data.schema import Kind, Role, Variable
from doworld.data.trajectories import Trajectories

__all__ = ["Summary", "VariableSummary", "summarise"]

_MOST_SHOWN = 40
_SHORT = {
    Kind.CONTINUOUS: "real",
    Kind.BINARY: "0/1",
    Kind.CATEGORICAL: "levels",
    Kind.COUNT: "count",
}


@dataclass(frozen=True)
class VariableSummary:
    """One variable of a log.

    Attributes:
        name, role, kind, unit: from the schema.
        low, high, mean, sd: of the known values, in the variable's unit; NaN for categories.
        missing: share of the rows in which it is missing; an empty last action does not count.
        levels: how many different values it takes.
        most: the most frequent categories with their share, for a categorical variable.
    """

    name: str
    role: Role
    kind: Kind
    unit: str
    low: float
    high: float
    mean: float
    sd: float
    missing: float
    levels: int
    most: tuple[tuple[str, float], ...] = ()

    @property
    def range(self) -> str:
        """Lowest and highest value, or the most frequent categories."""
        if self.kind is Kind.CATEGORICAL:
            shown = ", ".join(f"{name} {share:.0%}" for name, share in self.most[:3])
            return shown + (", …" if self.levels > 3 else "")
        return f"{_number(self.low)} … {_number(self.high)}"

    @property
    def typical(self) -> str:
        """Mean ± standard deviation, or the number of categories."""
        if self.kind is Kind.CATEGORICAL:
            return f"{self.levels} levels"
        return f"{_number(self.mean)} ± {_number(self.sd)}"


@dataclass(frozen=True)
class Summary:
    """A log at a glance; ``summarise`` makes it.

    Attributes:
        rows, episodes, transitions: how much there is.
        lengths: rows of the shortest, the middle and the longest episode.
        environments: name → (episodes, rows).
        step, time_unit: the time between rows; 0 for a static table.
        terminated, truncated: how many episodes ended so.
        missing: share of all cells that is missing.
        policy: how the actions were chosen, as the log says.
        variables: one summary each, in column order.
        actions: how freely each action was chosen.
        notes: what the reader noticed.
    """

    rows: int
    episodes: int
    transitions: int
    lengths: tuple[int, int, int]
    environments: dict[str, tuple[int, int]]
    step: float
    time_unit: str
    terminated: int
    truncated: int
    missing: float
    policy: str
    variables: tuple[VariableSummary, ...]
    actions: tuple[Freedom, ...]
    notes: tuple[str, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Which questions this log forbids or weakens, and why."""
        said = [a.verdict for a in self.actions if a.verdict]
        fixed = [v.name for v in self.variables if v.levels == 1 and v.role is not Role.ACTION]
        said += [f"{name} never changes: nothing can be learned about it" for name in fixed]
        return tuple(said)

    def lines(self) -> Iterator[str]:
        """The facts above the table, one line each."""
        if self.step == 0:
            yield f"{self.rows:,} rows, a static table"
        else:
            short, middle, long = self.lengths
            size = f"{short:,}" if short == long else f"{short:,}–{long:,} (median {middle:,})"
            many = "1 episode" if self.episodes == 1 else f"{self.episodes:,} episodes"
            yield f"{self.rows:,} rows in {many} of {size} rows, {self.transitions:,} transitions"
            unit = f" {self.time_unit}" if self.time_unit not in ("", "steps") else ""
            yield f"step {_number(self.step)}{unit}, ended: {self._ends()}"
        if len(self.environments) > 1:
            each = [f"{n} ({e})" for n, (e, _) in list(self.environments.items())[:6]]
            more = f", and {len(self.environments) - 6} more" if len(self.environments) > 6 else ""
            yield f"{len(self.environments)} environments (episodes): {', '.join(each)}{more}"
        yield f"missing {_share(self.missing)} of all values"
        if self.actions:
            free = ", ".join(f"{a.name} {_freely(a)}" for a in self.actions)
            yield f"actions: {self.policy}; they vary given the state: {free}"

    def _ends(self) -> str:
        other = self.episodes - self.terminated - self.truncated
        parts = [(self.terminated, "terminated"), (self.truncated, "truncated"), (other, "open")]
        return ", ".join(f"{n:,} {word}" for n, word in parts if n > 0) or "open"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; NaN becomes null."""
        return _plain({**asdict(self), "warnings": self.warnings})

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
        table.add_column("variable", overflow="fold", ratio=3)
        table.add_column("what", no_wrap=True)
        table.add_column("range", overflow="fold", ratio=3)
        table.add_column("mean ± sd", overflow="fold", ratio=3)
        gaps = any(v.missing for v in self.variables)
        if gaps:
            table.add_column("miss", justify="right", no_wrap=True)
        for v in self.variables[:_MOST_SHOWN]:
            name = f"{v.name} [{v.unit}]" if v.unit else v.name
            cells = [Text(name), Text(f"{v.role.value} {_SHORT[v.kind]}"), v.range, v.typical]
            table.add_row(*cells, *([_share(v.missing)] if gaps else []))
        left = len(self.variables) - _MOST_SHOWN
        more = [Text(f"… and {left} more variables", style="dim")] if left > 0 else []
        return Group(
            *(Text(line) for line in self.lines()),
            Text(""),
            table,
            *more,
            *(Text(f"! {said}", style="yellow") for said in self.warnings),
            *(Text(f"· {note}", style="dim") for note in self.notes),
        )

    def __str__(self) -> str:
        from io import StringIO

        from rich.console import Console

        out = StringIO()
        Console(file=out, width=100, color_system=None).print(self)
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines())

    def _repr_html_(self) -> str:
        head = ("variable", "unit", "role", "kind", "range", "mean ± sd", "missing")
        rows = [
            (v.name, v.unit, v.role.value, v.kind.value, v.range, v.typical, _share(v.missing))
            for v in self.variables
        ]
        escape = html.escape
        cells = "".join(
            "<tr>" + "".join(f"<td>{escape(str(c))}</td>" for c in row) + "</tr>" for row in rows
        )
        return (
            "<div>"
            + "".join(f"<div>{escape(line)}</div>" for line in self.lines())
            + "<table><thead><tr>"
            + "".join(f"<th>{c}</th>" for c in head)
            + f"</tr></thead><tbody>{cells}</tbody></table>"
            + "".join(f"<div><b>! {escape(said)}</b></div>" for said in self.warnings)
            + "".join(f"<div>· {escape(note)}</div>" for note in self.notes)
            + "</div>"
        )


def summarise(log: Trajectories) -> Summary:
    """A log at a glance: how much, of what, how complete, and how freely it was acted in.

    >>> log = Trajectories.from_gymnasium("CartPole-v1", episodes=20, seed=0)
    >>> about = summarise(log)
    >>> about.episodes, about.policy, about.actions[0].free > 0.9, about.warnings
    (20, 'randomised', True, ())
    """
    lengths = np.diff(log.starts)
    missing = log.missing
    places = {
        name: (int((log.environment == i).sum()), int(lengths[log.environment == i].sum()))
        for i, name in enumerate(log.schema.environments)
    }
    return Summary(
        rows=log.rows,
        episodes=len(log),
        transitions=log.transitions,
        lengths=(int(lengths.min()), int(np.median(lengths)), int(lengths.max())),
        environments=places,
        step=log.schema.step,
        time_unit=log.schema.time_unit,
        terminated=int(log.terminated.sum()),
        truncated=int((log.truncated & ~log.terminated).sum()),
        missing=float(missing.mean()),
        policy=log.schema.policy.value,
        variables=tuple(
            _variable(v, log.values[:, i], float(missing[:, i].mean()))
            for i, v in enumerate(log.schema.variables)
        ),
        actions=freedom(log),
        notes=log.notes,
    )


def _variable(variable: Variable, column: np.ndarray, missing: float) -> VariableSummary:
    known = column[~np.isnan(column)]
    values, counts = np.unique(known, return_counts=True)
    categorical = variable.kind is Kind.CATEGORICAL
    numbers = [math.nan] * 4
    if len(known) and not categorical:
        numbers = [float(f(known)) for f in (np.min, np.max, np.mean, np.std)]
    order = np.argsort(-counts, kind="stable")[:10] if categorical else []
    return VariableSummary(
        variable.name,
        variable.role,
        variable.kind,
        variable.unit,
        *numbers,
        missing=missing,
        levels=len(values),
        most=tuple(
            (variable.categories[int(values[i])], float(counts[i] / len(known))) for i in order
        ),
    )


def _number(value: float) -> str:
    """Four figures, without an exponent where that is short.

    >>> _number(1234567.0), _number(0.00012345), _number(20.0), _number(3.14159)
    ('1234567', '0.0001234', '20', '3.142')
    """
    if math.isnan(value):
        return "–"
    if value == 0:
        return "0"
    if 1e-5 <= abs(value) < 1e8:
        figures = max(0, 3 - math.floor(math.log10(abs(value))))
        text = f"{value:.{figures}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.3g}"


def _share(share: float) -> str:
    if share == 0:
        return "0 %"
    return "<0.1 %" if share < 0.001 else f"{100 * share:.2g} %"


def _freely(action: Freedom) -> str:
    if not action.varies:
        return "never"
    return "too few rows to tell" if math.isnan(action.free) else f"{action.free:.0%}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
