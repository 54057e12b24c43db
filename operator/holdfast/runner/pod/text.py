"""Makes what tools and servers say fit for a message: plain text (texts.py), and bounded."""

from holdfast import texts


def one_line(text: str, limit: int) -> str:
    """Return the text's end as one line of at most `limit` characters; the end of a tool's output says why it ended."""
    line = " ".join(texts.plain(text).split())
    return line if len(line) <= limit else "…" + line[-(limit - 1) :]
