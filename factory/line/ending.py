"""How an attempt that did not pass ends: what the unit still gets, what the ledger is told, what the operator reads."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from factory.errors import FactoryError
from factory.flashing import FlashError, HardwareRefused
from factory.identity import IdentityRefused
from factory.ledger import Refused
from factory.ledger.first_articles import STOPPED
from factory.line.progress import Progress, Tools
from factory.line.steps import Steps
from factory.line.summary import Outcome
from factory.units.deadline import Cancelled
from factory.values import UNIT_TAKEN, AttemptState, Severity, UnitState

BUG = "line.bug"
INTERRUPTED = "line.interrupted"


@dataclass(frozen=True, slots=True)
class Ending:
    """Why an attempt ended without PASS. The texts hold no secret."""

    outcome: Outcome
    code: str
    cause: str
    hint: str
    attempt: int | None = None


def end(tools: Tools, steps: Steps, progress: Progress, error: Exception) -> Ending:
    """Settle what is owed to the unit, commit the outcome, and say why. Never raises a FactoryError: what goes wrong
    on the way is an event of its own.
    """
    _settle(tools, steps, progress, error)
    ending = _judge(tools, progress, error)
    if not isinstance(error, FactoryError):
        _report_bug(tools, progress, error)
    tools.transcript.note(f"{ending.outcome}: {ending.cause} [{ending.code}]")
    try:
        ending = _commit(tools, steps, progress, error, ending)
        _quarantine(tools, progress, ending)
        return ending
    except FactoryError as failure:
        # The ledger is gone, so nothing further can be admitted; this outcome is shown all the same.
        data = {"code": ending.code, "message": ending.cause, "ledger": tools.masks.text(failure.message)}
        attempt = None if progress.record is None else progress.record.id
        tools.feed.unrecorded(f"attempt.{ending.outcome}", attempt, data)
        return ending


def _settle(tools: Tools, steps: Steps, progress: Progress, error: Exception) -> None:
    try:
        if isinstance(error, FlashError) and error.pending is not None and progress.record is not None:
            progress.owed = None
            tools.setup.ledger.leave_restore(progress.record.id, error.pending.as_json())
        elif progress.sealed and isinstance(error, FactoryError):
            # Flashing's contract: the old content is back already.
            progress.owed = None
        else:
            steps.put_back()
    except FactoryError as failure:
        tools.transcript.note(f"the old content could not be put back now: {failure.message}")


def _judge(tools: Tools, progress: Progress, error: Exception) -> Ending:
    mask = tools.masks.text
    if isinstance(error, IdentityRefused):
        errors = [finding for finding in error.findings if finding.severity is Severity.ERROR]
        cause = "; ".join(f"{finding.place}: {finding.message}" for finding in errors)
        return Ending(Outcome.REFUSED, errors[0].code, mask(cause), mask(errors[0].hint))
    if isinstance(error, Refused):
        attempt = None if error.attempt is None else error.attempt.id
        return Ending(Outcome.REFUSED, error.code, mask(error.message), mask(error.hint), attempt)
    if isinstance(error, Cancelled):
        return Ending(Outcome.FAILED, INTERRUPTED, "the line was stopped", "Run the unit again.")
    if isinstance(error, FactoryError):
        # A stopped lot refuses a unit that comes; one that was admitted before and waited has failed.
        refused = isinstance(error, HardwareRefused) or (error.code == STOPPED and progress.record is None)
        outcome = Outcome.REFUSED if refused else Outcome.FAILED
        return Ending(outcome, error.code, mask(error.message), mask(error.hint))
    cause = mask(f"a fault of this program: {type(error).__name__}: {error}")
    return Ending(Outcome.FAILED, BUG, cause, "Please report it, with the transcript and the output of --debug.")


def _commit(tools: Tools, steps: Steps, progress: Progress, error: Exception, ending: Ending) -> Ending:
    ledger = tools.setup.ledger
    if isinstance(error, Refused) and error.attempt is not None:
        return ending
    transcript = tools.transcript.path.name
    data = {"step": progress.step, "hint": ending.hint, "transcript": transcript, **_so_far(tools, progress)}
    if steps.keep_failure(ending.code, ending.cause, data, refused=ending.outcome is Outcome.REFUSED):
        attempt = None if progress.record is None else progress.record.id
        return Ending(ending.outcome, ending.code, ending.cause, ending.hint, attempt)
    state = AttemptState.REFUSED if ending.outcome is Outcome.REFUSED else AttemptState.FAILED
    away = ledger.turn_away(
        lot=tools.setup.lot,
        slot=tools.slot.name,
        code=ending.code,
        text=ending.cause,
        facts=progress.facts,
        identity=progress.identity,
        state=state,
        transcript=transcript,
        stage=None if tools.setup.stage is None else tools.setup.stage.name,
    )
    return Ending(ending.outcome, ending.code, ending.cause, ending.hint, away.id)


def _quarantine(tools: Tools, progress: Progress, ending: Ending) -> None:
    """Put a unit aside that the cloud knows already and nobody has the key of."""
    if ending.code == UNIT_TAKEN and progress.identity is not None:
        hardware_id = progress.identity.hardware_id.text
        tools.setup.ledger.change_unit(hardware_id, UnitState.QUARANTINED, ending.cause)


def _so_far(tools: Tools, progress: Progress) -> dict[str, object]:
    """How far a flash got that has no receipt."""
    if progress.step != "flash" or progress.receipt is not None or progress.image is None:
        return {}
    begun = {
        "image": progress.image.manifest.image,
        "method": tools.setup.method.name,
        "medium": progress.medium,
        "bytes_sent": progress.sent,
        "read_back": "not reached",
    }
    return {"receipt": begun}


def _report_bug(tools: Tools, progress: Progress, error: Exception) -> None:
    data: dict[str, object] = {"error": tools.masks.text(f"{type(error).__name__}: {error}"), "step": progress.step}
    if tools.setup.debug:
        data["traceback"] = tools.masks.text("".join(traceback.format_exception(error)))
    tools.feed.unrecorded("line.bug", None if progress.record is None else progress.record.id, data)
