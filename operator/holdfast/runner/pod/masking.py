"""Hides the values of the mounted Secrets in what the runner says: its log, its report, and what others said to it.

Servers and tools repeat what they were told (`password authentication failed for user "…"`), and which key of a Secret
holds a password only its owner knows. So every value of every mounted Secret is hidden, whatever its key is called.

To hide a word that everybody knows to be there would tell what the Secret holds: `*** authentication failed` says that
somebody's password is "password". So a word that the task itself has, or that is as short or as plain as the words of
any sentence, is hidden only where it stands as what it is: in quotation marks, or as a user's name.
"""

import base64
import json
import re
import shlex
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

from holdfast import texts

HIDDEN = "***"
LARGEST = 1 << 20  # bytes; a Secret has no more in all
SHORT = 4  # characters; a shorter value is in many words
CLEAR = 8  # characters; a longer value is in no other word by chance
PLAIN = 12  # letters alone, or digits alone, are taken for a word or a number as long as they are fewer
_CUT = "…"  # what shortened texts begin with

_PLAIN = re.compile(rf"[A-Za-z]{{1,{PLAIN - 1}}}|[0-9]{{1,{PLAIN - 1}}}")
_USERINFO = re.compile(r"[a-z][a-z0-9+.:-]*://([^/?#\s]*)@", re.IGNORECASE)
_PARAMETER = re.compile(r"(?:^|[?&;\s])(?:user|username|password|pwd|sslpassword)=([^&;\s]+)", re.IGNORECASE)
_ESCAPED = re.compile(r"%[0-9A-F]{2}")
_MARKS = re.compile("([\"'`«»„“”\u2018\u2019])")
_USER = re.compile(r"\b(?:user|role|login|account|for)[ =:]*\Z", re.IGNORECASE)
_GIVEN = re.compile(r"(?<==)([^\s,;&)]+)")


class Mask:
    """Knows the values that the mounted Secrets have, or had since it was made. Safe to use from several threads."""

    def __init__(self, folders: Iterable[Path] = (), public: str = "", user: str | None = None) -> None:
        """`public` is text that is known anyway, the task; `user` a user's name that the policy itself gives."""
        self._folders = tuple(folders)
        self._public = public
        self._user = user
        self._lock = threading.Lock()
        self._state: dict[Path, tuple[int, int]] = {}
        self._values: set[str] = set()
        self._clear: list[str] = []  # forms that are hidden wherever they stand, the longest first
        self._alone: list[re.Pattern[str]] = []  # those that are hidden where they are no part of a longer word
        self._words: set[str] = set()  # those that are hidden in quotation marks, or after `=`
        self._names: set[str] = set()  # those that are hidden where a user's name stands

    def tell(self, text: str) -> None:
        """Let a text be said although a Secret has it: the address out of a connection URL."""
        with self._lock:
            self._public += f"\n{text}"
            self._learn()

    def hide(self, text: str) -> str:
        """Return the text without the values."""
        with self._lock:
            if self._look():
                self._learn()
            clear, alone, words, names = self._clear, self._alone, self._words, self._names
        for form in clear:
            if form in text:
                text = text.replace(form, HIDDEN)
        for pattern in alone:
            text = pattern.sub(HIDDEN, text)
        if words or names:
            text = _without_words(text, words, names)
        return _without_a_cut_value(text, clear)

    def hide_in(self, value: object) -> object:
        """Return lists and dicts of JSON with every text in them, keys aside, without the values."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, dict):
            return {key: self.hide_in(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.hide_in(one) for one in value]
        return value

    def _look(self) -> bool:
        """Read the files that changed; return whether there is a value that was not known. Old values stay hidden."""
        before = len(self._values)
        for folder in self._folders:
            for path in folder.glob("*"):
                try:
                    found = path.stat()
                    state = (found.st_mtime_ns, found.st_size)
                    if self._state.get(path) == state or not path.is_file():
                        continue
                    with path.open("rb") as file:
                        text = file.read(LARGEST).decode(errors="replace")
                except OSError:  # it is being replaced, or is not there any more: what cannot be read is not repeated
                    continue
                self._state[path] = state
                self._values.update(_secrets_in(text))
        return len(self._values) > before

    def _learn(self) -> None:
        clear: set[str] = set()
        alone: set[str] = set()
        words: set[str] = set()
        names: set[str] = set()
        for value in self._values - {self._user}:
            forms = _forms(value)
            if value in self._public:
                names |= forms
            elif len(value) < SHORT or _PLAIN.fullmatch(value):
                words |= forms
            elif len(value) < CLEAR:
                alone |= forms
            else:
                clear |= forms
        self._clear = sorted(clear, key=len, reverse=True)
        self._alone = [re.compile(rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])") for form in sorted(alone)]
        self._words, self._names = words, names | words


def _secrets_in(text: str) -> Iterator[str]:
    """Yield a value, and what of it may be repeated alone: each of its lines, and the user and password of a URL."""
    whole = text.rstrip("\r\n")
    lines = whole.splitlines()
    for value in [whole, *(line.strip() for line in lines if len(lines) > 1 and len(line.strip()) >= CLEAR)]:
        if value.strip():
            yield value
    for userinfo in _USERINFO.findall(whole):
        parts = [userinfo, *userinfo.partition(":")[::2], *userinfo.partition("@")[::2]]
        yield from (decoded for part in parts for decoded in (part, unquote(part)) if decoded)
    for value in _PARAMETER.findall(whole):
        yield from (value, unquote(value))


def _forms(value: str) -> set[str]:
    """Return how a value looks in a text: as it is, and as JSON, Python, SQL, a shell, a URL or base64 write it."""
    line = " ".join(value.split())  # as text.one_line makes of it
    forms = {
        value,
        line,
        texts.plain(value),
        " ".join(texts.plain(value).split()),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        value.replace("'", "''"),
        value.replace('"', '""'),
        value.replace("\\", "\\\\"),
        value.replace("\\", "\\\\").replace("'", "\\'"),
        value.replace("\\", "\\\\").replace(":", "\\:"),
        shlex.quote(value).strip("'"),
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        _ESCAPED.sub(lambda escape: escape[0].lower(), quote(value, safe="")),
        base64.b64encode(value.encode(errors="replace")).decode(),
    }
    return {form for form in forms if form.strip()}


def _without_words(text: str, words: set[str], names: set[str]) -> str:
    """Hide words in quotation marks or after `=`; and names where a user stands: `role "x"`, `'x'@'host'`."""
    text = _GIVEN.sub(lambda found: HIDDEN if found[1] in words else found[1], text)
    pieces = _MARKS.split(text)  # text, mark, text, mark, …, text
    for at in range(2, len(pieces) - 2, 2):
        of_a_user = _USER.search(pieces[at - 2]) or pieces[at + 2].startswith("@")
        if pieces[at] in words or (of_a_user and pieces[at] in names):
            pieces[at] = HIDDEN
    return "".join(pieces)


def _without_a_cut_value(text: str, forms: Iterable[str]) -> str:
    """Hide the end of a value that a shortened text begins with."""
    if not text.startswith(_CUT):
        return text
    for form in forms:
        for length in range(min(len(form), len(text)) - 1, SHORT - 1, -1):
            if text.startswith(form[-length:], len(_CUT)):
                return _CUT + HIDDEN + text[len(_CUT) + length :]
    return text
