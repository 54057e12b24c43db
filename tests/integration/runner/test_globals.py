"""Roles, owners and grants: backed up beside the dump, and given back to a server that knows nothing of them."""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.runner.servers import BUCKET, USER, identifier
from tests.integration.runner.world import World, assert_failed

from holdfast.contract.globals import Globals
from holdfast.contract.task import BackupTask, Beside

RICH = (Path(__file__).parent / "globals.sql").read_text()
ROLES = ["shop_owner", 'app "rw', "reader", "auditor", "login_user"]
DATABASE = "with roles"
SUPERUSER = {"username": "postgres", "password": "superuser"}
MAY = """
select has_table_privilege('reader', 'shop.orders', 'SELECT'),
  has_column_privilege('reader', 'shop.orders', 'id', 'SELECT'),
  has_table_privilege('app "rw', 'shop.orders', 'INSERT WITH GRANT OPTION'),
  has_function_privilege('reader', 'shop.f(int, shop.mood)', 'EXECUTE'),
  has_sequence_privilege('app "rw', 'shop.orders_id_seq', 'USAGE'), has_schema_privilege('auditor', 'shop', 'USAGE'),
  has_database_privilege('auditor', current_database(), 'CONNECT'), pg_has_role('login_user', 'reader', 'MEMBER'),
  has_type_privilege('reader', 'shop.mood', 'USAGE')
"""
OWNERS = """
select count(*) from pg_class c join pg_namespace n on n.oid = relnamespace
where nspname = 'shop' and relkind in ('r', 'v', 'm', 'S') and pg_get_userbyid(relowner) = '{}'
"""


def removed(world: World, database: str = DATABASE) -> None:
    """Have the server forget it all."""
    world.db.sql("postgres", f"drop database if exists {identifier(database)} with (force)")
    for role in ROLES:
        world.db.sql("postgres", f"drop role if exists {identifier(role)}")


def made(world: World) -> None:
    removed(world)
    world.db.create(DATABASE)
    world.db.sql(DATABASE, RICH.format(database=identifier(DATABASE), user=USER))


@pytest.fixture
def rich(world: World) -> Iterator[World]:
    """A server with a database whose roles own and may all kinds of things."""
    yield from a_rich(world)


def a_rich(world: World) -> Iterator[World]:
    made(world)
    yield world
    forgotten(world)


def forgotten(world: World) -> None:
    removed(world)
    world.db.sql("postgres", f"revoke pg_read_all_data from {USER}; alter role {USER} nocreaterole nobypassrls")


def with_globals(task: BackupTask, value: bool = True) -> BackupTask:
    return task.model_copy(update={"dump": task.dump.model_copy(update={"globals": value})})


def backed_up(world: World, database: str = DATABASE, **changes: Any) -> BackupTask:
    task = with_globals(world.backup(database, "custom", **changes))
    result = world.pod(task).run()
    world.assert_backed_up(task, result)
    assert result.report is not None
    assert result.report.backup is not None
    assert result.report.backup.globals is not None
    return task


def companion(world: World, task: BackupTask) -> Globals:
    beside = world.manifest(task).globals
    assert beside is not None
    return Globals.parse(gzip.decompress(world.store.read(beside.key)))


