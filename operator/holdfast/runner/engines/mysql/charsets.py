"""Which character sets a dump in utf8mb4 carries whole, and which columns can be dumped as bytes instead.

A byte that a column's character set does not define is kept by the server, and comes as `?` when it is asked for in
another one. So a database with such columns is dumped as the bytes that the server holds.
"""

from collections.abc import Sequence

from holdfast.api.database import Engine

# All that the server takes of these comes back through utf8mb4: tests/integration/runner/test_mysql_bytes.py has tried
# each byte of each character set.
_WHOLE_BYTES = (
    *("cp850", "cp852", "cp866", "keybcs2", "koi8r", "koi8u", "latin1", "latin2", "latin5", "latin7"),
    *("macce", "macroman", "utf16", "utf16le", "utf32", "utf8", "utf8mb3", "utf8mb4"),
)
_WHOLE = {
    Engine.MYSQL: (*_WHOLE_BYTES, "ascii"),  # which MariaDB takes all bytes for
    Engine.MARIADB: (*_WHOLE_BYTES, "ucs2"),  # which MySQL takes halves of characters for
}
# A value of these types that comes as bytes goes back as bytes. MariaDB's uuid and inet6 would take the digits of their
# text for the value itself, and become NULL.
_AS_BYTES = (
    *("bigint", "binary", "bit", "blob", "char", "date", "datetime", "decimal", "double", "enum", "float"),
    *("geomcollection", "geometry", "geometrycollection", "int", "json", "linestring", "longblob", "longtext"),
    *("mediumblob", "mediumint", "mediumtext", "multilinestring", "multipoint", "multipolygon", "point", "polygon"),
    *("set", "smallint", "text", "time", "timestamp", "tinyblob", "tinyint", "tinytext", "varbinary", "varchar"),
    *("vector", "year"),
)
_COLUMNS = """
from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
where table_schema = database() and t.table_type <> 'VIEW'
"""
_NAME = "concat(table_name, '.', c.column_name)"


def question(engine: Engine) -> str:
    """Ask for columns whose bytes utf8mb4 does not carry (`holey`), and for one that cannot come as bytes (`typed`)."""
    return f"""
select 'holey', {_NAME}, c.character_set_name {_COLUMNS}
  and c.character_set_name not in ({_listed(_WHOLE[engine])}) order by 2 limit 10000;
select 'typed', {_NAME}, c.data_type {_COLUMNS} and c.data_type not in ({_listed(_AS_BYTES)}) order by 2 limit 1;
"""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
