"""Many worlds shared by processes: compiling, which dominates, keeps to one thread."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import starmap
from typing import Any, TypeVar

__all__ = ["each"]

T = TypeVar("T")


def each(function: Callable[..., T], cases: Sequence[tuple[Any, ...]], workers: int) -> list[T]:
    """``function(*case)`` of every case, in order; a function of a module, on plain arguments.

    With one worker nothing is started.
    """
    if workers <= 1 or len(cases) <= 1:
        return list(starmap(function, cases))
    fresh = multiprocessing.get_context("spawn")  # a fork would share the compiler's locks
    with ProcessPoolExecutor(min(workers, len(cases)), mp_context=fresh) as pool:
        return list(pool.map(function, *zip(*cases, strict=True)))
