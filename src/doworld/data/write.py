"""Logs as files that ``read`` brings back without loss: a table and its YAML schema."""

from pathlib import Path

import numpy as np
import polars as pl

from doworld._core.errors import DataError
from doworld.data.schema_file import write_schema
from doworld.data.trajectories import Trajectories

__all__ = ["write"]


def write(log: Trajectories, path: str | Path) -> Path:
    """Writes a log to ``path`` and its schema beside it, and returns the table's path.

    ``run.csv`` or ``run.parquet`` gets ``run.schema.yaml``; a path without ending is a folder that
    gets ``log.parquet`` and ``schema.yaml``. ``read`` of the path gives the same log again: values,
    times, episodes, environments, ends, propensities, notes. Episodes that share a label get
    numbers behind it. Raises ``DataError`` for an ending that is neither.

    >>> import tempfile
    >>> from doworld.data.files import read
    >>> frame = pl.DataFrame({"t": [0, 1, 2], "x": [0.1, 0.2, 0.4]})
    >>> log = Trajectories.from_frame(frame, state="x", time="t")
    >>> file = write(log, Path(tempfile.mkdtemp()) / "run.csv")
    >>> np.array_equal(read(file).values, log.values)
    True
    """
    path = Path(path)
    if path.is_dir() or not path.suffix:
        path.mkdir(parents=True, exist_ok=True)
        table, beside = path / "log.parquet", path / "schema.yaml"
    elif path.suffix.lower() in (".csv", ".parquet"):
        path.parent.mkdir(parents=True, exist_ok=True)
        table, beside = path, path.with_name(f"{path.stem}.schema.yaml")
    else:
        raise DataError(
            f"a log cannot be written as {path.suffix!r}. "
            "Name a .csv or .parquet file, or a folder."
        )
    frame, columns = _frame(log)
    is_csv = table.suffix.lower() == ".csv"
    if is_csv:
        _check_texts(frame)
        frame.write_csv(table)
    else:
        frame.write_parquet(table)
    write_schema(
        log.schema,
        beside,
        columns=columns,
        missing=[""] if is_csv else [],
        notes=list(log.notes),
    )
    return table


def _frame(log: Trajectories) -> tuple[pl.DataFrame, dict[str, str]]:
    """The log as a table with every index column, and what these are called."""
    frame = log.frame()
    episode, time, environment = log.index_names
    labels = np.array(_unique(log.labels), dtype=object)[log.episode_of_row]
    frame = frame.with_columns(pl.Series(episode, labels.tolist(), dtype=pl.String))
    columns = {"episode": episode, "time": time, "environment": environment}
    extra: dict[str, np.ndarray] = {}
    for name in ("terminated", "truncated"):
        flags = np.zeros(log.rows, bool)
        flags[log.starts[1:] - 1] = getattr(log, name)
        extra[name] = flags
    if log.propensity is not None:
        extra["propensity"] = log.propensity
    for name, values in extra.items():
        free = name
        while free in frame.columns:
            free += "_"
        columns[name] = free
        frame = frame.with_columns(
            pl.Series(free, values).fill_nan(None)
            if (values.dtype != bool)
            else pl.Series(free, values)
        )
    return frame, columns


def _unique(labels: tuple[str, ...]) -> list[str]:
    seen: set[str] = set()
    result = []
    for label in labels:
        own, number = label, 1
        while own in seen:
            number += 1
            own = f"{label} ({number})"
        seen.add(own)
        result.append(own)
    return result


def _check_texts(frame: pl.DataFrame) -> None:
    for name, dtype in frame.schema.items():
        if dtype == pl.String and (frame[name] == "").any():
            raise DataError(
                f"column {name!r} holds empty text, which a CSV file cannot tell from a missing "
                "value. Write a .parquet file, or give that category or label a name."
            )
