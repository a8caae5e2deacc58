"""Policies and rules from YAML or JSON files: plain data, of bounded size."""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from doworld._core.errors import QueryError

__all__ = ["policy", "rules"]

LARGEST = 256 * 1024
"""Bytes that such a file may have."""


def _read(path: str, fix: str) -> Any:
    """The data of a file; raises ``QueryError`` for one that is empty, too large or neither."""
    import yaml

    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(2, "no such file", path)
    if file.stat().st_size > LARGEST:
        raise QueryError(
            f"{path} has {file.stat().st_size:,} bytes, more than the {LARGEST:,} of a file of "
            "plain data. Give fewer cases."
        )
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = str(error).split("\n", 1)[0]
        raise QueryError(f"{path} is neither YAML nor JSON: {said}. Mend the file.") from None
    if not data:
        raise QueryError(f"{path} is empty. {fix}")
    return data


def policy(path: str) -> Any:
    """The policy of a file, ``Rules`` or ``Feedback``; its ``kind`` may be left out."""
    from doworld.query.plain import mistake
    from doworld.query.policy import Strategy

    data = _read(path, "Write, say, otherwise: LEVEL, with cases above it where it depends.")
    if isinstance(data, dict) and "kind" not in data:
        data = {"kind": "feedback" if "weights" in data else "rules", **data}
    try:
        return TypeAdapter(Strategy).validate_python(data)
    except ValidationError as error:
        raise mistake(path, error) from None


def rules(path: str) -> tuple[Any, ...]:
    """The rule changes of a file, a list of them by ``kind``."""
    from doworld.query.plain import mistake
    from doworld.query.rule import RuleChanges

    data = _read(path, "Write a list of changes, say - {kind: turn, constant: T.c1, factor: 2}.")
    try:
        return TypeAdapter(RuleChanges).validate_python(data)
    except ValidationError as error:
        raise mistake(path, error) from None
