"""The two ends of a simulated wire: a pseudo terminal whose other side somebody opens by its path."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
import termios
from pathlib import Path

from factory.errors import NotStartedError

_SPEEDS = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name.startswith("B") and name[1:].isdigit()
}


class PtyEnd:
    """The master of a pseudo terminal; `path` is the tty for the other side to open."""

    def __init__(self) -> None:
        try:
            self._fd, slave = os.openpty()
        except OSError as error:
            raise NotStartedError(
                f"this computer gives no pseudo terminal for a simulated serial port: {error.strerror}",
                hint="Mount devpts on /dev/pts, or use units with the SSH route only.",
                code="rehearsal.pty",
            ) from error
        os.set_blocking(self._fd, False)
        # Raw until somebody sets it up, so that nothing is echoed into an empty port.
        attributes = termios.tcgetattr(slave)
        attributes[0] = attributes[1] = attributes[3] = 0
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        self.path = os.ttyname(slave)
        os.close(slave)

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._fd

    def attached(self) -> bool:
        """Whether somebody holds the other side open."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return not any(events & select.POLLHUP for _, events in poll.poll(0))

    def speed(self) -> int:
        """The speed in baud that the other side has set; 0 when it is none of the standard ones."""
        return _SPEEDS.get(termios.tcgetattr(self._fd)[5], 0)

    def unread(self) -> int:
        """How many bytes wait for the other side to read them; 0 when the port is opened exclusively by another."""
        try:
            slave = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            return 0
        try:
            return int(struct.unpack("i", fcntl.ioctl(slave, termios.FIONREAD, b"\0\0\0\0"))[0])
        finally:
            os.close(slave)

    def read(self, limit: int) -> bytes | None:
        """Take up to `limit` bytes; nothing there is b"", nobody there is None."""
        try:
            return os.read(self._fd, limit)
        except BlockingIOError:
            return b""
        except OSError as error:
            if error.errno == errno.EIO:
                return None
            raise

    def write(self, data: bytes) -> int:
        """Give as many bytes as there is room for; the number taken."""
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno == errno.EIO:
                return len(data)  # nobody there: said into the void
            raise

    def say(self, text: str) -> None:
        """Print on this tty whatever runs there, as the kernel does."""
        tty = os.open(self.path, os.O_WRONLY | os.O_NOCTTY)
        try:
            os.write(tty, text.encode())
        finally:
            os.close(tty)

    def close(self) -> None:
        """Close; who has the other side open gets a hang-up, as when a USB adapter is pulled."""
        os.close(self._fd)


def point(link: Path, target: str) -> None:
    """Let the symbolic link `link` name `target`, in one step also where it named something else."""
    temporary = link.with_name(f".{link.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
