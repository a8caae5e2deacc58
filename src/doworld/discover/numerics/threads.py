"""One thread for many small matrix factorisations, all of them for a large product."""

import os
from contextlib import AbstractContextManager, nullcontext

__all__ = ["all_threads", "one_thread"]

LARGE = 10**9


def one_thread() -> AbstractContextManager[object]:
    """Holds linear algebra to one thread.

    Factorising a few hundred columns gains nothing from a second thread, and on a machine that
    others use too, threads that wait for each other make it ten times slower.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


def all_threads(products: int) -> AbstractContextManager[object]:
    """Gives linear algebra every core where that many multiplications wait, else leaves it."""
    from threadpoolctl import threadpool_limits

    if products < LARGE:
        return nullcontext()
    return threadpool_limits(os.cpu_count() or 1)
