"""A manifest's names of tables, read: schema and table, each quoted where PostgreSQL quotes it. Pure."""

import re

_PART = r'("(?:[^"]|"")+"|[^".]+)'
_NAME = re.compile(rf"{_PART}\.{_PART}", re.DOTALL)


def parsed(name: str) -> tuple[str, str] | None:
    """Return schema and table; None of what is no such name."""
    found = _NAME.fullmatch(name)
    return (_plain(found[1]), _plain(found[2])) if found and "\0" not in name else None


def _plain(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
