"""What must hold after every kill, whatever was under way (factory floor reference, section 6, the shared oracle)."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections import Counter
from typing import Any

from sqlalchemy import Connection, func, select

from factory.cli import main
from factory.config import load_product
from factory.errors import FactoryError
from factory.identity import KeySource
from factory.images import read_image
from factory.ledger import Ledger
from factory.ledger.label_tables import labels
from factory.ledger.pool_tables import pool_cells
from factory.ledger.schema import attempts, events, identity_values, passes, units
from factory.sheets import REMOTEIT_BULK, decode_csv
from factory.values import AttemptState, HardwareId, UnitState
from tests.kills.floor import CODE, LOT, Floor

# What a person is told to look after, and what the next run settles by itself.
_IN_BETWEEN = {"LEDGER-OPEN", "LEDGER-UNKNOWN", "LEDGER-RESTORE", "LEDGER-LABEL"}
_OPEN = {"admitted", "flashing", "flashed", "proved"}


def command(*arguments: object, expect: tuple[int, ...] = (0,)) -> Any:
    """Call a command of `factory` in this process with --json; its document. Raises AssertionError."""
    said, talked = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(talked):
        code = main([*map(str, arguments), "--json"])
    assert code in expect, (
        f"factory {' '.join(map(str, arguments))} ended with {code}: {said.getvalue()}{talked.getvalue()}"
    )
    return json.loads(said.getvalue())


def doctor(floor: Floor) -> set[str]:
    """The codes of what `factory doctor` finds; none of them may be an error."""
    document = command("doctor", "--bench", floor.bench_file)
    return {finding["code"] for finding in document["findings"]}


def after_a_kill(floor: Floor) -> None:
    """Before anything is started again: nothing is damaged, and each unit is in one state."""
    found = doctor(floor)
    assert found <= _IN_BETWEEN | {"ledger.missing"}, found
    if "ledger.missing" in found:
        assert not (floor.folder / "ledger.db").exists()
        return
    with floor.open("office") as ledger:
        assert ledger.verify() == ()
        with ledger._store.reading() as connection:
            _each_in_one_state(connection)
            _nothing_given_twice(connection)
        _passed_units_hold_their_own(floor, ledger)
        _uploads(floor, ledger, recorded_only=True)


def when_all_is_done(floor: Floor, expected: int) -> None:
    """After the restart: nothing is left in between, and `expected` units have passed, each of them once."""
    found = doctor(floor)
    assert found == set(), found
    with floor.open("office") as ledger:
        assert ledger.verify() == ()
        with ledger._store.reading() as connection:
            _each_in_one_state(connection)
            _nothing_given_twice(connection)
            ended = {str(state) for state in AttemptState if state.is_final}
            left = connection.execute(select(attempts.c.id).where(attempts.c.state.not_in(ended))).scalars().all()
            assert not left, f"attempts {left} never ended"
            if floor.full:
                _addresses_and_labels(floor, connection)
        passed = _passed_units_hold_their_own(floor, ledger)
        assert len(passed) == expected, f"{len(passed)} of {expected} passed"
        assert ledger.pending_restores() == ()
        _uploads(floor, ledger, recorded_only=False)


def exported(floor: Floor, expected: int) -> None:
    """Every passed unit stands in one upload file, and in one only."""
    with floor.open("office") as ledger:
        rows = _uploads(floor, ledger, recorded_only=False)
        live = {unit.hardware_id: unit.upload for unit in ledger.passed_units(LOT)}
    assert len(live) == expected, live
    assert set(live) == set(rows) and None not in live.values(), (live, rows)


def _each_in_one_state(connection: Connection) -> None:
    states = connection.execute(select(units.c.id, units.c.state)).all()
    assert {state for _, state in states} <= {str(state) for state in UnitState}
    running = Counter(connection.execute(select(attempts.c.unit).where(attempts.c.state.in_(_OPEN))).scalars())
    assert all(count == 1 for count in running.values()), f"units with two attempts under way: {running}"
    won = Counter(connection.execute(select(passes.c.unit)).scalars())
    for unit, state in states:
        assert (won[unit] > 0) or state != "passed", f"unit {unit} is passed and never was"
        assert state == "rework" or won[unit] <= 1 or _reworked(connection, unit), f"{unit} passed {won[unit]} times"


def _reworked(connection: Connection, unit: int) -> bool:
    told = connection.execute(select(events.c.data).where(events.c.kind == "unit.rework")).scalars()
    return any(json.loads(data).get("unit") == unit for data in told)


def _nothing_given_twice(connection: Connection) -> None:
    given = connection.execute(
        select(identity_values.c.kind, identity_values.c.value)
        .group_by(identity_values.c.kind, identity_values.c.value)
        .having(func.count() > 1)
    ).all()
    assert not given, f"given twice: {given}"
    keys = connection.execute(
        select(attempts.c.fingerprint)
        .where(attempts.c.fingerprint.is_not(None), attempts.c.unit.is_not(None))
        .group_by(attempts.c.fingerprint)
        .having(func.count(func.distinct(attempts.c.unit)) > 1)
    ).all()
    assert not keys, f"one key for two units: {keys}"


def _addresses_and_labels(floor: Floor, connection: Connection) -> None:
    """Each unit has one cell of the pool, and none was wasted; of its labels one counts, which was scanned."""
    cells = connection.execute(select(pool_cells.c.key, pool_cells.c.value, pool_cells.c.state)).all()
    assert {state for _, _, state in cells} == {"given"}, cells
    assert len(cells) == len({key for key, _, _ in cells}) == len(floor.units), cells
    shown = {
        (floor.unit(number).root / "sys/class/net/eth0/address").read_text().strip().replace(":", "")
        for number in floor.units
    }
    assert shown == {value.lower() for _, value, _ in cells}, (shown, cells)
    live = connection.execute(select(labels.c.unit, labels.c.state).where(labels.c.state != "void")).all()
    assert sorted(state for _, state in live) == ["verified"] * len(floor.units), live
    assert len({unit for unit, _ in live}) == len(floor.units), live


def _passed_units_hold_their_own(floor: Floor, ledger: Ledger) -> set[str]:
    """Every unit that the ledger calls passed holds the image that it passed with, and its own key."""
    try:
        passed = {unit.hardware_id: unit for unit in ledger.passed_units(LOT)}
    except FactoryError as error:
        assert error.code == "ledger.no-lot", error  # it was killed before the lot was bound
        return set()
    product = load_product(floor.product_file)
    keys = KeySource.open(product.identity.key, product.folder)
    held = {}
    for number in floor.units:
        files = floor.unit(number).content()
        held[files["hardware_id.txt"].decode().strip()] = files
    for hardware_id, unit in passed.items():
        assert hardware_id in held, f"{hardware_id} passed, and no unit says that it is it"
        files = held[hardware_id]
        (path,) = (path for path in (floor.folder / "images").glob(f"{hardware_id}*") if path.suffix != ".json")
        image = read_image(path)
        assert image.manifest.image == unit.image
        for name, content in image.contents.items():
            assert files.get(name) == content, f"{hardware_id}: {name} is not as it passed"
        key = keys.derive(product.product.name, HardwareId.parse(hardware_id)).text
        assert files["registration_key.txt"].decode().strip() == key
        assert files["bulk_identification_code.txt"].decode().strip() == CODE
        assert not [name for name in files if name.startswith(".factory")], sorted(files)
    return set(passed)


def _uploads(floor: Floor, ledger: Ledger, *, recorded_only: bool) -> dict[str, str]:
    """The rows of all upload files that the ledger knows, by hardware id, each in one file; with the name of it. A
    file of an export that was cut short may lie beside them until the export is done again.
    """
    records = {upload.name: upload for upload in ledger.uploads(LOT)}
    there = {path.name: path for path in floor.out.glob("*.csv")} if floor.out.exists() else {}
    assert set(records) <= set(there), f"the ledger names uploads that are not there: {set(records) - set(there)}"
    if not recorded_only:
        assert set(there) == set(records), f"files that the ledger does not know: {set(there) - set(records)}"
    found: dict[str, str] = {}
    live = {unit.upload for unit in ledger.passed_units(LOT)} if records else set()
    for name in records:
        content = there[name].read_bytes()
        assert hashlib.sha256(content).hexdigest() == records[name].sha256, f"{name} is not as it was recorded"
        for row in decode_csv(content, REMOTEIT_BULK):
            hardware_id = dict(zip(REMOTEIT_BULK.names, row, strict=True))["HARDWARE_ID"]
            if name in live:
                assert hardware_id not in found, f"{hardware_id} stands in {found.get(hardware_id)} and in {name}"
                found[hardware_id] = name
    return found
