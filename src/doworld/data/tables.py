"""One CSV or Parquet file as a Polars frame of the wanted columns, within stated limits."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from doworld._core.errors import DataError, SchemaError, UnknownNameError

__all__ = ["MISSING_WORDS", "SUFFIXES", "Layout", "Limit", "columns_of", "load", "unit_in_name"]

MISSING_WORDS = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None")
"""Cells that mean "missing" where a reader is not told otherwise."""

_TEXT = (".csv", ".tsv", ".txt", ".dat")
SUFFIXES = (*_TEXT, *(f"{kind}.gz" for kind in _TEXT), ".parquet", ".pq")

_UNIT = re.compile(r"[(\[]\s*([^()\[\]]+?)\s*[)\]]\s*$")


@dataclass(frozen=True)
class Limit:
    """How much may be read: bytes of one file once unpacked, and rows of one file."""

    bytes: int = 4 * 2**30
    rows: int = 50_000_000


@dataclass(frozen=True)
class Layout:
    """How a table's file is written; None: seen from its first lines.

    ``missing`` holds the words and numbers that mean "no value"; ``rename`` maps names in the file
    to variables.
    """

    names: tuple[str, ...] | None = None
    header: bool | None = None
    separator: str | None = None
    missing: tuple[float | str, ...] | None = None
    rename: dict[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"


def unit_in_name(name: str) -> str:
    """The unit in brackets at the end of a column's name, or "".

    >>> unit_in_name("Temperature 1 (degC)"), unit_in_name("T1")
    ('degC', '')
    """
    found = _UNIT.search(name)
    return found[1] if found else ""


def columns_of(path: Path, layout: Layout, limit: Limit | None = None) -> tuple[str, ...]:
    """The columns' names in a file, stripped of blanks and renamed."""
    limit = limit or Limit()
    if _is_parquet(path):
        raw = _parquet_names(path, limit)
    else:
        raw = _dialect(path, _text(path, layout, limit), layout).names
    return tuple(_target(name, layout, ()) for name in raw)


def load(
    path: Path, layout: Layout, wanted: Sequence[str], text: Sequence[str] = (), *, limit: Limit
) -> tuple[pl.DataFrame, dict[str, str]]:
    """The ``wanted`` columns of a file, and what each is called there.

    Columns in ``text`` are read as text even where they look like numbers. Raises ``DataError``
    for a file that is too large, broken or of an unknown format, ``UnknownNameError`` for a column
    that it has not, ``SchemaError`` for names that do not fit.
    """
    if _is_parquet(path):
        raw = _parquet_names(path, limit)
        source = _sources(path, raw, layout, wanted)
        frame = pl.read_parquet(path, columns=sorted(set(source.values())))
        frame = pl.DataFrame([frame[raw[i]].alias(name) for name, i in source.items()])
    else:
        content = _text(path, layout, limit)
        dialect = _dialect(path, content, layout)
        raw = dialect.names
        source = _sources(path, raw, layout, wanted)
        frame = _parse(path, content, dialect, source, layout, text=text, rows=limit.rows)
    frame = pl.DataFrame([_without(column, layout.missing or ()) for column in frame])
    return frame, {name: raw[i] for name, i in source.items()}


@dataclass(frozen=True)
class _Dialect:
    names: tuple[str, ...]
    header: bool
    separator: str
    blanks: bool


def _is_parquet(path: Path) -> bool:
    if not path.name.lower().endswith(SUFFIXES):
        raise DataError(
            f"{path.name} is no format that can be read. Convert it to one of "
            f"{', '.join(SUFFIXES)}, or read it with pandas and use Trajectories.from_frame."
        )
    return path.suffix.lower() in (".parquet", ".pq")


def _parquet_names(path: Path, limit: Limit) -> tuple[str, ...]:
    from pyarrow import ArrowException, parquet

    try:
        about = parquet.ParquetFile(path).metadata
        names = tuple(pl.read_parquet_schema(path))
    except (ArrowException, OSError, pl.exceptions.PolarsError) as error:
        line = str(error).splitlines()[0]
        raise DataError(f"{path.name} is no Parquet file, or is cut off: {line}.") from None
    if about.num_rows > limit.rows:
        raise _too_large(path, f"{about.num_rows} rows", f"{limit.rows} rows")
    return names


def _too_large(path: Path, found: str, allowed: str) -> DataError:
    return DataError(
        f"{path.name} holds {found}, more than the limit of {allowed}. Split it, thin it out, or "
        "raise the limit: read(..., limit=Limit(bytes=..., rows=...))."
    )


def _text(path: Path, layout: Layout, limit: Limit) -> str:
    """A text file's content, unpacked; never more than the limit is held."""
    try:
        opener = gzip.open if path.suffix.lower() == ".gz" else open
        with opener(path, "rb") as file:
            raw = file.read(limit.bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be read, or is cut off: {error}.") from None
    if len(raw) > limit.bytes:
        raise _too_large(path, f"over {limit.bytes:,} bytes", f"{limit.bytes:,} bytes")
    try:
        content = raw.decode(layout.encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name} is not written in {layout.encoding} (byte {error.start}). "
            "Name its encoding: encoding='latin-1', say."
        ) from None
    except LookupError:
        raise DataError(f"there is no encoding {layout.encoding!r}. Try 'utf-8'.") from None
    if not content.strip():
        raise DataError(f"{path.name} is empty. Check how it was written.")
    if "\n" not in content:
        content = content.replace("\r", "\n")
    return content.lstrip("\r\n")


