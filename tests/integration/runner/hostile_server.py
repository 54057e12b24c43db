"""What stands before a PostgreSQL server, or in any server's place, and is hostile; Python alone runs it.

    hostile_server.py MODE UPSTREAM

- `mute`: takes connections and never says a word.
- `half`: takes connections and says the first half of a MySQL server's greeting.
- `silent`: passes all on, up to the first rows of a COPY; then nothing more.
- `endless`: passes all on, up to the first rows of a COPY; then the same row without end.
- `cut`: passes all on, up to the first rows of a COPY; then ends the connection.
- `pass`: passes all on.
- `stops`: passes all on between a MySQL server and its clients, up to the first MiB of a connection; then nothing more.
"""

import socket
import struct
import sys
import threading
from collections.abc import Iterator

PORT = 5432
MYSQL_PORT = 3306
PASSED = 1 << 20  # bytes of each connection that `stops` passes on
COPY_DATA = b"d"
HALF_A_GREETING = b"\x4a\0\0\0\x0a9.7.0"  # of 74 bytes
ROWS = 100  # of a COPY that are passed on before the mode shows


def messages(server: socket.socket) -> Iterator[bytes]:
    """Yield each message of a server as it is: a letter, its length, what it says."""
    stream = server.makefile("rb")
    while head := stream.read(5):
        (length,) = struct.unpack("!I", head[1:])
        yield head + stream.read(length - 4)


def answer(mode: str, server: socket.socket, client: socket.socket) -> None:
    """Pass on what the server says, until the mode shows."""
    rows = 0
    for message in messages(server):
        rows += message[:1] == COPY_DATA
        client.sendall(message)
        if mode == "pass" or rows < ROWS:
            continue
        if mode == "endless":
            while True:
                client.sendall(message * 1000)
        if mode == "silent":
            threading.Event().wait()
        break
    client.shutdown(socket.SHUT_RDWR)  # `close` would wait for the thread that reads


def stop(server: socket.socket, client: socket.socket) -> None:
    """Pass on what any server says, until it is too much."""
    passed = 0
    while passed < PASSED and (data := server.recv(1 << 16)):
        passed += len(data)
        client.sendall(data)
    if passed >= PASSED:
        threading.Event().wait()
    client.shutdown(socket.SHUT_RDWR)


def ask(client: socket.socket, server: socket.socket) -> None:
    """Pass on what the client says."""
    while data := client.recv(1 << 16):
        server.sendall(data)
    server.close()


def serve(mode: str, upstream: str) -> None:
    """Listen for ever."""
    listener = socket.create_server(("", PORT))
    sys.stderr.write("listening\n")
    while True:
        client, _ = listener.accept()
        if mode == "half":
            client.sendall(HALF_A_GREETING)
        if mode in ("mute", "half"):
            threading.Thread(target=lambda kept=client: kept and threading.Event().wait(), daemon=True).start()
            continue
        server = socket.create_connection((upstream, MYSQL_PORT if mode == "stops" else PORT))
        answering = (stop, (server, client)) if mode == "stops" else (answer, (mode, server, client))
        for work, arguments in ((ask, (client, server)), answering):
            threading.Thread(target=work, args=arguments, daemon=True).start()  # type: ignore[arg-type]


if __name__ == "__main__":
    serve(*sys.argv[1:])
