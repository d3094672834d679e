"""Writing an image to a device on the unit: one stream, carried out by sh and dd there."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, cast

from factory.config import UnitSection
from factory.flashing.errors import FlashError
from factory.flashing.partition.pace import Pace
from factory.flashing.partition.plan import Order, Plan
from factory.flashing.partition.stream import FAILED, GONE, OrderStream, one_by_one, prelude, script
from factory.flashing.payload import refused
from factory.units.deadline import Deadline
from factory.units.protocol import Completed, Progress, Unit


@dataclass(frozen=True, slots=True)
class Written:
    """What was sent: the hash over the plan's ranges, and blocks that had to be sent again."""

    digest: str
    retries: int


def write_image(
    unit: Unit,
    plan: Plan,
    section: UnitSection,
    pace: Pace,
    *,
    algorithm: str,
    full_blocks: bool,
    deadline: Deadline,
    progress: Progress | None = None,
) -> Written:
    """Write and sync everything that the plan names, in its order: see `plan`. Cut at any moment the target holds no
    file system, or all of the new one.

    `full_blocks`: the unit's dd has iflag=fullblock; without it each run has a stream of its own. Raises FlashError
    for what the unit could not do, and what the source and `Unit.put` raise.
    """
    if not full_blocks:
        return _one_by_one(unit, plan, section, algorithm, deadline=deadline, progress=progress)
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

    command = script(plan.target, simulated=section.simulated, compress=pace.compress)
    sent = unit.put(source, command, deadline=deadline, progress=report)
    _require(unit, plan, sent.completed)
    if not streams[-1].ended:
        raise _short(unit, plan)
    if progress is not None:
        progress(plan.length)
    return Written(streams[-1].digest.hexdigest(), sent.retries)


def _one_by_one(
    unit: Unit, plan: Plan, section: UnitSection, algorithm: str, *, deadline: Deadline, progress: Progress | None
) -> Written:
    head = prelude(plan.target, simulated=section.simulated)
    work, digest = one_by_one(plan, algorithm)
    done = retries = 0
    for order in work:
        if order.kind == "d":
            # Without a count a short read ends in a short write and nothing is lost: the end is that of the stream.
            command = f"{head}here; w bs={order.block} seek={order.seek} && echo written"
            sent = unit.put(_data(order), command, deadline=deadline)
            completed, retries = sent.completed, retries + sent.retries
        else:
            completed = unit.run(f"{head}here; {_command(order)} && echo written", deadline=deadline)
        _require(unit, plan, completed)
        done += order.block * order.count if order.kind in "dz" else 0
        if progress is not None:
            progress(min(done, plan.length))
    return Written(digest.hexdigest(), retries)


def _command(order: Order) -> str:
    if order.kind == "z":
        return f"w if=/dev/zero bs={order.block} seek={order.seek} count={order.count}"
    return "s"


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
