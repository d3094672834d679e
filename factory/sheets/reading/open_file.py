"""Any file that people hand us: what it really is, whatever it is called, and the reader for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from factory.files import read_bytes
from factory.sheets.finding import Trouble
from factory.sheets.reading.csv_rows import read_csv
from factory.sheets.reading.source import Source, Unreadable
from factory.sheets.reading.workbook import read_workbook
from factory.sheets.rules import Use

LARGEST = 512 * 1024 * 1024
_OTHERS = (
    (re.compile(rb"%PDF"), "a PDF document"),
    (re.compile(rb"\x1f\x8b"), "a gzip archive"),
    (re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8"), "a picture"),
    (re.compile(rb"\s*\{\\rtf"), "an RTF document"),
    (re.compile(rb"\s*(?:<!doctype html|<html|<table|<head)", re.IGNORECASE), "a web page"),
    (re.compile(rb"\s*(?:\xef\xbb\xbf)?<\?xml"), "an XML document"),
    (re.compile(rb"\s*[\[{]\s*[\"\[{]"), "a JSON document"),
)


def open_sheet(path: Path, use: Use | None = None, known: Sequence[str] = ()) -> Source:
    """Open a CSV or an .xlsx workbook by what its bytes are. A CSV is judged as the file that goes to the portal and a
    workbook as a work sheet, unless `use` says otherwise. Raises FileError, and Unreadable with the reason.
    """
    raw = read_bytes(path, limit=LARGEST)
    ending = path.suffix.lower()
    if raw.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")):
        source = read_workbook(raw, use or Use.WORK, known)
        _judge_name(source, ending, (".xlsx",), "an .xlsx workbook")
        return source
    for pattern, what in _OTHERS:
        if pattern.match(raw):
            raise Unreadable(Trouble("FILE-TYPE", {"what": what, "hint": "Save the sheet as .csv or .xlsx."}))
    source = read_csv(raw, use or Use.UPLOAD, known)
    _judge_name(source, ending, (".csv", ".txt", ".tsv", ""), "CSV text")
    return source


def _judge_name(source: Source, ending: str, fitting: tuple[str, ...], what: str) -> None:
    if ending not in fitting:
        source.troubles.insert(0, Trouble("FILE-NAME", {"named": ending, "what": what}))
