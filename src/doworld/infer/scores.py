"""What an evaluation found: errors beside the baselines, by variable and by rows ahead."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from doworld.data import Role, Trajectories
from doworld.model.world import WorldModel

__all__ = ["Evaluation", "Guess", "Score", "Scores"]

RIVALS = ("model", "persistence", "linear")


@dataclass(frozen=True)
class Score:
    """One variable's errors; NRMSE, or the share of wrong levels where ``levels``.

    Attributes:
        nrmse, persistence, linear: over all predicted rows.
        coverage: share of rows inside the model's interval; NaN for levels.
        rows: how many rows were scored.
        final: the model's error at the last row of the horizon.
        curve, curve_persistence, curve_linear: error at 1, 2, … rows ahead.
    """

    variable: str
    nrmse: float
    persistence: float
    linear: float
    coverage: float
    rows: int
    final: float
    curve: tuple[float, ...]
    curve_persistence: tuple[float, ...]
    curve_linear: tuple[float, ...]
    levels: bool = False


@dataclass(frozen=True)
class Evaluation:
    """Open-loop errors on a held-out log, a row a state variable."""

    scores: tuple[Score, ...]
    windows: int
    horizon: int
    stride: int
    level: float
    notes: tuple[str, ...] = field(default=())

    def __getitem__(self, name: str) -> Score:
        """One variable's score; raises ``UnknownNameError``."""
        from doworld._core.errors import UnknownNameError

        for score in self.scores:
            if score.variable == name:
                return score
        raise UnknownNameError("evaluated variable", name, [s.variable for s in self.scores])

    def frame(self) -> pl.DataFrame:
        """A row a variable: the model's error, the baselines', coverage, windows, final error."""
        return pl.DataFrame(
            {
                "variable": [s.variable for s in self.scores],
                "nrmse": _none([s.nrmse for s in self.scores]),
                "nrmse_persistence": _none([s.persistence for s in self.scores]),
                "nrmse_linear": _none([s.linear for s in self.scores]),
                "coverage": _none([s.coverage for s in self.scores]),
                "windows": [self.windows] * len(self.scores),
                "nrmse_final": _none([s.final for s in self.scores]),
                "measure": ["wrong levels" if s.levels else "NRMSE" for s in self.scores],
            }
        )

    def curves(self) -> pl.DataFrame:
        """Error by variable and rows ahead, for the model and the baselines."""
        parts = [
            pl.DataFrame(
                {
                    "variable": [s.variable] * len(s.curve),
                    "ahead": list(range(1, len(s.curve) + 1)),
                    "nrmse": _none(s.curve),
                    "nrmse_persistence": _none(s.curve_persistence),
                    "nrmse_linear": _none(s.curve_linear),
                }
            )
            for s in self.scores
        ]
        return pl.concat(parts)

    @property
    def mean(self) -> dict[str, float]:
        """Mean NRMSE over the variables that are numbers: model, persistence, linear."""
        numbers = [s for s in self.scores if not s.levels]
        if not numbers:
            return dict.fromkeys(RIVALS, float("nan"))
        table = np.array([[s.nrmse, s.persistence, s.linear] for s in numbers])
        return dict(zip(RIVALS, table.mean(0).tolist(), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; None where there is no number."""
        return {
            "horizon": self.horizon,
            "stride": self.stride,
            "level": self.level,
            "windows": self.windows,
            "notes": list(self.notes),
            "variables": self.frame().to_dicts(),
            "curves": {
                s.variable: {
                    "model": _none(s.curve),
                    "persistence": _none(s.curve_persistence),
                    "linear": _none(s.curve_linear),
                }
                for s in self.scores
            },
        }

    def __rich__(self):
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 1), header_style="bold")
        table.add_column("variable")
        for name in ("ours", "persist.", "linear", "cover", "last row"):
            table.add_column(name, justify="right")
        for s in self.scores:
            best = min(s.persistence, s.linear)
            style = "green" if s.nrmse < best else "yellow"
            table.add_row(
                s.variable + (" (wrong)" if s.levels else ""),
                Text(_short(s.nrmse), style=style),
                _short(s.persistence),
                _short(s.linear),
                "–" if np.isnan(s.coverage) else f"{s.coverage:.0%}",
                _short(s.final),
            )
        head = Text(
            f"NRMSE over {self.horizon} rows ahead, {self.windows} windows; "
            f"cover: rows inside the {self.level:.0%} interval"
        )
        return Group(head, table, *(Text(f"· {n}", style="dim") for n in self.notes))

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=80, no_color=True, highlight=False)
        with console.capture() as capture:
            console.print(self)
        return capture.get()


def _none(values) -> list[float | None]:
    return [None if np.isnan(v) else float(v) for v in values]


def _short(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3g}" if value < 1000 else f"{value:.1e}"


@dataclass(frozen=True, eq=False)
class Guess:
    """A model's answer for some windows: the middle and the ends of its interval."""

    middle: Float[np.ndarray, "windows steps variables"]
    low: Float[np.ndarray, "windows steps variables"]
    high: Float[np.ndarray, "windows steps variables"]


class Scores:
    """Sums of errors, window by window."""

    def __init__(self, model: WorldModel, log: Trajectories, steps: int) -> None:
        self._schema, self._columns = model.schema, model.schema.positions(Role.STATE)
        with np.errstate(all="ignore"):
            spread = np.nanstd(log.values[:, self._columns], axis=0)
        self._spread = np.where(spread > 0, spread, model.scale[self._columns])
        shape = (steps, len(self._columns))
        self._errors = np.zeros((len(RIVALS), *shape))
        self._count, self._covered = np.zeros(shape), np.zeros(shape)
        self._levels = np.array([model.schema.variables[i].levels > 0 for i in self._columns])
        self._typical = np.where(
            self._levels, model.typical[self._columns], model.center[self._columns]
        )
        self._windows = 0

    def add(
        self,
        truth: Float[np.ndarray, "windows steps variables"],
        guess: Guess,
        window: Float[np.ndarray, "windows lags variables"],
        linear: Float[np.ndarray, "windows steps variables"],
    ) -> None:
        """Adds some windows; NaN in ``truth`` is not scored."""
        at = self._columns
        real = truth[..., at]
        seen = ~np.isnan(real)
        row = window[:, :1, at] if window.shape[1] else self._typical
        still = np.broadcast_to(row, real.shape)
        for n, rival in enumerate((guess.middle[..., at], still, linear[..., at])):
            wrong = np.where(self._levels, rival != real, (rival - real) ** 2)
            self._errors[n] += np.where(seen, wrong, 0.0).sum(0)
        inside = (real >= guess.low[..., at]) & (real <= guess.high[..., at])
        self._covered += (inside & seen).sum(0)
        self._count += seen.sum(0)
        self._windows += len(truth)

    def result(
        self, *, horizon: int, stride: int, level: float, notes: tuple[str, ...]
    ) -> Evaluation:
        """The evaluation."""
        scores = []
        for j, i in enumerate(self._columns):
            rivals, steps = range(len(RIVALS)), range(len(self._count))
            parts = [tuple(self._error(n, j, slice(t, t + 1)) for t in steps) for n in rivals]
            rows = self._count[:, j].sum()
            whole = [self._error(n, j, slice(None)) for n in rivals]
            last = np.flatnonzero(self._count[:, j])
            scores.append(
                Score(
                    self._schema.names[i],
                    *whole,
                    coverage=float(self._covered[:, j].sum() / rows)
                    if rows and not self._levels[j]
                    else float("nan"),
                    rows=int(rows),
                    final=parts[0][last[-1]] if len(last) else float("nan"),
                    curve=parts[0],
                    curve_persistence=parts[1],
                    curve_linear=parts[2],
                    levels=bool(self._levels[j]),
                )
            )
        return Evaluation(tuple(scores), self._windows, horizon, stride, level, notes)

    def _error(self, rival: int, column: int, rows: slice) -> float:
        count = self._count[rows, column].sum()
        if not count:
            return float("nan")
        mean = self._errors[rival, rows, column].sum() / count
        return float(mean if self._levels[column] else np.sqrt(mean) / self._spread[column])
