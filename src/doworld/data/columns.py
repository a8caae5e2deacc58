"""One column of a table as a variable: its kind decided, its values as numbers."""

from dataclasses import replace

import numpy as np
import polars as pl
from jaxtyping import Float

from doworld._core.errors import DataError, SchemaError, UnknownNameError
from doworld.data.schema import Kind, Role, Variable

__all__ = ["FEW_LEVELS", "encode"]

FEW_LEVELS = 20
"""Up to so many different whole numbers ≥ 0 are read as a count."""

Values = Float[np.ndarray, " rows"]


def encode(
    column: pl.Series, role: Role, given: Variable | None = None, *, infer_kind: bool = False
) -> tuple[Variable, Values, tuple[str, ...]]:
    """A column as a variable, its values as float64 (NaN missing), and notes on what was decided.

    Categoricals and text become categorical, booleans and whole numbers 0/1 binary, up to
    ``FEW_LEVELS`` different whole numbers ≥ 0 a count, everything else continuous; ``given``
    decides instead where it is not None, except on the kind where ``infer_kind``. Raises
    ``DataError`` for infinite or only missing values and ``SchemaError`` for columns that hold no
    such values.

    >>> variable, values, _ = encode(pl.Series("gear", ["low", None, "high"]), Role.ACTION)
    >>> variable.kind.value, variable.categories, values.tolist()
    ('categorical', ('high', 'low'), [1.0, nan, 0.0])
    """
    name = column.name
    if column.null_count() == len(column) or (
        column.dtype.is_float() and column.fill_nan(None).null_count() == len(column)
    ):
        raise DataError(
            f"column {name!r} has no value in any of its {len(column)} rows. "
            f"Leave it out of the {role.value} columns, or mend the file."
        )
    if given is None:
        return _inferred(column, role)
    if infer_kind:
        found, values, notes = _inferred(column, role)
        told = {k: getattr(given, k) for k in ("unit", "bounds", "description", "entity")}
        return replace(found, **told), values, notes
    variable = replace(given, name=name, role=role)
    return variable, _checked(name, _as_given(column, variable)), ()


def _inferred(column: pl.Series, role: Role) -> tuple[Variable, Values, tuple[str, ...]]:
    name, dtype = column.name, column.dtype
    notes: tuple[str, ...] = ()
    if dtype == pl.String:
        column, notes = _text(column)
        dtype = column.dtype
    if isinstance(dtype, pl.Enum | pl.Categorical):
        categories = _categories(column)
        variable = Variable(name, role, Kind.CATEGORICAL, categories=categories)
        return variable, _codes(column, variable), notes
    values = _checked(name, _numbers(column))
    return Variable(name, role, _number_kind(column, values)), values, notes


def _number_kind(column: pl.Series, values: Values) -> Kind:
    known = values[~np.isnan(values)]
    levels = np.unique(known)
    whole = column.dtype.is_integer() or (
        # pandas turns whole numbers with a gap into floats
        column.dtype.is_float() and len(known) < len(values) and bool((levels % 1 == 0).all())
    )
    zero_one = bool(np.isin(levels, (0, 1)).all())
    if column.dtype == pl.Boolean or (zero_one and (whole or len(levels) == 2)):
        return Kind.BINARY
    if whole and len(levels) <= FEW_LEVELS and levels[0] >= 0:
        return Kind.COUNT
    return Kind.CONTINUOUS


def _text(column: pl.Series) -> tuple[pl.Series, tuple[str, ...]]:
    """Text as categories, or as numbers where it can only be numbers."""
    numbers = column.str.strip_chars().cast(pl.Float64, strict=False)
    bad = column.filter(numbers.is_null() & column.is_not_null())
    known = len(column) - column.null_count()
    if 0 < len(bad) <= 0.1 * known and numbers.n_unique() > FEW_LEVELS:
        shown = ", ".join(repr(v) for v in bad.unique(maintain_order=True)[:3].to_list())
        raise DataError(
            f"column {column.name!r} holds numbers, but {len(bad)} of its rows hold text such as "
            f"{shown}. Name that text among the missing values (missing=[...]), or correct it."
        )
    if len(bad) == 0 and numbers.n_unique() > FEW_LEVELS:
        return numbers, (f"{column.name}: numbers written as text were read as numbers",)
    return column.cast(pl.Categorical()), ()


def _categories(column: pl.Series) -> tuple[str, ...]:
    if isinstance(column.dtype, pl.Enum):
        return tuple(column.dtype.categories.to_list())
    return tuple(sorted(column.drop_nulls().cast(pl.String).unique().to_list()))


def _as_given(column: pl.Series, variable: Variable) -> Values:
    """Values of a column whose kind the user has said."""
    if variable.kind is Kind.CATEGORICAL:
        return _codes(column, variable)
    if isinstance(column.dtype, pl.Enum | pl.Categorical):
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        numbers = column.str.strip_chars().cast(pl.Float64, strict=False)
        bad = column.filter(numbers.is_null() & column.is_not_null())
        if len(bad):
            raise DataError(
                f"column {variable.name!r} is declared {variable.kind.value}, but {len(bad)} rows "
                f"hold text such as {bad[0]!r}. Correct them, name them among the missing values, "
                "or declare the variable categorical."
            )
        column = numbers
    values = _numbers(column)
    known = values[~np.isnan(values)]
    if variable.kind is Kind.BINARY and not np.isin(known, (0, 1)).all():
        odd = known[~np.isin(known, (0, 1))]
        raise SchemaError(
            f"{variable.name!r} is declared binary, but {len(odd)} rows hold other values, "
            f"{odd[0]:g} first. Declare it count or continuous, or correct them."
        )
    return values


def _codes(column: pl.Series, variable: Variable) -> Values:
    """Level codes of a column by the names of its categories."""
    if column.dtype.is_float():
        whole = column.fill_nan(None)
        if bool((whole.drop_nulls() % 1 == 0).all()):
            column = whole.cast(pl.Int64)
    elif column.dtype == pl.Boolean:
        column = column.cast(pl.Int8)
    text = column.cast(pl.String)
    code_of = {category: float(i) for i, category in enumerate(variable.categories)}
    codes = np.full(len(text), np.nan)
    for i, value in enumerate(text.to_list()):
        if value is None:
            continue
        if value not in code_of:
            raise UnknownNameError(f"category of {variable.name!r}", value, variable.categories)
        codes[i] = code_of[value]
    return codes


def _numbers(column: pl.Series) -> Values:
    dtype = column.dtype
    if isinstance(dtype, pl.Duration):
        return (column.dt.total_microseconds() / 1e6).to_numpy().astype(np.float64)
    if dtype.is_temporal():
        raise SchemaError(
            f"column {column.name!r} holds dates, which are no variable. "
            f"Use it as time={column.name!r}, or turn it into a number, the hour of the day, say."
        )
    if not (dtype.is_numeric() or dtype == pl.Boolean):
        raise SchemaError(
            f"column {column.name!r} holds {dtype} values, which are no variable. "
            "Spread it into columns of numbers or categories, or leave it out."
        )
    return np.array(column.cast(pl.Float64).fill_null(float("nan")).to_numpy(), np.float64)


def _checked(name: str, values: Values) -> Values:
    infinite = int(np.isinf(values).sum())
    if infinite:
        raise DataError(
            f"column {name!r} holds ±inf in {infinite} of {len(values)} rows, first in row "
            f"{int(np.isinf(values).argmax())}. Replace them by null where the value is unknown: "
            f"df.with_columns(pl.col({name!r}).replace([float('inf'), float('-inf')], None))."
        )
    return values
