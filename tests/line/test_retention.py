"""A line names its transcripts in the ledger, and prunes them when it stops."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from factory.cli.app import run
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
