"""The runner's log: one JSON object a line on standard output, each with the backup it is about.

Tools follow a backup by reading it; nothing here may be a secret: what a mounted Secret holds is hidden in each line.
"""

import json
import sys
import threading
from typing import TextIO

from holdfast import clock, texts
from holdfast.runner.pod.masking import Mask


class Log:
    """Writes lines; safe to use from several threads."""

    def __init__(self, stream: TextIO | None = None, mask: Mask | None = None, **subject: str) -> None:
        """Write to `stream` (default: standard output); `subject` stands in every line, `mask` hides secrets."""
        self._stream = stream or sys.stdout
        self.mask = mask or Mask()
        self._subject = subject
        self._lock = threading.Lock()

    def line(self, event: str, **fields: object) -> None:
        """Write one line; fields that are None are left out."""
        said = {key: self.mask.hide_in(value) for key, value in fields.items() if value is not None}
        entry = {"time": clock.to_text(clock.now()), "event": event, **self._subject, **said}
        text = json.dumps(entry, ensure_ascii=False)
        with self._lock:
            # JSON's own numbers, so that a reader of the line finds the text as it was, and a terminal only shows it
            self._stream.write(texts.visible(text) + "\n")
            self._stream.flush()
