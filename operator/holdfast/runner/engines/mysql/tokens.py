"""Splits a statement of MySQL's or MariaDB's into its tokens, as the server reads it under a sql_mode."""

import re
from functools import lru_cache

NAME = rb"`(?:[^`]|``)*`"
NOTHING = (b"/*", b"--", b"#", b"*/")
"""What a comment begins with, and what is around words that only some servers read."""


@lru_cache
def _token(sql_mode: bytes) -> re.Pattern[bytes]:
    escape = rb"" if b"NO_BACKSLASH_ESCAPES" in sql_mode else rb"\\"
    text = rb"'(?:[^'" + escape + rb"]|''" + (rb"|\\." if escape else b"") + rb")*'"
    comment = rb"--(?=\s)[^\n]*|#[^\n]*|/\*M?!\d*|/\*.*?\*/|\*/"
    word = rb"@*[\w$\x80-\xff]+"
    return re.compile(b"|".join((rb"\s+", comment, text, text.replace(b"'", b'"'), NAME, word, rb".")), re.DOTALL)


def tokens(statement: bytes, sql_mode: bytes) -> list[tuple[int, bytes]]:
    """Return a statement's tokens, each with its place; a name between double quotes comes between backquotes."""
    names = b"ANSI_QUOTES" in sql_mode
    found = ((each.start(), each[0]) for each in _token(sql_mode).finditer(statement))
    return [(at, _as_name(text) if names and text[:1] == b'"' and len(text) > 1 else text) for at, text in found]


def plain(texts: list[bytes]) -> bytes:
    """Write tokens with one space where there is any and none around `=`, without comments and what is in strings."""
    said = b"".join(
        b" " if text.isspace() or text.startswith(NOTHING) else b"''" if text[:1] in (b"'", b'"') else text
        for text in texts
    )
    return re.sub(rb"\s*=\s*", b"=", re.sub(rb"\s+", b" ", said)).strip()


def _as_name(text: bytes) -> bytes:
    return b"`" + text[1:-1].replace(b"`", b"``").replace(b'""', b'"') + b"`"
