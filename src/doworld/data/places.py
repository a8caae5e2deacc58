"""Where logs lie: the files of a path, of a folder or of a list of them."""

import re
from collections.abc import Sequence
from pathlib import Path

from doworld._core.errors import DataError, UnknownNameError
from doworld.data.tables import SUFFIXES

__all__ = ["files_of", "stem"]


def files_of(path: str | Path | Sequence[str | Path], pattern: str | None) -> list[Path]:
    """The files meant by ``path``, a folder's in natural order (run2 < run10).

    Raises ``UnknownNameError`` for a path that does not exist and ``DataError`` where no file fits.
    """
    if not isinstance(path, str | Path):
        files = [file for each in path for file in files_of(each, pattern)]
        if not files:
            raise DataError("the list of files is empty. Name at least one.")
        return files
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.exists():
        parent = path.parent
        near = sorted(p.name for p in parent.iterdir()) if parent.is_dir() else []
        raise UnknownNameError(f"file or folder in {parent}", path.name, near)
    try:
        inside = [p for p in path.glob(pattern or "*") if p.is_file()]
    except (ValueError, NotImplementedError) as error:
        raise DataError(f"pattern {pattern!r} cannot be used: {error}. Try '*.csv'.") from None
    files = [p for p in inside if p.name.lower().endswith(SUFFIXES)]
    if not files:
        raise DataError(
            f"folder {path.name!r} holds no file {'like ' + repr(pattern) if pattern else ''} "
            f"that can be read ({', '.join(SUFFIXES)}). Check the path or the pattern."
        )
    return sorted(files, key=_natural)


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(p), p) if p.isdigit() else (1, 0, p) for p in parts]


def stem(file: Path) -> str:
    """A file's name without its ending, the double ones such as .csv.gz too.

    >>> stem(Path("run7.csv.gz"))
    'run7'
    """
    name = file.name
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return file.stem
