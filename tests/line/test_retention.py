"""A line names its transcripts in the ledger, and prunes them when it stops."""

from __future__ import annotations

import contextlib
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from factory.cli.app import run
from factory.line import retention
from tests.line.floor import Floor, plan


def test_the_line_prunes_when_it_stops_and_names_every_transcript(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Floor(tmp_path, [plan(1)]) as floor:
        floor.run(1)
        floor.run(1)  # refused: it passed already
        names = {path.name for path in floor.transcripts()}
        assert len(names) == 2
        assert set(floor.ledger.transcripts_of(names)) == names
        assert sorted(one.well for one in floor.ledger.transcripts_of(names).values()) == [False, True]
        bench = floor.bench_file
        keep = "keep_transcripts = { days = 1, count = 1, failed_days = 1 }\n"
        bench.write_text(bench.read_text().replace("[station]\n", f"[station]\n{keep}", 1))
        floor.ledger.close()
        floor.open()
        first = min(names)
        days = [datetime.now(UTC) - timedelta(days=day, minutes=1) for day in range(5)]
        for day in days:
            (tmp_path / "transcripts" / f"{day:%Y%m%dT%H%M%SZ}-work.txt").write_text("")
        floor.run(1)
        told = [event for event in floor.events if event.kind == "transcripts.pruned"]
        assert [event.data["count"] for event in told] == [1]
        assert not (tmp_path / "transcripts" / first).exists()
    capsys.readouterr()
    assert run(["transcripts", "prune", "--bench", str(bench), "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["removed"]) == ("factory.transcripts.prune/1", 0)
    assert sorted(document["unknown"]) == sorted(f"{day:%Y%m%dT%H%M%SZ}-work.txt" for day in days)


def test_a_transcript_that_goes_meanwhile_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gone", "left"):
        (tmp_path / f"20260101T000000Z-{name}.txt").write_text("x")
    (tmp_path / "20260101T000000Z-link.txt").symlink_to("/etc/passwd")
    with os.scandir(tmp_path) as entries:
        listed = list(entries)
    (tmp_path / "20260101T000000Z-gone.txt").unlink()
    monkeypatch.setattr("factory.line.retention.os.scandir", lambda _: contextlib.nullcontext(listed))
    found, strange = retention._files(tmp_path)
    assert ([file.path.name for file in found], strange) == (["20260101T000000Z-left.txt"], ())
