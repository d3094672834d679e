"""Checkpoints that the line writes by itself, and a ledger that is older than the newest of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from factory.cli.screen import Screen
from factory.config import load_bench
from factory.errors import NotStartedError
from factory.ledger import checkpoints
from factory.ledger.checkpoints import signing_key
from factory.values import Event
from tests.line.floor import SSH, Floor, plan
from tests.programs import require


def station(floor: Floor, **settings: str | int) -> None:
    """Write [station] settings into the bench file, as somebody would."""
    shown = {name: value if isinstance(value, int) else f'"{value}"' for name, value in settings.items()}
    lines = "".join(f"{name} = {value}\n" for name, value in shown.items())
    floor.bench_file.write_text(floor.bench_file.read_text().replace("[station]\n", f"[station]\n{lines}", 1))
    floor.config = load_bench(floor.bench_file)


def written(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*.json"))


def warnings(events: list[Event]) -> list[str]:
    return [str(event.data["message"]) for event in events if event.kind == "line.warning"]


def replace_ledger(floor: Floor, copy: Path) -> None:
    floor.ledger.close()
    for path in floor.folder.glob("ledger.db*"):
        path.unlink()
    shutil.copy(copy, floor.folder / "ledger.db")
    floor.open()


def test_written_on_the_way_and_at_the_end_and_compared_at_the_next_start(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SSH)]) as floor:
        key = tmp_path / "station.key"
        subprocess.run([require("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        station(floor, checkpoint_every=5, checkpoint_copy="copy", signing_key="file:station.key")
        floor.ledger.backup(tmp_path / "morning.db")

        assert floor.run(1).passed == 1
        kinds = [event.kind for event in floor.events if event.seq is not None]
        here, there = written(tmp_path / "checkpoints"), written(tmp_path / "copy")
        assert [path.name for path in here] == [path.name for path in there]
        assert len(here) == kinds.count("ledger.checkpoint") >= 2, "on the way, and at the end"
        assert kinds[-2:] == ["station.stopped", "ledger.checkpoint"]
        signed = signing_key(floor.config)
        assert signed is not None
        newest, signer = checkpoints.read(there[-1], [signed.public])
        assert signer == signed.public
        assert newest.counts["passes"] == 1
        assert warnings(floor.events) == []

        floor.ledger.backup(tmp_path / "evening.db")
        replace_ledger(floor, tmp_path / "morning.db")
        before = len(floor.ledger.verify()), floor.ledger.head()
        with pytest.raises(NotStartedError) as caught:
            floor.line()
        assert caught.value.code == "line.older-ledger"
        assert "checkpoint-" in caught.value.message and "newest copy" in caught.value.hint
        assert (len(floor.ledger.verify()), floor.ledger.head()) == before, "the older ledger was not written to"
        shutil.rmtree(tmp_path / "checkpoints")  # lost with the disk that the ledger was on: the copy still knows
        with pytest.raises(NotStartedError, match=r"/copy/checkpoint-"):
            floor.line()
        replace_ledger(floor, tmp_path / "evening.db")
        floor.line().leave()


def test_a_place_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SSH)]) as floor:
        (tmp_path / "copy").write_text("a file where a folder should be")
        station(floor, checkpoint_copy="copy")
        assert floor.run(1).passed == 1
        assert len(written(tmp_path / "checkpoints")) == 1
        (message,) = warnings(floor.events)
        assert "copy" in message
        screen = Screen(["slot-01"])
        for event in floor.events:
            screen.follow(event)
        assert str(screen.table().caption).startswith(f"{message}\n")  # and what to do about it

        (path,) = written(tmp_path / "checkpoints")
        path.write_text("{}")
        with pytest.raises(NotStartedError) as caught:
            floor.line()
        assert caught.value.code == "line.checkpoint" and path.name in caught.value.message
