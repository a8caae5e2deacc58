"""An answer as a table: one row a variable and row."""

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from doworld.query.answer import Answer

__all__ = ["frame"]


def frame(answer: "Answer") -> pl.DataFrame:
    """variable, row, time, estimate (a category by name in ``label``), interval, support."""
    schema = {
        "variable": pl.String,
        "row": pl.Int64,
        "time": pl.Float64,
        "estimate": pl.Float64,
        "label": pl.String,
        "lower": pl.Float64,
        "upper": pl.Float64,
        "noise": pl.Float64,
        "parameters": pl.Float64,
        "structure": pl.Float64,
        "support": pl.Float64,
    }
    rows = []
    for s in answer.series:
        for i, row in enumerate(s.rows):
            value = None if s.estimate is None else s.estimate[i]
            rows.append(
                (
                    s.variable,
                    row,
                    row * answer.step,
                    value,
                    None if value is None else s.label(value),
                    *(
                        part[i] if part else None
                        for part in (
                            s.lower,
                            s.upper,
                            s.noise,
                            s.parameters,
                            s.structure,
                            s.support,
                        )
                    ),
                )
            )
    return pl.DataFrame(rows, schema=schema, orient="row")
