"""The operator's screen: one line per slot that stays until the unit is removed; plain lines where no terminal is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from factory.values import Event

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_STYLES = {
    "connect": "dim",
    "working": "bold cyan",
    "pass": "bold white on green",
    "fail": "bold white on red",
    "scan": "bold black on yellow",
    "wrong": "bold white on red",
    "stopped": "bold black on yellow",
}


@dataclass(slots=True)
class SlotView:
    """What the screen shows of one slot."""

    state: str = "connect"
    text: str = "connect a unit"
    hardware_id: str = ""
    hint: str = ""
    question: str = ""
    progress: str = ""
    since: float = field(default_factory=time.monotonic)


class Screen:
    """Follows the line's events and knows what each slot shows now."""

    def __init__(self, slots: Sequence[str]) -> None:
        self.views = {slot: SlotView() for slot in slots}
        self._footer: Callable[[], str] = str
        self.notice = ""  # stands in the footer's place; what is written past a drawn screen is drawn over
        self.offline = ""  # while the server is away
        self.warning = ""  # stays until the line ends
        self.drawn = False

    def with_footer(self, footer: Callable[[], str]) -> Screen:
        """Show what `footer` returns under the grid at every drawing."""
        self._footer = footer
        return self

    def follow(self, event: Event) -> None:
        """Take one event into account; of events without a slot only warnings are shown."""
        if event.kind == "line.warning":
            self.warning = "\n".join(_warned(event))
        elif event.kind in ("line.offline", "line.online"):
            self.offline = str(event.data["message"]) if event.kind == "line.offline" else ""
            self.warning = "" if self.offline else "\n".join(_told(event))
        view = self.views.get(event.slot or "")
        if view is None:
            return
        data = event.data
        if event.kind == "slot.state":
            state = str(data["state"])
            if state != view.state:
                view.since = time.monotonic()
            view.state, view.text = state, str(data["text"])
            view.hardware_id = str(data.get("hardware_id") or ("" if state == "connect" else view.hardware_id))
            view.hint, view.progress = str(data.get("hint") or ""), ""
            view.question = ""
        elif event.kind == "attempt.progress":
            view.progress = _share(data)
        elif event.kind == "slot.question":
            view.question = str(data["question"])

    def table(self) -> Table:
        """Draw the grid."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(
            expand=True,
            pad_edge=False,
            box=SIMPLE_HEAD,
            caption="\n".join(filter(None, (self.offline, self.warning, self.notice or self._footer()))) or None,
            caption_justify="left",
        )
        for name in ("slot", "", "hardware id", "s", ""):
            table.add_column(name, justify="right" if name == "s" else "left", no_wrap=bool(name))
        table.columns[-1].ratio = 1
        for slot, view in self.views.items():
            badge, _, detail = view.text.partition(": ")
            if view.question:
                badge, detail = "y or n?", view.question
            elif view.state in ("fail", "wrong", "stopped") and view.hint:
                detail += f"\n{view.hint}"
            detail += f" {view.progress}"
            style = "bold black on yellow" if view.question else _STYLES.get(view.state, "")
            seconds = f"{time.monotonic() - view.since:.0f}" if view.state != "connect" else ""
            table.add_row(slot, Text(f" {badge} ", style=style), view.hardware_id, seconds, Text(detail))
        return table


@contextlib.contextmanager
def live(screen: Screen, console: Console) -> Iterator[Callable[[Event], None]]:
    """Show the screen while the line runs; yields what the line calls with each event."""
    if console.is_terminal:
        from rich.live import Live

        screen.drawn = True
        with Live(get_renderable=screen.table, console=console, refresh_per_second=8):
            yield screen.follow
    else:

        def follow(event: Event) -> None:
            screen.follow(event)
            _plain(event, console)

        yield follow


def result_table(rows: Sequence[Any]) -> Table:
    """Draw what became of each attempt: slot, route, hardware id, outcome, seconds, cause; in the slots' order."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(pad_edge=False, box=SIMPLE_HEAD)
    for name in ("slot", "route", "hardware id", "outcome", "seconds", "cause"):
        table.add_column(name, justify="right" if name == "seconds" else "left", overflow="fold")
    for row in sorted(rows, key=lambda row: row.slot):
        route = "+".join(route.partition(":")[0] for route in row.routes)
        style = {"passed": "green", "refused": "yellow"}.get(row.outcome, "red")
        outcome = row.outcome + (", hook failed" if row.hook == "failed" else "")
        cause = f"{row.cause} [{row.code}]" if row.cause else ""
        table.add_row(
            row.slot, route, row.hardware_id or "-", Text(outcome, style=style), f"{row.seconds:.1f}", Text(cause)
        )
    return table


def _warned(event: Event) -> Iterator[str]:
    """A warning, and what to do about it."""
    yield str(event.data["message"])
    if event.data.get("hint"):
        yield str(event.data["hint"])


def _told(event: Event) -> Iterator[str]:
    """What is said when the server went away or came back, with both sides of every conflict."""
    yield str(event.data["message"])
    conflicts: Any = event.data.get("conflicts", ())
    for one in conflicts:
        yield f"  {one['what']}"
        yield f"    here:  {one['here']}"
        yield f"    there: {one['there']}"


def _share(data: Any) -> str:
    total = int(data.get("total") or 0)
    return f"{100 * int(data['sent']) // total} %" if total else ""


def _plain(event: Event, console: Console) -> None:
    if event.kind == "slot.state":
        data = event.data
        who = f" {data['hardware_id']}" if data.get("hardware_id") else ""
        hint = f" - {data['hint']}" if data.get("hint") and data["state"] in ("fail", "wrong", "stopped") else ""
        console.print(f"{event.slot}:{who} {data['text']}{hint}", soft_wrap=True, markup=False)
    elif event.kind in ("line.offline", "line.online"):
        for line in _told(event):
            console.print(line, style="bold yellow", soft_wrap=True, markup=False)
    elif event.kind == "line.warning":
        said = " - ".join(_warned(event))
        console.print(f"warning: {said}", style="yellow", soft_wrap=True, markup=False)
    elif event.kind in ("slot.question", "line.bug", "attempt.unknown"):
        console.print(f"{event.slot or event.station}: {event.kind} {dict(event.data)}", soft_wrap=True, markup=False)
