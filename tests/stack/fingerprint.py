"""Whether two databases hold the same: every table's content by hash, and everything else that a dump must carry."""

import csv
from pathlib import Path

from tests.stack.postgres import psql

SQL = Path(__file__).with_name("fingerprint.sql")

Fingerprint = dict[str, tuple[int, str]]


def fingerprint(namespace: str, deployment: str, database: str = "orders") -> Fingerprint:
    """What is in a database, by name: `table public.orders` -> (rows, hash of all of them).

    Likewise sequences (value), and definitions (1, hash): columns, constraints, indexes, views, functions, triggers,
    comments, large objects (bytes), types, extensions, partitions, row security, rules and so on. Owners
    and grants are left out, as Holdfast's dumps leave them.
    """
    lines = psql(namespace, deployment, SQL.read_text(), database).splitlines()
    return {name: (int(count), digest) for name, count, digest in csv.reader(lines)}


def differences(one: Fingerprint, other: Fingerprint) -> list[str]:
    """What differs, a line each; empty when both are equal."""
    names = sorted(one.keys() | other.keys())
    return [f"{name}: {one.get(name)} != {other.get(name)}" for name in names if one.get(name) != other.get(name)]
