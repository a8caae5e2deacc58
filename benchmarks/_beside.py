"""Asks a peer in an interpreter of its own, which may hold what this one does not."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

LIMIT = 900
"""Seconds after which a peer is stopped."""


def table_text(table: np.ndarray, names: Sequence[str] = ()) -> str:
    """A CSV with a header."""
    header = ",".join(names or [f"x{i}" for i in range(table.shape[1])])
    lines = (",".join(f"{v:.12g}" for v in row) for row in table.tolist())
    return "\n".join([header, *lines, ""])


def ask(
    python: str,
    script: str,
    before: Sequence[str],
    given: Sequence[str],
    after: Sequence[str] = (),
    *,
    seconds: float | None = LIMIT,
    threads: int | None = None,
) -> list[dict] | None:
    """The lines of JSON that a script beside this one prints of texts, each in a file of its own.

    The command is ``script BEFORE FILE… AFTER``; ``None`` where it fails or is too slow, one line
    "absent" where the peer is not installed.
    """
    env = dict(os.environ) if threads is None else {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{i}.given" for i in range(len(given))]
        for file, text in zip(files, given, strict=True):
            file.write_text(text)
        path = str(Path(__file__).with_name(script))
        command = [python, path, *before, *map(str, files), *after]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=seconds, check=False, env=env
            )
        except subprocess.TimeoutExpired:
            return None
    if done.returncode:
        print(f"{before[0]} failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def ask_first(
    pythons: Sequence[str], script: str, before: Sequence[str], given: Sequence[str], **how: Any
) -> list[dict] | None:
    """``ask`` of the first interpreter that has the peer; peers that conflict have one each."""
    found = None
    for python in pythons:
        found = ask(python, script, before, given, **how)
        if found is not None and not any("absent" in line for line in found):
            return found
    return found
