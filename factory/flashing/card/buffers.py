"""Page-aligned buffers that go round between a thread that fills them and one that empties them."""

from __future__ import annotations

import mmap
import queue
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass

SIZE = 4 * 1024 * 1024
COUNT = 4


@dataclass(frozen=True, slots=True)
class Block:
    """Filled bytes and where they belong on the medium."""

    offset: int
    data: memoryview


class Stopped(Exception):  # noqa: N818 - tells the filling thread that nobody empties any more
    """The other side has ended."""


class Ring:
    """A few buffers. `take` and `give` are the filling side's."""

    def __init__(self, count: int = COUNT, size: int = SIZE) -> None:
        self._maps = [mmap.mmap(-1, size) for _ in range(count)]
        self._free: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self._full: queue.SimpleQueue[tuple[Block, memoryview] | BaseException | None] = queue.SimpleQueue()
        for one in self._maps:
            self._free.put(memoryview(one))

    def take(self) -> memoryview:
        """An empty buffer. Raises Stopped."""
        buffer = self._free.get()
        if buffer is None:
            self._free.put(None)
            raise Stopped
        return buffer

    def give(self, offset: int, buffer: memoryview, length: int) -> None:
        """Hand over a buffer whose first `length` bytes belong at `offset`."""
        self._full.put((Block(offset, buffer[:length]), buffer))

    def blocks(self, fill: Callable[[], None]) -> Generator[Block]:
        """Run `fill` in a thread and yield what it gives; a block is valid until the next is asked for. An error of
        `fill` is raised here, in its place. The thread has ended when this has.
        """
        thread = threading.Thread(target=self._run, args=(fill,), name="card-fill", daemon=True)
        thread.start()
        try:
            while (item := self._full.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                block, buffer = item
                yield block
                self._free.put(buffer)
        finally:
            self._free.put(None)
            thread.join()

    def _run(self, fill: Callable[[], None]) -> None:
        try:
            fill()
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by the side that empties
            self._full.put(error)
        else:
            self._full.put(None)
