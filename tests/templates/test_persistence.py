"""The persistence kit, run by real shells: save, wipe, restore, equal; cut anywhere, the save before it is whole."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from factory import resources
from tests.programs import find, require

KIT = resources.template_set("persistence")
SCRIPT = KIT / "connectd_persistence"
UNIT_ID = "80000000-0000-0000-0000-0000000000AA"

# Functions come before programs and before busybox's own applets, so these see every change that the script makes.
SHIMS = """
step() {
    count=$(($(command cat "$STEPS") + 1))
    echo "$count" >"$STEPS"
    echo "$*" >>"$STEPS.trace"
    [ "$count" -gt "$CUT" ] && die
    return 0
}
end() {
    [ "$count" -ge "$CUT" ] && die
    return 0
}
die() { kill -9 $$; exit 137; }
half() {
    # What was being written or removed is there in part.
    for last; do :; done
    victim=$(command find "$last" -type f 2>/dev/null | command head -n 1)
    [ -n "$victim" ] && if [ "$1" = cp ]; then : >"$victim"; else command rm -f "$victim"; fi
    die
}
cp() { step cp "$@"; command cp "$@" || return; [ "$count" -lt "$CUT" ] || [ "$MODE" != half ] || half cp "$@"; end; }
rm() { step rm "$@"; [ "$count" -lt "$CUT" ] || [ "$MODE" != half ] || half rm "$@"; command rm "$@" || return; end; }
mv() { step mv "$@"; command mv "$@" || return; end; }
mkdir() { step mkdir "$@"; command mkdir "$@" || return; end; }
sync() { step sync; end; }
"""


@pytest.fixture(params=["dash", "busybox"])
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    program = require(str(request.param))
    return (program, "sh") if request.param == "busybox" else (program,)


class Unit:
    """A connectd folder and a persistent folder, and the script between them."""

    def __init__(self, folder: Path, shell: tuple[str, ...]) -> None:
        self.folder, self.shell = folder, shell
        self.live, self.kept = folder / "etc" / "connectd", folder / "data"
        folder.mkdir(exist_ok=True)
        (folder / "shims.sh").write_text(SHIMS)

    def run(self, command: str, *, cut: int = 10**6, mode: str = "after") -> subprocess.CompletedProcess[str]:
        steps = self.folder / "steps"
        steps.write_text("0\n")
        (self.folder / "steps.trace").write_text("")
        environment = {
            "PATH": os.environ["PATH"],
            "CONNECTD_DIR": str(self.live),
            "CONNECTD_KEPT": str(self.kept),
            "STEPS": str(steps),
            "CUT": str(cut),
            "MODE": mode,
        }
        source = f'. "{self.folder}/shims.sh"; . "{SCRIPT}"'
        argv = (*self.shell, "-c", source, "connectd_persistence", command)
        return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30)

    def do(self, command: str) -> subprocess.CompletedProcess[str]:
        done = self.run(command)
        assert done.returncode == 0, done.stderr
        return done

    @property
    def trace(self) -> list[str]:
        return (self.folder / "steps.trace").read_text().splitlines()

    def write(self, version: str, *, names: tuple[str, ...] = (UNIT_ID,), least: bool = False) -> None:
        """A registration as connectd leaves it (remote.it reference, section 2.1), or the least that is one."""
        shutil.rmtree(self.live, ignore_errors=True)
        self.live.mkdir(parents=True)
        for folder in ("dfiles", "pfiles", "available", "active"):
            (self.live / folder).mkdir(mode=0o700)
        for name in names:
            provisioned = () if least else (f"dfiles/{name}", f"dfiles/{name}.conf", f"pfiles/{name}")
            for path in (*provisioned, f"available/{name}"):
                (self.live / path).write_text(f"{version} {path}\npassword x\n")
                (self.live / path).chmod(0o600)
            (self.live / "active" / name).symlink_to(self.live / "available" / name)
        texts = (("hardware_id.txt", 0o600), ("registration_key.txt", 0o600), ("claimcode.txt", 0o644))
        for path, mode in texts[: 1 if least else None]:
            (self.live / path).write_text(f"{version if path == 'claimcode.txt' else 'mine'}\n")
            (self.live / path).chmod(mode)

    def wipe(self, *, least: bool = False, **files: str) -> None:
        """As after a restart: the firmware's own content, and nothing learnt."""
        shutil.rmtree(self.live, ignore_errors=True)
        self.live.mkdir(parents=True)
        for name in ("hardware_id", "registration_key")[: 1 if least else None]:
            (self.live / f"{name}.txt").write_text(files.get(name, "default.\n"))


