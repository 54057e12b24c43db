"""The runner's log: one JSON object a line on standard output, each with the backup it is about.

Tools follow a backup by reading it; nothing here may be a secret.
"""

import json
import sys
import threading
from typing import TextIO

from holdfast import clock


class Log:
    """Writes lines; safe to use from several threads."""

    def __init__(self, stream: TextIO | None = None, **subject: str) -> None:
        """Write to `stream` (default: standard output); `subject` stands in every line."""
        self._stream = stream or sys.stdout
        self._subject = subject
        self._lock = threading.Lock()

    def line(self, event: str, **fields: object) -> None:
        """Write one line; fields that are None are left out."""
        entry = {"time": clock.to_text(clock.now()), "event": event, **self._subject, **fields}
        text = json.dumps({key: value for key, value in entry.items() if value is not None}, ensure_ascii=False)
        with self._lock:
            self._stream.write(text + "\n")
            self._stream.flush()
