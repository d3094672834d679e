"""Real SSH servers on a high port of this computer, for the user that runs the tests."""

from __future__ import annotations

import getpass
import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import programs


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_key(path: Path, kind: str = "ed25519", *, passphrase: str = "") -> Path:
    tool = programs.require("ssh-keygen")
    subprocess.run([tool, "-q", "-t", kind, "-N", passphrase, "-f", str(path)], check=True, stdin=subprocess.DEVNULL)
    return path


@contextmanager
def openssh(folder: Path, *, host_key: str = "ed25519", options: Sequence[str] = ()) -> Iterator[tuple[int, Path]]:
    """An OpenSSH server; yields its port and the private key that lets this user in."""
    sshd = programs.require("sshd")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    host, client = make_key(folder / "host", host_key), make_key(folder / "client")
    keys = folder / "authorized_keys"
    keys.write_bytes((folder / "client.pub").read_bytes())
    keys.chmod(0o600)
    port = free_port()
    settings = [f"HostKey={host}", f"AuthorizedKeysFile={keys}", "StrictModes=no", "UsePAM=no", "PidFile=none"]
    settings += ["PasswordAuthentication=no", "KbdInteractiveAuthentication=no", "ListenAddress=127.0.0.1"]
    settings += ["PermitRootLogin=yes", "PermitUserEnvironment=no", *options]
    empty = folder / "sshd_config"
    empty.write_text("")
    argv = [sshd, "-D", "-e", "-f", str(empty), "-p", str(port), *(f"-o{setting}" for setting in settings)]
    with _running(argv, port, folder / "sshd.log"):
        yield port, client


@contextmanager
def dropbear(folder: Path) -> Iterator[tuple[int, Path]]:
    """A dropbear server in a mount namespace in which this user's home is a folder of the test."""
    server, maker = programs.require("dropbear"), programs.require("dropbearkey")
    unshare = programs.require("unshare")
    client = make_key(folder / "client")
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    inside = folder / "home"
    (inside / ".ssh").mkdir(parents=True, mode=0o700)
    inside.chmod(0o700)
    (inside / ".ssh" / "authorized_keys").write_bytes((folder / "client.pub").read_bytes())
    (inside / ".ssh" / "authorized_keys").chmod(0o600)
    host = folder / "dropbear_host"
    subprocess.run([maker, "-t", "ed25519", "-f", str(host)], check=True, capture_output=True)
    namespace = [unshare, "-m"] if os.geteuid() == 0 else [unshare, "-r", "-m"]
    if subprocess.run([*namespace, "mount", "--bind", str(inside), str(home)], capture_output=True).returncode:
        pytest.skip("allow mount namespaces")
    port = free_port()
    script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    argv = [*namespace, "sh", "-c", script, "-", str(inside), str(home)]
    argv += [server, "-F", "-E", "-p", f"127.0.0.1:{port}", "-r", str(host), "-P", str(folder / "pid")]
    with _running(argv, port, folder / "dropbear.log"):
        yield port, client


def user() -> str:
    return getpass.getuser()


@contextmanager
def _running(argv: Sequence[str], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as stream:
        process = subprocess.Popen(argv, stdout=stream, stderr=stream, start_new_session=True)
    try:
        end = time.monotonic() + 10
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)
