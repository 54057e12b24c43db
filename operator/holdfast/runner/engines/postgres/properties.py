"""What a database has besides what is in it: read of one, and given to another of the same server.

Owner, encoding, locale and tablespace are given when it is made. Rights, settings, limit and comment are given in the
moment in which it takes the other's place: until then they may change, and a limit or a setting would be in the way.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdfast.runner.engines.postgres import needs
from holdfast.runner.engines.postgres.statements import create_database, identifier, literal, set_value

if TYPE_CHECKING:
    from psycopg import Connection

DEFAULT_TABLESPACE = "pg_default"  # which needs no right, so it is not named
NO_LIMIT = -1
_DATABASE = b"""
select pg_catalog.to_jsonb(d)::text, pg_catalog.pg_encoding_to_char(d.encoding)::text,
  pg_catalog.shobj_description(d.oid, 'pg_database'), pg_catalog.pg_get_userbyid(d.datdba)::text, t.spcname::text,
  d.datconnlimit, d.datacl is null
from pg_catalog.pg_database d join pg_catalog.pg_tablespace t on t.oid = d.dattablespace where d.datname = %s
"""
_GRANTS = b"""
select case a.grantee when 0 then null else pg_catalog.pg_get_userbyid(a.grantee)::text end, a.privilege_type::text,
  a.is_grantable
from pg_catalog.pg_database d,
  pg_catalog.aclexplode(d.datacl) with ordinality a (grantor, grantee, privilege_type, is_grantable, number)
where d.datname = %s order by number
"""
_SETTINGS = b"""
select coalesce(r.rolname::text, ''), c.setting
from pg_catalog.pg_db_role_setting s left join pg_catalog.pg_roles r on r.oid = s.setrole,
  pg_catalog.unnest(s.setconfig) with ordinality c (setting, number)
where s.setdatabase = (select oid from pg_catalog.pg_database where datname = %s) order by 1, number
"""


@dataclass(frozen=True)
class Grant:
    """A right on a database."""

    to: str | None  # None: everybody
    privilege: str
    grantable: bool


@dataclass(frozen=True)
class Properties:
    """What a database has."""

    owner: str
    encoding: str
    locale: dict[str, str]
    tablespace: str = DEFAULT_TABLESPACE
    limit: int = NO_LIMIT
    comment: str | None = None
    grants: list[Grant] | None = None  # None: as every new one has
    settings: dict[tuple[str, str], str] = field(default_factory=dict)  # by role ("" is everybody) and name

    def creation(self, name: str, major: int) -> str:
        """Return how one like it is made."""
        made = f"{create_database(name, self.encoding, self.locale, major)} OWNER {identifier(self.owner)}"
        return made if self.tablespace == DEFAULT_TABLESPACE else f"{made} TABLESPACE {identifier(self.tablespace)}"

    def given(self, name: str) -> Iterator[str]:
        """Give the statements that let a new one of that name have the rest, too."""
        database = identifier(name)
        yield from self._granted(database)
        for (role, setting), value in self.settings.items():
            whose = f"ROLE {identifier(role)} IN " if role else ""
            yield f"ALTER {whose}DATABASE {database} SET {set_value(setting, value)}"
        if self.limit != NO_LIMIT:
            yield f"ALTER DATABASE {database} CONNECTION LIMIT {self.limit}"
        if self.comment is not None:
            yield f"COMMENT ON DATABASE {database} IS {literal(self.comment)}"

    def _granted(self, database: str) -> Iterator[str]:
        if self.grants is None:
            return
        yield f"REVOKE ALL ON DATABASE {database} FROM PUBLIC, {identifier(self.owner)}"
        for grant in self.grants:
            to = "PUBLIC" if grant.to is None else identifier(grant.to)
            more = " WITH GRANT OPTION" if grant.grantable and grant.to != self.owner else ""
            yield f"GRANT {grant.privilege} ON DATABASE {database} TO {to}{more}"


def read(connection: "Connection[tuple[Any, ...]]", name: str) -> Properties | None:
    """Return what a database of that name has; None where there is none."""
    row = connection.execute(_DATABASE, [name]).fetchone()
    if row is None:
        return None
    said, encoding, comment, owner, tablespace, limit, plain = row
    grants = [] if plain else connection.execute(_GRANTS, [name]).fetchall()
    return Properties(
        owner=owner,
        encoding=encoding,
        locale=needs.locale_of(json.loads(said)),
        tablespace=tablespace,
        limit=limit,
        comment=comment,
        grants=None if plain else [Grant(*grant) for grant in grants],
        settings=needs.settings_of(connection.execute(_SETTINGS, [name]).fetchall()),
    )
