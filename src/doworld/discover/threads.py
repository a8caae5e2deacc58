"""One thread for many small matrix factorisations."""

from contextlib import AbstractContextManager, nullcontext

__all__ = ["one_thread"]


def one_thread() -> AbstractContextManager[object]:
    """Holds linear algebra to one thread where ``threadpoolctl`` is installed.

    Factorising a few hundred columns gains nothing from a second thread, and on a machine that
    others use too, threads that wait for each other make it ten times slower.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(1)
