"""A batch of images: rows from a sheet or a lot, made by any executor, into a folder tree or one container.

Streaming: only a few chunks are in flight, taken in order, so that memory does not grow with the batch and what is
done is always a beginning of it. A batch that was stopped, in whatever way, goes on there.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from pathlib import Path

from factory.config import Product
from factory.errors import Exit, FactoryError
from factory.identity import KeySource
from factory.images import Builder
from factory.lots.build_rows import Rows, Wanted
from factory.lots.build_sinks import PackSink, Sink, TreeSink
from factory.lots.build_work import Failure, Made, Task, work
from factory.values import HardwareId, digest

CHUNK = 200
_PROBE = "factory-batch-probe"


class BuildFailed(FactoryError):  # noqa: N818 - reads as what happened
    """A batch stopped at a row; what was made before it is whole."""

    code = "image.row"
    exit_code = Exit.FAILED


@dataclass(frozen=True, slots=True)
class Built:
    """What a batch came to: where it lies, its images, how many of them an earlier run had made, and the notes on
    units that were unusual (the first hundred).
    """

    place: Path
    images: int
    before: int
    notes: tuple[str, ...]
    unusual: int


Progress = Callable[[int, int], None]
"""Called with images done and images in all."""


def build(
    rows: Rows,
    product: Product,
    builder: Builder,
    keys: KeySource,
    out: Path,
    *,
    pack: bool = False,
    executor: Executor | None = None,
    jobs: int = 1,
    progress: Progress = lambda _done, _all: None,
) -> Built:
    """Make the image of every row, with `executor` and up to `jobs` workers at a time, or here without one.

    Into `out` as a folder tree, or with `pack` as one container there. The same rows, product and format go on where
    a batch was stopped; others in its place are refused. With a folder tree the workers write: they must see `out`.

    Raises BuildFailed with row and place of the template, FileError for a full disk, and UsageError
    (`image.other-batch`); whatever is raised, what is there is whole.
    """
    batch = batch_of(rows, product, builder, keys)
    sink: Sink = PackSink(out, rows.name, batch) if pack else TreeSink(out, batch)
    task = Task.of(product, builder, keys, None if pack else out)
    notes: list[str] = []
    unusual = 0
    with sink:
        before = sink.done
        progress(before, rows.count)
        if not sink.finished:
            for made in _made(itertools.islice(rows, before, None), task, executor, jobs):
                sink.take(made)
                unusual += len(made.notes)
                notes.extend(made.notes[: 100 - len(notes)])
                if made.failure is not None:
                    raise _failed(rows, made.failure, sink)
                progress(sink.done, rows.count)
            rows.require_unchanged()
        place = sink.finish()
    return Built(place, sink.done, before, tuple(notes), unusual)


def batch_of(rows: Rows, product: Product, builder: Builder, keys: KeySource) -> dict[str, object]:
    """What the images of a batch are made of, without anything secret: two batches with the same are the same."""
    probe = keys.derive(product.product.name, HardwareId.parse(_PROBE)) if keys.can_derive else None
    return {
        "schema": "factory.batch/1",
        "product": product.product.name,
        "rows": rows.count,
        "source": rows.name,
        "source_sha256": rows.sha256,
        "format": builder.format,
        "template": builder.template_hash,
        "settings": digest(
            {
                "image": product.image.model_dump(mode="json"),
                "registration": product.registration.model_dump(mode="json"),
                "names": [product.identity.registration_key, product.identity.device_name],
            }
        ),
        "key": None if probe is None else keys.fingerprint(probe),
    }


def _made(rows: Iterator[Wanted], task: Task, executor: Executor | None, jobs: int) -> Iterator[Made]:
    """What the workers made, in the order of the rows, with a bounded number of chunks on their way."""
    chunks = iter(lambda: tuple(itertools.islice(rows, CHUNK)), ())
    if executor is None:
        yield from map(task.make, chunks)
        return
    frozen = task.frozen()
    waiting: deque[Future[Made]] = deque()
    try:
        for chunk in chunks:
            waiting.append(executor.submit(work, frozen, chunk))
            if len(waiting) > 2 * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenExecutor as error:
        raise BuildFailed(
            "a worker process died; was it killed, or was there no memory left?",
            hint="What is there is whole: run the same command again, with fewer --jobs if memory was short.",
            code="image.worker",
        ) from error
    finally:
        for future in waiting:
            future.cancel()


def _failed(rows: Rows, failure: Failure, sink: Sink) -> BuildFailed:
    hint = f"{failure.hint} {sink.done} images are whole; mend it, and build the batch anew.".strip()
    message = f"{rows.name}: row {failure.row}, {failure.hardware_id}: {failure.message}"
    return BuildFailed(message, hint=hint, code=failure.code)
