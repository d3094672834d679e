"""Processes that work for a command."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from concurrent.futures import Executor


@contextlib.contextmanager
def workers(jobs: int, *, wanted: bool = True) -> Iterator[Executor | None]:
    """So many processes, or None for one of them or where they are not `wanted`: starting them takes its time."""
    if jobs == 1 or not wanted:
        yield None
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # A fork would copy the threads of this process in whatever state they are.
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_leave_ctrl_c)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_ctrl_c() -> None:
    """Ctrl-C reaches every process of the terminal; the one that started the work ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
