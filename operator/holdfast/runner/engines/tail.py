"""The end of a stream: all that an end mark needs of it."""

TAIL = 4096  # bytes; an end mark and what may follow it are some 150


class Tail:
    """Keeps the last bytes of what passes."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: memoryview) -> None:
        """Take the next bytes."""
        self._tail = (self._tail + bytes(data[-TAIL:]))[-TAIL:]
