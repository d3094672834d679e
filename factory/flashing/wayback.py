"""Putting the old content back, and letting go of it after the proof. Both can be cut and run again."""

from __future__ import annotations

from factory.config import UnitSection
from factory.errors import FactoryError
from factory.flashing.errors import FlashError
from factory.flashing.moves import finish_script, restore_script
from factory.flashing.payload import refused
from factory.flashing.pending import RestorePending
from factory.flashing.saving import NOT_SAVED, not_saved
from factory.flashing.station_lock import LOCKED, other_station, still_ours
from factory.units.deadline import Deadline
from factory.units.protocol import Completed, Unit, UnitGone

PUT_BACK_SECONDS = 30.0


def restore(unit: Unit, pending: RestorePending, *, deadline: Deadline) -> bool:
    """Put the old content back, as it was before the flash, and delete the staging folders.

    True when there was something to put back; False when the flash had not begun to move anything, or was undone or
    finished already. A unit that saves its folder saves it again; where a restart took its old content away, it
    holds no identity afterwards. Raises FlashError (with `pending`) when the unit could not do it, and what `Unit.run`
    raises.
    """
    completed = unit.run(restore_script(pending.staging, pending.saving), deadline=deadline)
    last = completed.text().split()[-1:]
    if completed.status != 0 or last not in (["restored"], ["withdrawn"], ["nothing"]):
        error = _failed(unit, "the old content could not be put back", completed)
        error.pending = pending
        raise error
    return last != ["nothing"]


def finish(
    unit: Unit,
    pending: RestorePending,
    *,
    deadline: Deadline,
    section: UnitSection | None = None,
    owner: str | None = None,
) -> None:
    """Delete the kept old content, and what was cleared: there is no way back then. Call it after the proof.

    Raises OtherStation, with nothing done, where `owner` (with the unit's `section`) is given and the unit is not
    locked for it any more: what was proved may be there no longer. Raises FlashError when the unit could not do it,
    and what `Unit.run` raises.
    """
    guard = still_ours(pending.staging[0], section, owner) if section and owner else ""
    completed = unit.run(finish_script(pending.staging, pending.cleared, pending.saving, guard), deadline=deadline)
    if completed.status == LOCKED:
        raise other_station(unit, completed.stdout)
    if completed.status != 0:
        raise _failed(unit, "the old content could not be deleted", completed)


def _failed(unit: Unit, what: str, completed: Completed) -> FlashError:
    return not_saved(unit, completed) if completed.status == NOT_SAVED else refused(unit, what, completed)


def put_back(unit: Unit, pending: RestorePending, cause: FactoryError) -> None:
    """After a failure: put the old content back within 30 s, even when the work was called off.

    Where that cannot be done now, `owe` says so; otherwise this returns and the caller raises `cause`. A route that
    broke is not tried again: its unit is the next contact's.
    """
    if isinstance(cause, UnitGone):
        owe(pending, cause, "no connection")
    try:
        restore(unit, pending, deadline=Deadline(PUT_BACK_SECONDS))
    except FactoryError as error:
        owe(pending, cause, error.message)


def owe(pending: RestorePending, cause: FactoryError, why: str) -> None:
    """Mark that the old content waits for the next contact: on `cause` itself where it is a FlashError, else by
    raising a FlashError with the same code.
    """
    message = f"{cause.message}; the old content could not be put back yet ({why})"
    hint = f"{cause.hint} Connect the same unit again: its old content is put back first.".strip()
    if not isinstance(cause, FlashError):
        raise FlashError(message, hint=hint, code=cause.code, exit_code=cause.exit_code, pending=pending) from cause
    cause.message, cause.hint, cause.pending = message, hint, pending