def snapshot(folder: Path) -> Mapping[str, tuple[str, int, str]]:
    found: dict[str, tuple[str, int, str]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        mode = stat.S_IMODE(status.st_mode)
        if path.is_symlink():
            found[path.relative_to(folder).as_posix()] = ("link", 0, os.readlink(path))
        elif path.is_dir():
            found[path.relative_to(folder).as_posix()] = ("folder", mode, "")
        else:
            found[path.relative_to(folder).as_posix()] = ("file", mode, path.read_text())
    return found


def copy_of(unit: Unit, to: Path) -> Unit:
    """The same unit at another place; links in it lead to where they led."""
    shutil.copytree(unit.folder, to, symlinks=True)
    return Unit(to, unit.shell)


def test_save_wipe_restore_equal(shell: tuple[str, ...], tmp_path: Path) -> None:
    unit = Unit(tmp_path, shell)
    unit.write("one", names=(UNIT_ID, "80-second"))
    before = snapshot(unit.live)
    unit.do("save")
    unit.wipe()
    unit.do("restore")
    assert snapshot(unit.live) == before
    assert (unit.live / "active" / UNIT_ID).read_text().startswith("one")


def test_an_empty_place_is_made_whole_too(shell: tuple[str, ...], tmp_path: Path) -> None:
    unit = Unit(tmp_path, shell)
    unit.write("one")
    before = snapshot(unit.live)
    unit.do("save")
    shutil.rmtree(unit.live)
    unit.do("restore")
    assert snapshot(unit.live) == before


def test_the_content_is_on_the_disk_before_its_name(shell: tuple[str, ...], tmp_path: Path) -> None:
    unit = Unit(tmp_path, shell)
    unit.write("one")
    unit.do("save")
    moves = [index for index, line in enumerate(unit.trace) if line.startswith("mv ")]
    assert len(moves) == 1
    assert unit.trace[moves[0] - 1] == "sync" and unit.trace[moves[0] + 1] == "sync"


def test_what_did_not_change_is_not_written_again(shell: tuple[str, ...], tmp_path: Path) -> None:
    unit = Unit(tmp_path, shell)
    unit.write("one")
    unit.do("save")
    first = [path.name for path in unit.kept.iterdir()]
    unit.do("save")
    assert [path.name for path in unit.kept.iterdir()] == first
    assert not any(line.startswith(("mv ", "sync")) for line in unit.trace)


def test_two_saves_are_kept_and_a_damaged_one_is_passed_over(shell: tuple[str, ...], tmp_path: Path) -> None:
    unit = Unit(tmp_path, shell)
    states = {}
    for version in ("one", "two", "three"):
        unit.write(version)
        states[version] = snapshot(unit.live)
        unit.do("save")
    saves = sorted(unit.kept.iterdir())
    assert [path.name.split(".")[1] for path in saves] == ["2", "3"]
    (saves[1] / "files" / "available" / UNIT_ID).write_text("torn")
    unit.wipe()
    done = unit.do("restore")
    assert snapshot(unit.live) == states["two"] and "damaged" in done.stderr
    (saves[0] / "files" / "hardware_id.txt").unlink()
    unit.wipe()
    left = snapshot(unit.live)
    done = unit.run("restore")
    assert done.returncode == 1 and "no save" in done.stderr and snapshot(unit.live) == left


@pytest.mark.parametrize("mode", ["after", "half"])
def test_a_save_cut_anywhere_leaves_a_whole_one(shell: tuple[str, ...], tmp_path: Path, mode: str) -> None:
    base = Unit(tmp_path / "base", shell)
    for version in ("one", "two"):
        base.write(version, least=True)
        before = snapshot(base.live)
        base.do("save")
    base.write("three", least=True)
    after = snapshot(base.live)
    cuts = 0
    for cut in range(100):
        unit = copy_of(base, tmp_path / f"cut-{cut}")
        ended = unit.run("save", cut=cut, mode=mode).returncode == 0
        full = unit.run("save") if cut % 4 == 0 else None
        unit.wipe(least=True)
        unit.do("restore")
        found = snapshot(unit.live)
        assert found in ([after] if ended or full else [before, after]), unit.trace
        if full is not None:
            assert full.returncode == 0 and not list(unit.kept.glob("new.*"))
        shutil.rmtree(unit.folder)
        if ended:
            break
        cuts += 1
    assert 8 < cuts < 99


@pytest.mark.parametrize("mode", ["after", "half"])
def test_a_restore_cut_anywhere_is_completed_and_never_saved(shell: tuple[str, ...], tmp_path: Path, mode: str) -> None:
    base = Unit(tmp_path / "base", shell)
    base.write("one", least=True)
    whole = snapshot(base.live)
    base.do("save")
    base.wipe(least=True)
    cuts = 0
    for cut in range(100):
        unit = copy_of(base, tmp_path / f"cut-{cut}")
        ended = unit.run("restore", cut=cut, mode=mode).returncode == 0
        visible = {path: entry for path, entry in snapshot(unit.live).items() if not path.startswith(".restor")}
        begun = cut > 0 or ended
        saved = unit.run("save") if begun else None
        assert saved is None or saved.returncode == 1 or visible == whole, "half of a registration was saved"
        unit.do("restore")
        assert snapshot(unit.live) == whole
        shutil.rmtree(unit.folder)
        if ended:
            break
        cuts += 1
    assert 8 < cuts < 99


def test_a_registration_that_is_there_is_left_alone(shell: tuple[str, ...], tmp_path: Path) -> None:
    unit = Unit(tmp_path, shell)
    unit.write("one")
    unit.do("save")
    unit.write("newer")
    newer = snapshot(unit.live)
    done = unit.do("restore")
    assert snapshot(unit.live) == newer and "left as it is" in done.stderr


def test_another_identity_is_left_alone(shell: tuple[str, ...], tmp_path: Path) -> None:
    """A unit that the line has given a new id does not get its old registration back."""
    unit = Unit(tmp_path, shell)
    unit.write("one")
    unit.do("save")
    unit.wipe(hardware_id="another\n")
    flashed = snapshot(unit.live)
    done = unit.do("restore")
    assert snapshot(unit.live) == flashed and "hardware_id.txt is another one" in done.stderr


def test_its_own_identity_is_no_hindrance(shell: tuple[str, ...], tmp_path: Path) -> None:
    unit = Unit(tmp_path, shell)
    unit.write("one")
    whole = snapshot(unit.live)
    unit.do("save")
    unit.wipe(hardware_id="mine\n", registration_key="mine\n")
    unit.do("restore")
    assert snapshot(unit.live) == whole


def test_newer_content_after_a_cut_restore_is_kept(shell: tuple[str, ...], tmp_path: Path) -> None:
    unit = Unit(tmp_path, shell)
    unit.write("one")
    unit.do("save")
    unit.write("newer")
    (unit.live / ".restoring").write_text("")
    assert unit.run("save").returncode == 1
    newer = {path: entry for path, entry in snapshot(unit.live).items() if path != ".restoring"}
    unit.do("restore")
    assert snapshot(unit.live) == newer
    unit.do("save")


def test_nothing_saved_yet(shell: tuple[str, ...], tmp_path: Path) -> None:
    unit = Unit(tmp_path, shell)
    unit.wipe()
    left = snapshot(unit.live)
    assert "nothing has been saved" in unit.do("restore").stderr
    assert snapshot(unit.live) == left


def test_what_cannot_be_saved_says_so(shell: tuple[str, ...], tmp_path: Path) -> None:
    unit = Unit(tmp_path, shell)
    assert unit.run("save").returncode == 1
    unit.write("one")
    unit.kept.write_text("a file")
    done = unit.run("save")
    assert done.returncode == 1 and "cannot make" in done.stderr
    assert unit.run("nonsense").returncode == 1


def test_without_a_checksum_program_sizes_are_compared(tmp_path: Path) -> None:
    program = require("dash")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("cat", "chmod", "cmp", "cp", "find", "ls", "mkdir", "mv", "readlink", "rm", "sort", "sync", "wc"):
        (tools / name).symlink_to(require(name))
    unit = Unit(tmp_path / "unit", (program,))
    unit.write("one")
    whole = snapshot(unit.live)
    environment = {"PATH": str(tools), "CONNECTD_DIR": str(unit.live), "CONNECTD_KEPT": str(unit.kept)}
    for command in ("save", "restore"):
        done = subprocess.run((program, str(SCRIPT), command), env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        shutil.rmtree(unit.live) if command == "save" else None
    assert snapshot(unit.live) == whole
    assert next(unit.kept.glob("save.*/sums")).read_text() == "wc -c\n"


def test_the_package_calls_it_and_the_boot_does(tmp_path: Path) -> None:
    """The names in the four files agree, and the systemd unit is one."""
    assert "/usr/bin/connectd_persistence save" in (KIT / "connectd_save_config").read_text()
    service = (KIT / "connectd-restore.service").read_text()
    assert "ExecStart=/usr/bin/connectd_persistence restore" in service
    assert "/usr/bin/connectd_persistence restore" in (KIT / "S04connectd-restore").read_text()
    kept = next(line for line in SCRIPT.read_text().splitlines() if line.startswith("KEPT="))
    place = kept.split(":-")[1].rstrip("}")
    assert f"RequiresMountsFor={place} " in service
    for name in ("connectd_save_config", "S04connectd-restore"):
        assert subprocess.run((require("dash"), "-n", KIT / name)).returncode == 0
    verify = find("systemd-analyze")
    if verify is not None:
        text = service.replace("/usr/bin/connectd_persistence", "/bin/true")
        (tmp_path / "connectd-restore.service").write_text(text)
        done = subprocess.run((verify, "verify", tmp_path / "connectd-restore.service"), capture_output=True, text=True)
        assert "connectd-restore" not in done.stderr, done.stderr


def test_the_page_shows_commands_that_work(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "persistence.md").read_text()
    lines = page.split("## Try it")[1].splitlines()
    commands = "\n".join(line.strip() for line in lines if line.startswith("    "))
    shutil.copytree(KIT, tmp_path / "persistence")
    commands = commands.replace("/tmp/try", str(tmp_path / "try"))
    done = subprocess.run((require("dash"), "-ec", commands), cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "demo\n"), done.stderr
