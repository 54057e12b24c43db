"""Makes what tools and servers say fit for a message: one line, no control characters, bounded."""

import re

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def one_line(text: str, limit: int) -> str:
    """Return the text's end as one line of at most `limit` characters; the end of a tool's output says why it ended."""
    line = " ".join(_UNPRINTABLE.sub(" ", text).split())
    return line if len(line) <= limit else "…" + line[-(limit - 1) :]
