"""Writing an image to a device on the unit: one stream, carried out by sh and dd there."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, cast

from factory.flashing.errors import FlashError
from factory.flashing.partition.pace import Pace
from factory.flashing.partition.plan import Order, Plan, body_orders, late_orders
from factory.flashing.partition.stream import FAILED, GONE, OrderStream, prelude, script
from factory.flashing.partition.target import Target
from factory.flashing.payload import refused
from factory.units.deadline import Deadline
from factory.units.protocol import Completed, Progress, Unit


@dataclass(frozen=True, slots=True)
class Written:
    """What was sent: `body` is the hash over the plan's body, `late` the late blocks by their places, which were not
    sent yet; `whole` is the hash over both, `ends` that over the late blocks alone. `retries` counts blocks that had to
    be sent again.
    """

    body: str
    whole: str
    ends: str
    late: Mapping[int, bytes]
    retries: int


def write_body(
    unit: Unit,
    plan: Plan,
    target: Target,
    pace: Pace,
    *,
    algorithm: str,
    deadline: Deadline,
    progress: Progress | None = None,
) -> Written:
    """Blank the target, then write and sync the plan's body, in its order: see `plan`. Afterwards, and cut at any
    moment, the target holds no file system, or still the old one.

    A unit whose dd has no iflag=fullblock gets a stream for each run. Raises FlashError for what the unit could not do,
    and what the source and `Unit.put` raise.
    """
    if "fullblock" not in target.tools:
        return _one_by_one(unit, plan, target, algorithm, deadline=deadline, progress=progress)
    streams: list[OrderStream] = []

    def source(offset: int) -> BinaryIO:
        stream = OrderStream(plan, compress=pace.compress, algorithm=algorithm)
        streams.append(stream)
        left = offset
        while left > 0 and (skipped := len(stream.read(min(left, 1 << 20)) or b"")):
            left -= skipped
        return cast(BinaryIO, stream)

    def report(_: int) -> None:
        if progress is not None:
            progress(min(streams[-1].done, plan.length))

    sent = unit.put(source, script(target, compress=pace.compress), deadline=deadline, progress=report)
    _require(unit, plan, sent.completed)
    if not streams[-1].ended:
        raise _short(unit, plan)
    return _written(plan, streams[-1].digest, streams[-1].late, sent.retries)


def write_late(unit: Unit, plan: Plan, target: Target, written: Written, *, deadline: Deadline) -> int:
    """Write and sync what makes a file system of the body. Returns how many blocks had to be sent again; raises as
    `write_body` does.
    """
    work = list(late_orders(plan, written.late))
    if "fullblock" not in target.tools:
        return sum(_carry_out(unit, plan, target, order, deadline) for order in work)
    data = b"".join(order.line + bytes(order.data) for order in work)
    sent = unit.put(lambda offset: io.BytesIO(data[offset:]), script(target, compress="none"), deadline=deadline)
    _require(unit, plan, sent.completed)
    return sent.retries


def _written(plan: Plan, digest: hashlib._Hash, late: Mapping[int, bytes], retries: int) -> Written:
    whole, ends = digest.copy(), hashlib.new(digest.name, usedforsecurity=False)
    for place, _ in plan.late:
        whole.update(late[place])
        ends.update(late[place])
    return Written(digest.hexdigest(), whole.hexdigest(), ends.hexdigest(), late, retries)


def _one_by_one(
    unit: Unit, plan: Plan, target: Target, algorithm: str, *, deadline: Deadline, progress: Progress | None
) -> Written:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    late: dict[int, bytes] = {}
    done = retries = 0
    with plan.source.opened() as read:
        for order in body_orders(plan, read, digest, late):
            retries += _carry_out(unit, plan, target, order, deadline)
            done += order.block * order.count if order.kind in "dz" else 0
            if progress is not None:
                progress(min(done, plan.length))
    return _written(plan, digest, late, retries)


def _carry_out(unit: Unit, plan: Plan, target: Target, order: Order, deadline: Deadline) -> int:
    """One order, with a stream of its own; returns how many blocks had to be sent again."""
    head = prelude(target)
    if order.kind != "d":
        _require(unit, plan, unit.run(f"{head}here; {_command(order)} && echo written", deadline=deadline))
        return 0
    # Without a count a short read ends in a short write and nothing is lost: the end is that of the stream.
    command = f"{head}here; w bs={order.block} seek={order.seek} && echo written"
    sent = unit.put(_data(order), command, deadline=deadline)
    _require(unit, plan, sent.completed)
    return sent.retries


def _command(order: Order) -> str:
    if order.kind == "z":
        return f"w if=/dev/zero bs={order.block} seek={order.seek} count={order.count}"
    return f"x {order.block} {order.count}" if order.kind == "x" else "s"


def _data(order: Order) -> Callable[[int], BinaryIO]:
    return lambda offset: io.BytesIO(bytes(order.data[offset:]))


def _require(unit: Unit, plan: Plan, completed: Completed) -> None:
    if completed.status == 0 and completed.stdout.split()[-1:] == [b"written"]:
        return
    if completed.status == GONE:
        raise FlashError(
            f"{unit.route}: {plan.target} was gone while it was written",
            hint="A loose card or a failing eMMC. Put the unit aside.",
            code="flash.gone",
        )
    if completed.status == 0:
        raise _short(unit, plan)
    if completed.status == FAILED and b"ended too early" in completed.stdout:
        raise FlashError(
            f"{unit.route}: not everything reached {plan.target}", hint="Try again; check the cable.", code="flash.cut"
        )
    raise refused(unit, f"the image could not be written to {plan.target}", completed)


def _short(unit: Unit, plan: Plan) -> FlashError:
    return FlashError(
        f"{unit.route}: the unit does not confirm that all was written to {plan.target}", code="flash.cut"
    )
