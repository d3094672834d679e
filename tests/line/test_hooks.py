from __future__ import annotations

import json
import time
from pathlib import Path

from factory.line import repeat_hooks
from tests.line.floor import LOT, Floor, by_slot, plan


def hook(script: str, seconds: float = 10.0) -> dict[str, object]:
    return {"hooks.after_pass": ["/bin/sh", "-c", script], "hooks.timeout": seconds}


def test_the_hook_gets_the_record_and_no_secret(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1)], settings=hook("cat > record.json; env > environment")) as floor:
        summary = floor.run(1)
        row = by_slot(summary)["slot-01"]
        assert (str(row.outcome), row.hook, row.code) == ("passed", "ok", None)
        text = (floor.product.folder / "record.json").read_text()
        record = json.loads(text)
        assert record["hardware_id"] == row.hardware_id == "b827eb000100"
        assert record["macs"]["eth0"] == "b8:27:eb:00:01:00"
        assert (record["lot"], record["slot"], record["station"]) == (LOT, "slot-01", "S1")
        for secret in floor.secrets():
            assert secret not in text
        assert floor.ledger.hooks_to_repeat(LOT) == ()


def test_a_hook_that_fails_leaves_the_unit_passed_and_can_be_repeated(tmp_path: Path) -> None:
    with Floor(
        tmp_path, [plan(1)], settings=hook("test -f ready || { echo printer is out of labels; exit 3; }")
    ) as floor:
        row = by_slot(floor.run(1))["slot-01"]
        assert (str(row.outcome), row.hook, row.code) == ("passed", "failed", "line.hook")
        assert "printer is out of labels" in str(row.cause)
        shown = [event.data["text"] for event in floor.events if event.kind == "slot.state"][-1]
        assert str(shown).startswith("PASS remove (passed, hook failed")
        assert len(floor.ledger.passed_units(LOT)) == 1
        (again,) = repeat_hooks(floor.ledger, floor.product, LOT)
        assert not again.ok
        (floor.product.folder / "ready").touch()
        (result,) = repeat_hooks(floor.ledger, floor.product, LOT)
        assert result.ok
        assert result.hardware_id == row.hardware_id
        assert repeat_hooks(floor.ledger, floor.product, LOT) == ()


def test_a_hook_that_hangs_is_ended_and_other_slots_do_not_wait(tmp_path: Path) -> None:
    script = "if grep -q b827eb000100; then sleep 60; fi"
    with Floor(tmp_path, [plan(1), plan(2)], settings=hook(script, 2.0)) as floor:
        began = time.monotonic()
        rows = by_slot(floor.run(2))
        assert rows["slot-01"].hook == "failed"
        assert "no end within 2 s" in str(rows["slot-01"].cause)
        assert rows["slot-02"].hook == "ok"
        assert rows["slot-02"].seconds < rows["slot-01"].seconds
        assert time.monotonic() - began < 30
