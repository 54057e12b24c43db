"""The statements that provide what a dump does not hold, quoted by PostgreSQL's own rules. Pure.

They are shown to people and never run: a manifest that somebody changed may name anything.
"""

import re
from collections.abc import Mapping, Sequence

from holdfast.contract.needs import ManifestNeed, NeedKind

_PLAIN_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")
_ENCODING = re.compile(r"[A-Z0-9_]{1,32}")
# Settings whose value is a list of names, each quoted for itself (variable_is_guc_list_quote in PostgreSQL's source).
_LISTS = {
    "local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries",
    "temp_tablespaces", "unix_socket_directories",
}  # fmt: skip
_NAME = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",]*?))\s*(?:,|\Z)')
RESTORING_USER = "the_restoring_user"


def identifier(name: str) -> str:
    """Quote a name."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text, so that a backslash means itself whatever the server's settings are."""
    quoted = text.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in text else f"'{quoted}'"


def create_database(database: str, encoding: str, locale: Mapping[str, str], major: int) -> str:
    """Return how a database with this encoding and locale is made on a server of that version."""
    parts = [f"CREATE DATABASE {identifier(database)} TEMPLATE template0"]
    if _ENCODING.fullmatch(encoding):
        parts.append(f"ENCODING {literal(encoding)}")
    provider = locale.get("provider", "libc")
    if major >= (17 if provider == "builtin" else 15):
        parts.append(f"LOCALE_PROVIDER {provider if provider in ('libc', 'icu', 'builtin') else 'libc'}")
        names = {"icu": "ICU_LOCALE", "builtin": "BUILTIN_LOCALE"}
        if provider in names and locale.get("locale"):
            parts.append(f"{names[provider]} {literal(locale['locale'])}")
        if provider == "icu" and locale.get("rules") and major >= 16:
            parts.append(f"ICU_RULES {literal(locale['rules'])}")
    collate, ctype = locale.get("lc_collate"), locale.get("lc_ctype")
    parts += [f"LC_COLLATE {literal(collate)}"] if collate else []
    parts += [f"LC_CTYPE {literal(ctype)}"] if ctype else []
    return " ".join(parts)


def set_value(name: str, value: str) -> str:
    """Return `name TO value`, as ALTER DATABASE takes it."""
    setting = name if _PLAIN_SETTING.fullmatch(name) else identifier(name)
    if name.lower() in _LISTS:
        found = [quoted.replace('""', '"') or bare for quoted, bare in _NAME.findall(value) if quoted or bare]
        return f"{setting} TO {', '.join(map(literal, found)) or literal('')}"
    return f"{setting} TO {literal(value)}"


def statement(need: ManifestNeed, database: str, major: int, locale: Mapping[str, str] | None = None) -> str | None:
    """Return what provides a need in the database of that name; None where no statement does."""
    name, value = need.name, need.value
    match need.kind:
        case NeedKind.ENCODING:
            return create_database(database, name, locale or {}, major)
        case NeedKind.ROLE:
            return f"CREATE ROLE {identifier(name)}"
        case NeedKind.EXTENSION:
            return _create_extension(name, need.of or "public", major)
        case NeedKind.DATABASE_SETTING if value is not None:
            whose = f"ROLE {identifier(need.of)} IN " if need.of else ""
            return f"ALTER {whose}DATABASE {identifier(database)} SET {set_value(name, value)}"
        case NeedKind.COMMENT if value is not None:
            return f"COMMENT ON DATABASE {identifier(database)} IS {literal(value)}"
        case NeedKind.PRIVILEGE if need.of:
            return f"GRANT USAGE ON FOREIGN DATA WRAPPER {identifier(need.of)} TO {RESTORING_USER}"
    return None


def _create_extension(name: str, schema: str, major: int) -> str:
    """Make an extension, and its schema where that is not always there: as one of the database's owner."""
    owner = " AUTHORIZATION pg_database_owner" if major >= 14 else ""
    before = f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}{owner}; "
    where = "" if schema in ("public", "pg_catalog") else before
    return f"{where}CREATE EXTENSION {identifier(name)} SCHEMA {identifier(schema)}"


def in_one(statements: Sequence[str]) -> str:
    """Return some statements as one line to paste."""
    return "; ".join(dict.fromkeys(statements))
