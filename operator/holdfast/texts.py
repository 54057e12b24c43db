r"""One rule for text that others wrote: in a message, a status, a log, on a terminal it is one line of what is seen.

What others write (a server, a store, AWS, a manifest, an Event) may hold an escape sequence that moves a terminal's
cursor, a line break that begins a line of its own, or a mark that turns the order of what is read around. Line breaks
and tabs become a space here, and what is left of that kind stands there as its number, `\u001b`, so that nobody is
deceived and nothing is lost.
"""

import json
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator

MOST = 4096  # characters of a field that people read; a report has no more bytes in all
_BREAKS = re.compile("[\t-\r\x1c-\x1f\x85\u2028\u2029]+")
# C0 and C1 controls; what is not seen, and what turns the direction of text around; halves of a character; tags
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
)


def plain(text: str) -> str:
    """Return the text as one line in which every character is seen, and has its place where it stands."""
    return visible(_BREAKS.sub(" ", text))


def visible(text: str) -> str:
    """Return the text with each character that is not seen, or does something, written as its number, as JSON does."""
    return _UNSEEN.sub(_number, text)


def lines(text: str) -> str:
    """Return a document of several lines, each of them visible; tabs stay."""
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in text.split("\n"))


def is_plain(text: str) -> bool:
    """Whether the text is one line of what is seen."""
    return _UNSEEN.search(text) is None


def _number(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1] if ord(found[0]) > 0xFFFF else f"\\u{ord(found[0]):04x}"


def cleaned(value: Any, clean: Callable[[str], str] = plain) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value whose texts are all plain, names of fields too."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): cleaned(each, clean) for key, each in value.items()}
    return [cleaned(each, clean) for each in value] if isinstance(value, list) else value


def quoted(text: object, limit: int = 120) -> str:
    """Return what somebody answered as a message may show it: in quotes, cut, nothing in it unseen."""
    shown = plain(str(text)[: limit + 1])
    return f"'{shown if len(shown) <= limit else shown[: limit - 1] + '…'}'"


def _plain_field(value: object) -> object:
    if not isinstance(value, str):
        return value
    shown = plain(value[:MOST])
    return shown if len(shown) <= MOST else shown[: MOST - 1] + "…"


Plain = Annotated[str, BeforeValidator(_plain_field)]
"""A field whose text is made plain, and cut, whenever it is read or given."""
