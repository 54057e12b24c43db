"""What of a restore each format of PostgreSQL serves, which tables are chosen, and by which client."""

from types import SimpleNamespace

import pytest

from holdfast.api.restoring import Content, GlobalsMode, RestoreMode
from holdfast.contract.manifest import ManifestTable
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.postgres import entries, names, served

NAMES = {
    "public.orders": ("public", "orders"),
    'public."Odd ""one"".x"': ("public", 'Odd "one".x'),
    '"a.b"."c.d"': ("a.b", "c.d"),
    'public."line\nend"': ("public", "line\nend"),
    "orders": None, "a.b.c": None, 'public."x': None, "public.": None, "": None, "public.a\0b": None,
    "public.x; drop table y": ("public", "x; drop table y"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "parts"), NAMES.items())
def test_a_manifests_name_is_read_as_it_is_quoted(name, parts):
    assert names.parsed(name) == parts


def a_task(**changes):
    fields = {"mode": RestoreMode.REFUSE, "content": Content.ALL, "tables": [], "jobs": 1, "globals": GlobalsMode.NONE,
              "owner": None}  # fmt: skip
    return SimpleNamespace(**(fields | changes))


def a_manifest(form, tables=("public.orders",)):
    known = None if tables is None else [ManifestTable(name=name, rows=1) for name in tables]
    return SimpleNamespace(artifact=SimpleNamespace(format=form), tables=known)


@pytest.mark.parametrize(
    ("form", "task", "says"),
    [
        ("sql", a_task(content=Content.SCHEMA), "content Schema"),
        ("sql", a_task(content=Content.DATA), "content Data"),
        ("sql", a_task(tables=["public.orders"]), "with tables"),
        ("sql", a_task(jobs=2), "jobs: 2"),
        ("directory", a_task(jobs=2, mode=RestoreMode.INTO), "with mode Into"),
        ("custom", a_task(tables=["public.other"]), "'public.other'"),
        ("custom", a_task(tables=["nonsense"]), "'nonsense'"),
    ],
)
def test_what_a_format_cannot_do_is_refused_by_name(form, task, says):
    with pytest.raises(HoldfastError) as caught:
        served.require(task, a_manifest(form))
    assert caught.value.reason is Reason.INVALID_TASK
    assert says in caught.value.message
    assert "nothing was changed" in caught.value.remedy


@pytest.mark.parametrize(
    ("form", "task"),
    [
        ("sql", a_task()),
        ("custom", a_task(content=Content.DATA, tables=["public.orders"], mode=RestoreMode.INTO)),
        ("custom", a_task(jobs=2)),
        ("directory", a_task(jobs=4, mode=RestoreMode.REPLACE)),
        ("directory", a_task(content=Content.SCHEMA)),
    ],
)
def test_what_it_can_is_not(form, task):
    served.require(task, a_manifest(form))
    served.require(task, a_manifest(form, None))


@pytest.mark.parametrize(("form", "tool"), [("sql", "psql"), ("custom", "pg_restore"), ("directory", "pg_restore")])
def test_a_client_with_known_faults_reads_no_dump(monkeypatch, form, tool):
    monkeypatch.setattr(served.tools, "version", lambda name: (f"{name} 17.5", 17))
    with pytest.raises(HoldfastError) as caught:
        served.require_safe(form)
    assert caught.value.reason is Reason.TOOL_TOO_OLD
    assert caught.value.message.startswith(f"{tool} 17.5 has known security faults")
    monkeypatch.setattr(served.tools, "version", lambda name: (f"{name} 17.12", 17))
    served.require_safe(form)


LIST = b"""; comment
3337; 0 16386 TABLE DATA public a app
3338; 0 16389 TABLE DATA public a b app
215; 1259 16386 TABLE public a app
216; 1259 16389 TABLE public a b app
3190; 2606 16395 CONSTRAINT public a a_pkey app
"""


def listed(arguments):
    """Answer as pg_restore does, which compares whole names."""
    assert arguments[0] == "--schema=public"
    chosen = [number for name, number in (("a", b"337;"), ("a b", b"338;")) if f"--table={name}" in arguments]
    chosen += [number for name, number in (("a", b"215;"), ("a b", b"216;")) if f"--table={name}" in arguments]
    return b"\n".join(line for line in LIST.split(b"\n") if any(number in line for number in chosen))


def test_a_chosen_tables_entries_are_its_definition_and_rows_and_no_others():
    assert entries.of_tables([], listed) is None
    only = entries.of_tables(["public.a"], listed)
    assert only == {b"3337", b"215"}
    kept = entries.without(LIST, [], only)
    assert kept is not None
    assert [line[:4] for line in kept.split(b"\n") if line] == [b"; co", b"3337", b"215;"]
    assert entries.of_tables(["public.a", 'public."a b"'], listed) == {b"3337", b"3338", b"215", b"216"}


def test_a_table_that_the_archive_does_not_have_is_said():
    with pytest.raises(HoldfastError, match="1 of the 2 chosen tables"):
        entries.of_tables(["public.a", "public.c"], listed)