def rewritten(world: World, task: BackupTask, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what the companion says, as somebody may who writes to the bucket, and the manifest with it."""
    said = companion(world, task).model_dump(mode="json", by_alias=True, exclude_none=True)
    change(said)
    put(world, task, json.dumps(said).encode())


def put(world: World, task: BackupTask, text: bytes, **says: Any) -> None:
    data = gzip.compress(text)
    manifest = json.loads(world.store.read(f"{task.key_prefix}manifest.json"))
    facts = {"sizeBytes": len(data), "uncompressedBytes": len(text), "sha256": hashlib.sha256(data).hexdigest()}
    manifest["globals"] |= facts | says
    manifest["globals"].pop("storeChecksum", None)
    world.store.client.put_object(Bucket=BUCKET, Key=manifest["globals"]["key"], Body=data)
    key = f"{task.key_prefix}manifest.json"
    world.store.client.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(manifest).encode())


def restored(
    world: World, task: BackupTask, mode: str = "Require", secret: dict[str, str] | None = None, **changes: Any
):
    fields = {"globals": mode, "create": True} | changes
    options = {"database_secret": secret} if secret else {}
    return world.pod(world.restore(task, DATABASE, **fields), **options).run()


def without_login(found: Globals) -> dict[str, Any]:
    """What must be the same: all but who may log in, which a restore does not give, and who restored."""
    said = found.model_dump(mode="json", exclude={"roles", "memberships"})
    roles = [role.model_copy(update={"login": False}) for role in found.roles if role.name in ROLES]
    members = [of for of in found.memberships if of.member in ROLES]
    return said | {"roles": roles, "members": members}


def comes_back(world: World, target: World) -> tuple[Globals, Globals]:
    """Back up, restore into a server that knows nothing of it, and back up that; return what each says."""
    task, may = backed_up(world), world.db.sql(DATABASE, MAY)
    before = companion(world, task)
    assert {role.name for role in before.roles} >= set(ROLES)
    assert b"SCRAM" not in before.to_json()
    removed(target)
    target.db.sql(
        "postgres", f"alter role {USER} createrole; grant pg_read_all_data to {USER}; alter role {USER} bypassrls"
    )

    result = restored(target, task)

    assert result.exit_code == 0, result.log
    assert result.report is not None
    assert result.report.restore is not None
    assert result.report.restore.compared[-2:] == ["owners", "grants"]
    assert [each for each in result.report.warnings if "reader" in each and "may not log in" in each]
    assert target.db.sql(DATABASE, MAY) == may
    logins = "select bool_or(rolcanlogin) from pg_roles where rolname in ('reader', 'auditor')"
    assert target.db.sql("postgres", logins) == "f\n", "whoever has no password does not log in"
    members = f"select count(*) from pg_auth_members where member = '{USER}'::regrole and inherit_option"
    assert target.db.sql("postgres", members) == "1\n", "pg_read_all_data alone: nothing of what it made"
    return before, companion(target, backed_up(target))


def test_roles_owners_and_grants_come_back_on_a_server_that_knew_none_of_them(rich: World) -> None:
    before, after = comes_back(rich, rich)
    assert without_login(after) == without_login(before)


@pytest.mark.matrix
def test_they_come_back_on_a_newer_server_too(servers: Callable[[int], World], world: World) -> None:
    for older in a_rich(servers(15)):
        before, after = comes_back(older, world)
        assert after.objects == before.objects
        assert (after.owner, after.grants, after.defaults) == (before.owner, before.grants, before.defaults)
    forgotten(world)


@pytest.mark.matrix
def test_require_says_what_it_lacks_before_anything_is_made(rich: World) -> None:
    task = backed_up(rich)
    removed(rich)
    result = restored(rich, task)
    assert_failed(
        result, 1, "TargetNotReady", "the role auditor: permission denied to create role", "nothing was changed"
    )
    assert "CREATEROLE" in result.failure.remedy
    assert rich.db.sql("postgres", "select count(*) from pg_roles where rolname in ('reader', 'auditor')") == "0\n"
    assert rich.db.sql(DATABASE, "select count(*) from pg_class where relname = 'orders'") == "0\n"


@pytest.mark.matrix
def test_if_missing_gives_what_may_be_given_and_says_the_rest(rich: World) -> None:
    task = backed_up(rich)
    removed(rich)
    rich.db.sql("postgres", f"create role auditor; create role shop_owner; grant shop_owner to {USER}")
    result = restored(rich, task, "IfMissing")
    assert result.exit_code == 0, result.log
    assert result.report is not None
    said = " ".join(result.report.warnings)
    assert "the role reader: permission denied to create role" in said
    assert "auditor as owner of table" in said
    assert rich.db.sql(DATABASE, OWNERS.format("shop_owner")) == "5\n"
    assert rich.db.sql("postgres", "select count(*) from pg_roles where rolname = 'reader'") == "0\n"


def test_one_role_owns_everything_where_that_is_asked_for(rich: World) -> None:
    task = backed_up(rich)
    removed(rich)
    refused = restored(rich, task, "None", owner="reader")
    assert_failed(refused, 1, "TargetNotReady", "the role reader, which should own something, does not exist")
    rich.db.sql("postgres", f"create role reader; create role auditor; grant reader to {USER}")
    rich.db.sql("postgres", f"drop database if exists {identifier(DATABASE)}")
    result = restored(rich, task, "None", owner="reader")
    assert result.exit_code == 0, result.log
    assert rich.db.sql(DATABASE, OWNERS.format("reader")) == "7\n"
    assert rich.db.sql(DATABASE, OWNERS.format(USER)) == "0\n"
    owner = "select pg_get_userbyid(datdba) from pg_database where datname = current_database()"
    assert rich.db.sql(DATABASE, owner) == "reader\n"


@pytest.mark.matrix
def test_all_grants_can_be_required_of_a_database_that_one_role_is_to_own(rich: World) -> None:
    task = backed_up(rich)
    removed(rich)
    result = restored(rich, task, secret=SUPERUSER, owner="reader")
    assert result.exit_code == 0, result.log
    assert rich.db.sql(DATABASE, OWNERS.format("reader")) == "7\n"
    grants = "select has_table_privilege('app \"rw', 'shop.orders', 'INSERT WITH GRANT OPTION')"
    assert rich.db.sql(DATABASE, grants) == "t\n"


@pytest.mark.matrix
def test_a_database_that_makes_way_is_followed_by_one_with_the_backups_owners_and_grants(rich: World) -> None:
    task, may = backed_up(rich), rich.db.sql(DATABASE, MAY)
    rich.db.sql(DATABASE, 'revoke all on shop.orders from "app ""rw"; alter table shop.orders owner to auditor')
    names = Beside(fresh="fresh one", old="old one")
    asked = rich.restore(task, DATABASE, globals="Require", mode="Replace", beside=names)
    result = rich.pod(asked, database_secret=SUPERUSER).run()
    assert result.exit_code == 0, result.log
    assert rich.db.sql(DATABASE, MAY) == may
    assert (
        rich.db.sql(DATABASE, "select pg_get_userbyid(relowner) from pg_class where relname = 'orders'")
        == "shop_owner\n"
    )
    assert rich.db.sql(DATABASE, "show timezone") == "Europe/Berlin\n"
    rich.db.sql("postgres", 'drop database "old one"')


QUOTED = 'x"; create role gotcha superuser; --'
HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a privilege that is a statement": (
        lambda said: said["objects"][0].update(grants=[{"privileges": ["SELECT ON x TO y; drop table z; --"]}]),
        "the privilege",
    ),
    "a role that is everybody": (lambda said: said["roles"].append({"name": "public"}), "a role of the name 'public'"),
    "a name that the server would cut": (lambda said: said.update(owner="a" * 64), "a role of the name"),
    "a setting that is a statement": (
        lambda said: said["settings"].append({"name": "x to y; drop table z; --", "value": "1"}), "a setting",
    ),
}  # fmt: skip


@pytest.mark.matrix
@pytest.mark.parametrize(("change", "says"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_holdfast_never_writes_ends_the_restore_before_anything_is_made(rich: World, change, says: str) -> None:
    task = backed_up(rich)
    rewritten(rich, task, change)
    removed(rich)
    assert_failed(restored(rich, task, "IfMissing", SUPERUSER), 5, "ManifestConflict", says, "nothing was changed")
    assert rich.db.sql("postgres", "select count(*) from pg_roles where rolname = 'reader'") == "0\n"


def test_a_companion_that_reaches_for_more_gets_names_and_nothing_else(rich: World) -> None:
    """Restored by a superuser, who could give it all."""
    task = backed_up(rich)
    rich.db.sql("postgres", "drop role if exists chief; create role chief superuser")

    def greedy(said: dict[str, Any]) -> None:
        said["roles"] += [
            {"name": QUOTED, "settings": [{"name": "log_statement", "value": "none"}]},
            {"name": "almighty", "superuser": True}, {"name": "maker", "createRole": True},
        ]  # fmt: skip
        said["memberships"] += [{"role": "chief", "member": "login_user"}, {"role": QUOTED, "member": "reader"}]

    rewritten(rich, task, greedy)
    removed(rich)
    refused = restored(rich, task, secret=SUPERUSER)
    assert_failed(
        refused, 1, "TargetNotReady", "almighty does not exist, and was one with SUPERUSER", "nothing was changed"
    )
    rich.db.sql("postgres", f"drop database if exists {identifier(DATABASE)}")
    result = restored(rich, task, "IfMissing", SUPERUSER)
    assert result.exit_code == 0, result.log
    assert result.report is not None
    said = " ".join(result.report.warnings)
    assert "login_user is not made a member of chief" in said
    there = "select count(*) from pg_roles where rolname in ('gotcha', 'almighty', 'maker')"
    assert rich.db.sql("postgres", there) == "0\n"
    assert rich.db.sql("postgres", "select pg_has_role('login_user', 'chief', 'MEMBER')") == "f\n"
    one = rich.db.sql("postgres", f"select rolsuper, rolconfig is null from pg_roles where rolname = '{QUOTED}'")
    assert one == "f|t\n"
    removed(rich)
    rich.db.sql("postgres", f"drop role {identifier(QUOTED)}; drop role chief")


@pytest.mark.matrix
def test_a_companion_of_another_checksum_or_cut_short_is_refused(rich: World) -> None:
    task = backed_up(rich)
    put(rich, task, companion(rich, task).to_json(), sha256="0" * 64)
    removed(rich)
    assert_failed(restored(rich, task, "IfMissing"), 5, "ChecksumMismatch", "globals.json")
    put(rich, task, companion_text(rich, task)[:100])
    assert_failed(restored(rich, task, "IfMissing"), 5, "ContentMismatch", "globals.json")


def companion_text(world: World, task: BackupTask) -> bytes:
    beside = world.manifest(task).globals
    assert beside is not None
    return gzip.decompress(world.store.read(beside.key))


@pytest.mark.matrix
def test_a_backup_without_them_refuses_to_give_them(rich: World) -> None:
    task = with_globals(rich.backup(DATABASE, "custom"), value=False)
    result = rich.pod(task).run()
    rich.assert_backed_up(task, result)
    assert rich.manifest(task).globals is None
    removed(rich)
    assert_failed(restored(rich, task, "IfMissing"), 1, "InvalidTask", "was taken without them")
