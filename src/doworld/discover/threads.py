"""One thread for many small matrix factorisations."""

from contextlib import AbstractContextManager

__all__ = ["one_thread"]


def one_thread() -> AbstractContextManager[object]:
    """Holds linear algebra to one thread.

    Factorising a few hundred columns gains nothing from a second thread, and on a machine that
    others use too, threads that wait for each other make it ten times slower.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
