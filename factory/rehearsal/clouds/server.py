"""One HTTPS server on loopback with every simulated cloud in it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from factory.errors import NotStartedError
from factory.files import make_folder
from factory.rehearsal.clouds.account import SCHEMA as ACCOUNT
from factory.rehearsal.clouds.account import Account, account_of, write_credentials
from factory.rehearsal.clouds.app import application
from factory.rehearsal.clouds.faults import Faults
from factory.rehearsal.clouds.middleware import Counters
from factory.rehearsal.clouds.parts import Parts
from factory.rehearsal.clouds.state import Row, State
from factory.rehearsal.clouds.tls import certificates
from factory.rehearsal.clouds.world import Settings, World

if TYPE_CHECKING:
    import uvicorn

    from factory.rehearsal.clouds.protocol import Transports
    from factory.rehearsal.clouds.remoteit.portal import Portal
    from factory.rehearsal.clouds.xyte.portal import XytePortal

_START_WITHIN = 30.0
_STOP_WITHIN = 30.0


class SimulatedClouds:
    """A context manager: inside the block the clouds answer at `url`.

    `folder` (0700) holds the state, `ca.pem` and `credentials`; the same folder is the same clouds again. `state`
    names another file for the state. Raises NotStartedError when the port is taken or the state is no such file.
    """

    def __init__(
        self, folder: Path, *, port: int = 0, state: Path | None = None, settings: Settings | None = None
    ) -> None:
        self.folder = folder
        self.faults = Faults()
        self._port = port
        self._state_file = state or folder / "state.sqlite"
        self._settings = settings or Settings()
        self._counters = Counters()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> SimulatedClouds:
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self, stack: contextlib.ExitStack) -> None:
        make_folder(self.folder, mode=0o700)
        self._state = State(self._state_file, (ACCOUNT, *Parts.schemas()))
        stack.callback(self._state.close)
        self.account: Account = account_of(self._state)
        self.credentials = self.folder / "credentials"
        write_credentials(self.account, self.credentials)
        files = certificates(self.folder, self.folder / "ca.pem")
        self.ca = files.ca
        listener = self._listener()
        stack.callback(listener.close)
        self.url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        world = World(self._state, self.faults, self._settings, self.account, files.certificate, files.key)
        self._parts = Parts(world)
        self.xyte.write_keys(self.folder)
        running = self._served(world, listener)
        stack.callback(running.stop)
        running.await_start()

    def _listener(self) -> socket.socket:
        # The protocol is named since asyncio sets TCP_NODELAY on such sockets only.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", self._port))
            listener.listen(256)
        except OSError as error:
            listener.close()
            raise NotStartedError(
                f"cannot listen on 127.0.0.1:{self._port}: {error.strerror}",
                hint="Give another --port, or none for a free one.",
                code="rehearsal.port",
            ) from error
        return listener

    def _served(self, world: World, listener: socket.socket) -> _Running:
        import uvicorn

        from factory.rehearsal.clouds.protocol import Transports

        transports = Transports()
        config = uvicorn.Config(
            application(world, self._parts, self._counters, transports.cut), http=transports.protocol(), ws="none",
            lifespan="on", log_config=None, access_log=False, log_level="error", proxy_headers=False,
            server_header=False, date_header=False, timeout_keep_alive=30, timeout_graceful_shutdown=2,
            ssl_certfile=world.server_certificate, ssl_keyfile=world.server_key,
            ssl_version=ssl.PROTOCOL_TLS_SERVER,
        )  # fmt: skip
        return _Running(uvicorn.Server(config), transports, listener)

    @property
    def remoteit(self) -> Portal:
        """The portal of the simulated remote.it, in-process."""
        return self._parts.remoteit.portal

    @property
    def xyte(self) -> XytePortal:
        """The maker's portal of the simulated Xyte, in-process."""
        return self._parts.xyte.portal

    def counters(self) -> dict[str, int]:
        """How often each route was asked, and each fault happened (`fault:NAME`)."""
        struck = {f"fault:{name}": count for name, count in self.faults.struck().items()}
        return {**self._counters.all(), **struck}

    def query(self, sql: str, *values: object) -> list[Row]:
        """Ask the state itself. From any thread."""
        return self._state.rows(sql, *values)

    def summary(self) -> dict[str, Any]:
        """What a client must know to talk to these clouds; secrets stand in the credentials file only."""
        return {
            "url": self.url, "ca": str(self.ca), "state": str(self._state_file), "credentials": str(self.credentials),
            "email": self.account.email, "products": self.remoteit.products(), "xyte": self.xyte.summary(self.folder),
        }  # fmt: skip


class _Running:
    """The server in a thread of its own."""

    def __init__(self, server: uvicorn.Server, transports: Transports, listener: socket.socket) -> None:
        self._server = server
        self._transports = transports
        self._listener = listener
        self._failed: list[BaseException] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="simulated clouds", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - told by the thread that waits for the start
            self._failed.append(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve(sockets=[self._listener])
        self._loop = None

    def await_start(self) -> None:
        """Return once it answers. Raises NotStartedError."""
        until = time.monotonic() + _START_WITHIN
        while not self._server.started:
            self._thread.join(0.01)
            if not self._thread.is_alive() or time.monotonic() > until:
                why = f": {self._failed[0]}" if self._failed else ""
                raise NotStartedError(f"the simulated clouds did not start{why}", code="rehearsal.clouds")

    def stop(self) -> None:
        """End it, with every connection."""
        self._server.should_exit = True
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(self._transports.cut_all)
        self._thread.join(_STOP_WITHIN)