def _dialect(path: Path, content: str, layout: Layout) -> _Dialect:
    """Separator, header and names from the first lines."""
    head = [line for line in content[:65_536].splitlines()[:8] if line.strip()][:6]
    separator, blanks = _separator(head, layout.separator)
    first = head[0].split() if blanks else next(csv.reader([head[0]], delimiter=separator))
    numeric = all(_is_number(cell) for cell in first if cell.strip()) and any(first)
    header = not numeric if layout.header is None else layout.header
    if layout.names is not None:
        if len(layout.names) != len(first):
            raise SchemaError(
                f"{len(layout.names)} names are given, but {path.name} has {len(first)} columns. "
                "Give one name a column, in the order of the file."
            )
        return _Dialect(layout.names, header, separator, blanks)
    if not header:
        raise DataError(
            f"{path.name} has no header line: it begins with {head[0][:60]!r}. Give the columns' "
            "names: names=['time', ...] (in a terminal: --names time,...)."
        )
    names = tuple(name if name.strip() else f"column_{i + 1}" for i, name in enumerate(first))
    return _Dialect(names, True, separator, blanks)


def _separator(head: list[str], given: str | None) -> tuple[str, bool]:
    if given is not None:
        blanks = given.strip(" ") == ""
        if not blanks and len(given.encode()) != 1:
            raise SchemaError(f"separator is {given!r}. Give one character, or ' ' for blanks.")
        return ("\t", True) if blanks else (given, False)
    widths = {}
    for mark in (",", ";", "\t", "|"):
        counts = {len(row) for row in csv.reader(head, delimiter=mark)}
        if len(counts) == 1 and (count := counts.pop()) > 1:
            widths[mark] = count
    if widths:
        return max(widths, key=lambda mark: widths[mark]), False
    many = {len(line.split()) for line in head}
    if len(many) == 1 and many.pop() > 1:
        return "\t", True
    return ",", False


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _target(raw: str, layout: Layout, wanted: Sequence[str]) -> str:
    """What a column of a file is called in the log."""
    for name in (raw, raw.strip()):
        if name in layout.rename:
            return layout.rename[name]
    return raw if raw in wanted else raw.strip()


def _sources(
    path: Path, raw: Sequence[str], layout: Layout, wanted: Sequence[str]
) -> dict[str, int]:
    """Wanted name → position of its column in the file."""
    targets = [_target(name, layout, wanted) for name in raw]
    found = {}
    for name in wanted:
        at = [i for i, target in enumerate(targets) if target == name]
        if not at:
            raise UnknownNameError(f"column of {path.name}", name, targets)
        if len(at) > 1:
            both = " and ".join(repr(raw[i]) for i in at)
            raise DataError(
                f"{path.name} has {len(at)} columns that are called {name!r}: {both}. "
                "Rename one of them in the file, or correct rename."
            )
        found[name] = at[0]
    return found


def _parse(
    path: Path,
    content: str,
    dialect: _Dialect,
    source: dict[str, int],
    layout: Layout,
    *,
    text: Sequence[str],
    rows: int,
) -> pl.DataFrame:
    if dialect.blanks:
        lines = (line.strip() for line in content.splitlines())
        content = "\n".join(re.sub(r"[ \t]+", "\t", line) for line in lines if line)
    words = MISSING_WORDS if layout.missing is None else layout.missing
    body = content.partition("\n")[2] if dialect.header else content
    head = dialect.separator.join(_plain_name(i) for i in range(len(dialect.names)))
    try:
        frame = pl.read_csv(
            io.BytesIO(f"{head}\n{body}".encode()),
            separator=dialect.separator,
            null_values=[w for w in words if isinstance(w, str)],
            infer_schema_length=None,
            columns=[_plain_name(i) for i in sorted(set(source.values()))],
            schema_overrides={_plain_name(source[n]): pl.String for n in text if n in source},
            n_rows=rows + 1,
        )
    except pl.exceptions.PolarsError as error:
        line = str(error).splitlines()[0]
        raise DataError(
            f"{path.name} is no regular table: {line}. Every line needs the same columns; name "
            "the separator where it is unusual (separator=';')."
        ) from None
    if frame.height == 0:
        raise DataError(f"{path.name} has 0 rows below its header. Check how it was written.")
    if frame.height > rows:
        raise _too_large(path, f"over {rows} rows", f"{rows} rows")
    # by series, never by expression: Polars reads a name such as "*" in one as a pattern
    columns = [frame[_plain_name(i)].alias(name) for name, i in source.items()]
    return pl.DataFrame(
        [_plain(c) if c.dtype == pl.String and c.name not in text else c for c in columns]
    )


def _without(column: pl.Series, missing: Sequence[float | str]) -> pl.Series:
    """The column with what means "no value" turned into null."""
    if column.dtype.is_numeric():
        numbers = [float(m) for m in missing if not isinstance(m, str)]
        hit = column.cast(pl.Float64).is_in(numbers) if numbers else None
    elif column.dtype == pl.String:
        words = [m for m in missing if isinstance(m, str)]
        hit = column.is_in(words) if words else None
    else:
        hit = None
    return column if hit is None else column.set(hit.fill_null(False), None)


def _plain_name(position: int) -> str:
    """What a column is called while it is parsed, whatever its own name holds."""
    return f"column_{position}"


def _plain(column: pl.Series) -> pl.Series:
    """Text that is only numbers with blanks around, or True and False, as such."""
    known = column.drop_nulls()
    stripped = known.str.strip_chars()
    if len(known) and stripped.is_in(["True", "False", "TRUE", "FALSE"]).all():
        return column.str.strip_chars().str.to_lowercase() == "true"
    if len(known) and stripped.cast(pl.Float64, strict=False).null_count() == 0:
        whole = column.str.strip_chars().cast(pl.Int64, strict=False)
        if whole.null_count() == column.null_count():
            return whole
        return column.str.strip_chars().cast(pl.Float64)
    return column
