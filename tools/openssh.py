"""An OpenSSH server of one's own on a high port of the loopback, without root, for comparisons."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self


class Sshd:
    """`sshd` with keys made for the run. Raises FileNotFoundError where OpenSSH's server is not installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = getpass.getuser()
        self.client_key = folder / "client_key"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def scp(self) -> list[str]:
        """The scp command up to its sources."""
        options = ["StrictHostKeyChecking=no", f"UserKnownHostsFile={self.folder / 'known'}", "LogLevel=ERROR"]
        flags = [part for option in options for part in ("-o", option)]
        return ["scp", "-q", *flags, "-i", str(self.client_key), "-P", str(self.port)]

    def __enter__(self) -> Self:
        sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:/usr/bin")
        if sshd is None:
            raise FileNotFoundError("sshd: install openssh-server")
        host_key = self.folder / "host_key"
        for key in (host_key, self.client_key):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        keys = self.folder / "authorized_keys"
        keys.write_text(self.client_key.with_suffix(".pub").read_text())
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        configuration = self.folder / "sshd_config"
        configuration.write_text(
            f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {host_key}\nAuthorizedKeysFile {keys}\n"
            f"PidFile {self.folder / 'sshd.pid'}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            # A home of its own: what a shell's start-up files cost here says nothing about either side.
            f"SetEnv HOME={self.folder}\n"
            "PermitRootLogin prohibit-password\nMaxStartups 100\nSubsystem sftp internal-sftp\n"
        )
        # Run as root, sshd wants its privilege separation folder, which only its service makes.
        if Path("/run").stat().st_uid == 0 and getpass.getuser() == "root":
            Path("/run/sshd").mkdir(exist_ok=True)
        self._process = subprocess.Popen([sshd, "-D", "-e", "-f", str(configuration)], stderr=subprocess.DEVNULL)
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)

    def _wait(self) -> None:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("sshd did not start")
