r"""What somebody put into the bucket in a dump's place does not run: not `\!`, not out of an encrypted one's folder."""

from collections.abc import Callable

import pyrage
import pytest
from tests.integration.runner.faults import stand_in
from tests.integration.runner.mysql_server import RESTORER_SECRET, MySQLServer
from tests.integration.runner.returns import HEAD, RETURNS, Return, put_in_its_place
from tests.integration.runner.servers import BUCKET
from tests.integration.runner.world import World, assert_failed

from holdfast.contract.manifest import ManifestArtifact
from holdfast.contract.task import Pinned

ALICE = pyrage.x25519.Identity.generate()
TABLES = "select count(*) from pg_class where relnamespace = 'public'::regnamespace"
IDENTITY = {"key.txt": f"{ALICE}\n"}


def pinned(artifact: ManifestArtifact) -> Pinned:
    return Pinned(
        sha256=artifact.sha256, size_bytes=artifact.size_bytes, engine="postgresql", format="sql", compression="gzip",
        encryption="age" if artifact.encryption else "none",
    )  # fmt: skip


@pytest.mark.parametrize("case", RETURNS, ids=lambda case: case.what)
def test_what_took_a_dumps_place_runs_nothing_and_changes_nothing(
    world: World, case: Return, record_property: Callable[[str, object], None]
) -> None:
    task = world.backup(recipients=[str(ALICE.to_public())] if case.encrypted else [])
    world.assert_backed_up(task, world.pod(task).run())
    remembered = pinned(world.manifest(task).artifact) if case.remembered else None
    put_in_its_place(world, task, HEAD + case.script)
    if case.manifest is not None:
        world.store.client.put_object(Bucket=BUCKET, Key=f"{task.key_prefix}manifest.json", Body=case.manifest)
    database = f"hostile_{RETURNS.index(case)}"
    world.db.create(database)

    restore = world.restore(task, database, pinned=remembered)
    result = world.pod(restore, age_identity=IDENTITY if case.encrypted else None).run()

    assert_failed(result, case.code, case.reason, case.says)
    assert "AGE-SECRET-KEY" not in result.log
    assert world.db.sql(database, TABLES) == "0\n"
    record_property("came of it:", f"exit {case.code}, {case.reason}")


def test_what_a_tool_can_see_of_its_pod_is_its_own_password_alone(world: World) -> None:
    """The stand-in is a script: it may start other programs, which a real tool may not."""
    world.db.create("looked_about")
    task = world.backup()
    world.assert_backed_up(task, world.pod(task).run())
    script = """
    for f in /etc/holdfast/*/* /run/secrets/* /proc/*/environ /proc/*/mem /proc/1/environ /proc/1/fd/* /proc/1/mem; do
        head -c 1 "$f" > /dev/null 2>&1 && echo "saw $f" >&2
    done
    ls /etc/holdfast/age-identity >&2 && echo "saw the identity" >&2
    echo forged > /dev/termination-log && echo "saw the report" >&2
    kill -0 1 && echo "saw the runner" >&2
    env | grep -qE 'HOLDFAST|AWS|PASS' && echo "saw the environment" >&2
    [ -s /run/holdfast/pgpass ] && echo "has its password" >&2
    exit 1
    """
    options = stand_in(world, "psql", script)
    result = world.pod(world.restore(task, "looked_about"), options=options, age_identity=IDENTITY).run()
    assert result.failure.reason == "ManifestConflict", "an identity, and a plain artifact"
    result = world.pod(world.restore(task, "looked_about"), options=options).run()
    assert_failed(result, 7, "RestoreFailed", "has its password")
    assert "saw" not in result.failure.message
    assert result.lines[0]["landlock"] > 0


def test_a_script_with_commands_for_mysqls_client_runs_none_of_them(world: World, server: MySQLServer) -> None:
    task = server.backup(world)
    world.assert_backed_up(task, world.pod(task, image=server.family.runner).run())
    put_in_its_place(world, task, "create table t (i int);\n\\! touch /scratch/broken-out\nsystem touch /scratch/x\n")
    server.create("hostile")
    server.let_restore("hostile")

    restore = world.restore(task, "hostile").model_copy(update={"database": server.database("hostile")})
    result = world.pod(restore, image=server.family.runner, database_secret=RESTORER_SECRET).run()

    assert_failed(result, 7, "RestoreFailed")
    assert "broken-out" not in result.log
