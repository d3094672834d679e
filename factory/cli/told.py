"""Events in a person's words: one line for each, without the values that stand elsewhere on the screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from factory.values import Event

GOOD, BAD, ASIDE = "green", "red", "yellow"
_LONGEST = 500
_STYLES = {
    "attempt.passed": f"bold {GOOD}",
    "attempt.failed": BAD,
    "attempt.refused": ASIDE,
    "attempt.unknown": ASIDE,
    "hostkey.alarm": f"bold {BAD}",
    "unit.quarantined": f"bold {ASIDE}",
    "unit.scrapped": f"bold {ASIDE}",
    "unit.rework": ASIDE,
    "hook.failed": ASIDE,
    "restore.pending": ASIDE,
    "stage.failed": BAD,
    "stage.passed": GOOD,
    "label.void": ASIDE,
    "label.wrong-scan": ASIDE,
    "flash.failed": BAD,
    "flash.refused": ASIDE,
    "cloud.refused": BAD,
    "cloud.unknown": ASIDE,
    "pool.burned": ASIDE,
    "merge.conflict": ASIDE,
}
Data = Mapping[str, Any]


def told(event: Event) -> tuple[str, str]:
    """What an event says, in one line of bounded length, and the style it is printed in."""
    teller = _TELLERS.get(event.kind)
    text = teller(event.data) if teller else _plain(event)
    style = _STYLES.get(event.kind, "")
    if event.data.get("state") == "rejected":
        style = BAD
    if "clock" in event.data:
        text += f"; the station's clock {event.data['clock']}"
    # What units and people said is fit for a terminal here, whatever they said.
    line = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in " ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}...", style


def _plain(event: Event) -> str:
    """An event that has no words of its own: its kind, its message, or its values."""
    data = event.data
    what = event.kind.replace(".", " ").replace("-", " ")
    if data.get("message"):
        return f"{what}: {_why(data)}"
    pairs = [f"{key} {value}" for key, value in data.items() if isinstance(value, (str, int)) and key != "hardware_id"]
    return f"{what}: {', '.join(pairs)}" if pairs else what


def _why(data: Data) -> str:
    code = f" [{data['code']}]" if data.get("code") else ""
    return f"{data.get('message', '')}{code}"


def _short(value: object) -> str:
    text = str(value or "-")
    return text[:12] if len(text) == 64 else text


def _reason(data: Data) -> str:
    return f": {data['reason']}" if data.get("reason") else ""


def _admitted(data: Data) -> str:
    number = int(data.get("number") or 0)
    first = "admitted" if number <= 1 else f"admitted again, the {number}. time"
    parts = [f"{first} to lot {data.get('lot')}"]
    if data.get("name_before"):
        parts.append(f"was named {data['name_before']}")
    if data.get("was"):
        parts.append(f"was {data['was']}")
    parts += [str(data["note"])] if data.get("note") else []
    parts += ["the operator says it is the same unit"] if data.get("same_unit") else []
    return "; ".join(parts)


def _flashed(data: Data) -> str:
    from factory.cli.flash_show import receipt_line

    if "bytes_written" not in data:
        return "written and read back"
    if data.get("method") != "files":
        return f"written: {receipt_line(data)}"
    size = f"{data['bytes_written']:,} bytes".replace(",", " ")
    again = f", {data['retries']} retries" if data.get("retries") else ""
    seconds = int(data.get("milliseconds", 0)) / 1000
    by = f"by {data.get('method')} over {data.get('route')}"
    return f"{size} {by} in {seconds:.1f} s, read back: {data.get('read_back')}{again}"


def _proved(data: Data) -> str:
    how = f"after a {data['reboot']} restart" if data.get("reboot") else "by itself"
    seconds = data.get("milliseconds")
    return f"proved {how}" + (f", {int(seconds) / 1000:.1f} s" if isinstance(seconds, int) else "")


def _written(data: Data) -> str:
    from factory.cli.flash_show import receipt_line

    receipt = data.get("receipt")
    return f"written: {receipt_line(receipt)}" if isinstance(receipt, dict) else "written"


def _exported(data: Data) -> str:
    files = data.get("files") or ()
    rows = [f"{file['name']}" + (f", row {file['row']}" if "row" in file else "") for file in files]
    return f"exported in {'; '.join(rows)}"


def _manifest(data: Data) -> str:
    signed = f"signed by {data['signed_by']}" if data.get("signed_by") else "not signed"
    return f"manifest {data.get('manifest')} ({_short(data.get('sha256'))}), {signed}"


def _answer(data: Data) -> str:
    if "state" in data:
        return f"the portal says {data['state']}{_reason(data)} ({data.get('file')})"
    changed = ", ".join(f"{count} {state}" for state, count in dict(data.get("changed") or {}).items())
    return f"the portal's answer {data.get('file')}: {changed or 'nothing new'}"


def _confirmed(data: Data) -> str:
    if "state" in data:
        return f"the cloud has it: {data['state']} ({data.get('source')})"
    return f"seen in the cloud ({data.get('source')}): lot {data.get('lot')}"


def _portal(data: Data) -> str:
    rows = (data.get("portal") or {}).get("delete") or ()
    away = [f"{row['upload']} row {row['row']}" for row in rows]
    return f"; to delete at the portal: {', '.join(away)}" if away else ""


def _changed(word: str) -> Callable[[Data], str]:
    def tell(data: Data) -> str:
        other = f", replaced by {data['replaced_by']}" if data.get("replaced_by") else ""
        return f"unit {data.get('hardware_id')} {word}{other}{_reason(data)}{_portal(data)}"

    return tell


def _stage(data: Data) -> str:
    measured = [f"{one.get('name')} {one.get('value', '')}".strip() for one in data.get("measurements") or ()]
    values = f" ({', '.join(measured)})" if measured else ""
    return f"stage {data.get('stage')}" + (f": {_why(data)}" if data.get("message") else " done") + values


def _label(word: str) -> Callable[[Data], str]:
    return lambda data: f"label {data.get('number', '')} {data.get('nonce', '')} {word}{_reason(data)}"


def _cloud(word: str) -> Callable[[Data], str]:
    def tell(data: Data) -> str:
        device = f" as {data['device']}" if data.get("device") else ""
        return f"cloud: {word}{device}" + (f": {data['cause']}" if data.get("cause") else "")

    return tell


def _pool(words: str) -> Callable[[Data], str]:
    def tell(data: Data) -> str:
        values = data.get("values")
        texts = [f"{name} {value}" for name, value in values.items()] if isinstance(values, dict) else values or ()
        key = f" (key {data['key']})" if data.get("key") else ""
        shows = "".join(f"; {name} shows {value or 'nothing'}" for name, value in (data.get("shows") or {}).items())
        return f"pool {data.get('pool')} {words} {', '.join(texts)}{key}{shows}{_reason(data)}"

    return tell


def _article(data: Data) -> str:
    before = f", after that of attempt {data['before']}" if data.get("before") else ""
    product = _short(data.get("product_sha256"))
    return f"the first article of {data.get('board') or 'this board'}, product file {product}{before}"


def _accepted(data: Data) -> str:
    return f"lot {data.get('lot')} goes on without a pass of its first article{_reason(data)}"


def _conflict(data: Data) -> str:
    return f"two ledgers contradict each other; HERE {data.get('here')}; THERE {data.get('there')}"


_TELLERS: Mapping[str, Callable[[Data], str]] = {
    "attempt.admitted": _admitted,
    "attempt.flashing": lambda data: f"writing image {_short(data.get('image'))}",
    "attempt.flashed": _flashed,
    "attempt.proved": _proved,
    "attempt.passed": lambda data: f"PASSED with image {_short(data.get('image'))}",
    "attempt.failed": lambda data: f"failed: {_why(data)}",
    "attempt.refused": lambda data: f"refused: {_why(data)}",
    "attempt.unknown": lambda data: f"interrupted: {data.get('message')}",
    "order.assigned": lambda data: f"is on the order: {data.get('file', '')} row {data.get('row', data.get('number'))}",
    "order.imported": lambda data: f"order {data.get('file')} for lot {data.get('lot')}: {data.get('rows')} rows",
    "hostkey.seen": lambda data: f"SSH host key {data.get('fingerprint')} ({data.get('policy')})",
    "hostkey.alarm": lambda data: f"ALARM: another SSH host key: {data.get('fingerprint')}, not {data.get('known')}",
    "restore.pending": lambda _: "left half written; its old content is put back at the next contact",
    "restore.done": lambda _: "its old content was put back",
    "hook.ok": lambda _: "after-pass hook done",
    "hook.failed": lambda data: f"after-pass hook failed: {data.get('message')}",
    "unit.rework": _changed("to rework"),
    "unit.quarantined": _changed("quarantined"),
    "unit.released": _changed("released"),
    "unit.scrapped": _changed("scrapped"),
    "upload.exported": _exported,
    "upload.manifest": _manifest,
    "upload.verdicts": _answer,
    "upload.confirmed": _confirmed,
    "article.begun": _article,
    "article.accepted": _accepted,
    "merge.conflict": _conflict,
    "lot.bound": lambda data: f"lot {data.get('lot')} bound to product {data.get('product')}",
    "lot.changed": lambda data: f"lot {data.get('lot')} changed{_reason(data)}",
    "flash.begun": lambda data: f"writing {_short(data.get('image'))} for {data.get('hardware_id') or 'any unit'}",
    "flash.written": _written,
    "stage.passed": _stage,
    "stage.failed": _stage,
    "label.intent": _label("about to be printed"),
    "label.printed": _label("printed"),
    "label.verified": _label("scanned back"),
    "label.void": _label("void"),
    "pool.given": _pool("gives"),
    "pool.bound": _pool("gave the unit"),
    "pool.writing": _pool("about to write"),
    "pool.written": _pool("the unit shows"),
    "pool.not-taken": _pool("the unit did not take"),
    "pool.burned": _pool("never gives again"),
    "pool.imported": lambda data: f"pool {data.get('pool')}: {data.get('values')} values of {data.get('file')}",
    "cloud.intent": _cloud("asked to register"),
    "cloud.registered": _cloud("registered"),
    "cloud.refused": _cloud("refused"),
    "cloud.unknown": _cloud("no answer, nobody knows"),
    "cloud.removed": _cloud("removed"),
}
