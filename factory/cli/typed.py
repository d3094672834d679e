"""What a line that was typed or scanned means: a slot, an answer, a label."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory.cli.screen import Screen
    from factory.line import Key, Line

_LABEL = ("scan", "wrong")
_MEANS = {"r": "print the label again", "n": "give the label up"}


class Typed:
    """Hands each line to whom it is for. `screen` knows what each slot shows, whether it is drawn or not."""

    def __init__(self, line: Line, screen: Screen) -> None:
        self._line = line
        self._screen = screen

    def take(self, text: str) -> str:
        """Do what was typed; returns what came of it, to be shown."""
        from factory.labels import complete_code
        from factory.line import Key

        views = self._screen.views
        word, _, name = text.partition(" ")
        if text in views:
            key = Key.REMOVED if views[text].state in ("pass", "fail") else Key.HERE
            return self._press(text, key)
        asked = [slot for slot, view in views.items() if view.question]
        if text in ("y", "n") and asked:
            return self._press(asked[0], Key.YES if text == "y" else Key.NO)
        if word in _MEANS and (not name or name in views):
            return self._about_label(word, name)
        if text == "y":
            return "nothing was asked"
        if self._line.waits_for_scan or complete_code(text):
            return self._line.scan(text)
        return f"no slot {text}"

    def _about_label(self, word: str, name: str) -> str:
        """Take r or n, perhaps with the slot that is meant."""
        from factory.line import Key

        waits = [slot for slot, view in self._screen.views.items() if view.state in _LABEL]
        if name and name not in waits:
            return f"{name} does not wait for a label"
        if not waits:
            return "no slot waits for a label"
        if not name and len(waits) > 1:
            return f"which slot shall {_MEANS[word]}? Type {word} and its name: {', '.join(waits)}"
        return self._press(name or waits[0], Key.REPRINT if word == "r" else Key.NO)

    def _press(self, slot: str, key: Key) -> str:
        self._line.press(slot, key)
        return f"{slot}: {key}"
