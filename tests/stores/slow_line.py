"""A line to a server that is slow, and that breaks once where a test asks for it. A proxy on loopback, for TCP."""

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

CHUNK = 64 << 10


class SlowLine:
    """Listens on a port of loopback; all connections together pass some bytes a second on to the server."""

    def __init__(self, target: tuple[str, int], bytes_per_second: float = float("inf"), breaks_after: int = 0) -> None:
        """`breaks_after`: the first connection that has sent so many bytes is reset (0: none)."""
        self._target = target
        self._rate = bytes_per_second
        self._breaks_after = breaks_after
        self._lock = threading.Lock()
        self._free_at = 0.0  # when the line is free again
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.broke = threading.Event()
        self.taken = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()
                threading.Thread(target=self._down, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        sent = 0
        with suppress(OSError), client, server:
            while data := client.recv(CHUNK):
                self._wait_for_turn(len(data))
                sent += len(data)
                if self._breaks(sent):
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close by a reset
                    return
                server.sendall(data)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(CHUNK):
                client.sendall(data)

    def _wait_for_turn(self, count: int) -> None:
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + count / self._rate
            self.taken += count
            delay = self._free_at - now
        self._ended.wait(delay)

    def _breaks(self, sent: int) -> bool:
        with self._lock:
            if not self._breaks_after or sent < self._breaks_after or self.broke.is_set():
                return False
            self.broke.set()
            return True
