"""What is done to a restore: each act makes a target, runs the restore under its fault, and says what came of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.integration.runner.containers import docker, wait_for
from tests.integration.runner.faults import running
from tests.integration.runner.restore_scene import (
    CONNECTIONS,
    REPLACE,
    Act,
    Run,
    Scene,
    kept,
    made,
    standing,
    until,
)
from tests.integration.runner.returns import HEAD, put_in_its_place
from tests.integration.runner.servers import BUCKET, identifier
from tests.integration.runner.world import World


def killed(stage: str, mode: str, signal: str, **changes: Any) -> Act:
    """Send the Pod a signal at that stage."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode, **changes)
        with standing(scene, stage, target) as pod:
            seen = pod.processes()
            pod.kill(signal)
            if signal == "TERM":
                pod.wait_for_line(lambda line: line["event"] == "stopping", "the stop")
            else:
                wait_for(lambda: not running(pod.name), "its end")
        return Run(target, pod.result(), scene.pod(target).run, seen)

    return act


def server_gone(stage: str, mode: str, *, back: bool, **changes: Any) -> Act:
    """Have the target's server end at that stage; it is back at once, or only after the Pod has given up."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode, **changes)
        db = scene.world.db
        with standing(scene, stage, target) as pod:
            docker("kill", "--signal", "KILL", db.name)
            wait_for(lambda: not running(db.name), "the server's end")
            if back:
                started(scene.world)
        try:
            result = pod.result()
        finally:
            started(scene.world)
        return Run(target, result, scene.pod(target).run)

    return act


def started(world: World) -> None:
    docker("start", world.db.name)
    wait_for(world.db.answers, "the server")


def store_does(stage: str, mode: str, **rule: Any) -> Act:
    """Have the store do that when the artifact is read for the first time, or for the second."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode)
        with scene.store.behaving({"at": "fetch", "skip": int(stage == "restoring"), **rule}):
            result = scene.pod(target).run()
        return Run(target, result, scene.pod(target).run)

    return act


@contextmanager
def instead(scene: Scene, key: str, data: bytes) -> Iterator[None]:
    """Have other bytes in the place of an object."""
    store = scene.world.store
    before = store.read(key)
    store.client.put_object(Bucket=BUCKET, Key=key, Body=data)
    try:
        yield
    finally:
        store.client.put_object(Bucket=BUCKET, Key=key, Body=before)


def changed(change: Callable[[bytes], bytes], mode: str, *, manifest: bool = False, encrypted: bool = False) -> Act:
    """Change the artifact, or the manifest, before the restore."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode, encrypted=encrypted)
        form = "custom" if mode == REPLACE else "sql"
        of = scene.stored(form, encrypted)
        key = f"{of.key_prefix}manifest.json" if manifest else scene.world.manifest(of).artifact.key
        with instead(scene, key, change(scene.world.store.read(key))):
            identity = scene.identity if encrypted else None
            return Run(target, scene.pod(target, age_identity=identity).run())

    return act


def flipped(tenth: int, data: bytes) -> bytes:
    """Flip one bit, at one of ten places from the first byte to the last."""
    at = (len(data) - 1) * tenth // 9
    return data[:at] + bytes([data[at] ^ (1 << tenth % 8)]) + data[at + 1 :]


def of_another(mode: str) -> Act:
    """Put a whole artifact of another backup into the place of this one's."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode)
        mine, other = (scene.stored("custom" if mode == REPLACE else "sql", each) for each in (False, True))
        key, data = (scene.world.manifest(mine).artifact.key, scene.world.manifest(other).artifact.key)
        with instead(scene, key, scene.world.store.read(data)):
            return Run(target, scene.pod(target).run())

    return act


def identity(given: dict[str, str] | None, mode: str) -> Act:
    """Restore an encrypted backup with that in the identity's place."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode, encrypted=True)
        return Run(target, scene.pod(target, age_identity=given).run())

    return act


def prepared(before: str, after: str, mode: str, **changes: Any) -> Act:
    """Have an administrator do something before the restore, and take it back afterwards."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode, **changes)
        name = identifier(target.name)
        target.world.db.sql("postgres", before.format(name))
        try:
            return Run(target, scene.pod(target).run())
        finally:
            target.world.db.sql("postgres", after.format(name))

    return act


def at(stage: str, before: str, after: str, mode: str, **changes: Any) -> Act:
    """Have an administrator do something when the restore is at a stage."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode, **changes)
        try:
            with standing(scene, stage, target) as pod:
                target.world.db.sql("postgres", before)
            result = pod.result()
        finally:
            target.world.db.sql("postgres", after)
        return Run(target, result, scene.pod(target).run)

    return act


def elsewhere(server: str, mode: str, **changes: Any) -> Act:
    """Restore into another server than most."""

    def act(scene: Scene) -> Run:
        world = scene.aside(server)
        target = made(scene, mode, world=world, **changes)
        return Run(target, scene.pod(target).run())

    return act


def standby(mode: str) -> Act:
    """Restore into a server that was a primary when the target was made, and only follows now."""

    def act(scene: Scene) -> Run:
        target, db = made(scene, mode), scene.world.db
        db.shell('touch "$(psql -X -A -t -U postgres -c "show data_directory")/standby.signal"')
        docker("restart", db.name)
        wait_for(db.answers, "the standby")
        try:
            return Run(target, scene.pod(target).run())
        finally:
            db.sql("postgres", "select pg_promote()")

    return act


@contextmanager
def crowd(world: World) -> Iterator[None]:
    """Have so many sessions that nobody but a superuser can connect any more."""
    with kept(world, "postgres", "select 1", "crowds", CONNECTIONS - 3):
        yield


def crowded(stage: str, mode: str) -> Act:
    """Have the server be crowded before the restore, or from a stage of it on, until the Pod has ended."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode)
        if stage == "validating":
            with crowd(scene.world):
                return Run(target, scene.pod(target).run(), scene.pod(target).run)
        with standing(scene, "checking", target) as pod, crowd(scene.world):
            scene.store.release()
            return Run(target, pod.result(), scene.pod(target).run)

    return act


def scratch(size: str, mode: str, *, filled: bool, **changes: Any) -> Act:
    """Give the Pod a small scratch volume, or have somebody fill it when there was room enough at first."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode, **changes)
        with scene.store.behaving({"at": "fetch", "do": "pass", "hold": filled, "times": 1}):
            pod = scene.pod(target, scratch=size).start()
            if filled:
                until(pod, lambda: bool(scene.store.waits()), "a dump that is laid out")
                pod.exec("head -c 100M /dev/zero > /scratch/of-another || true")
                scene.store.release()
            return Run(target, pod.result(), scene.pod(target).run)

    return act


def locked(scene: Scene) -> Run:
    """Have somebody keep a lock on the database itself until the restore has ended."""
    target = made(scene, REPLACE)
    script = f"begin; comment on database {identifier(target.name)} is 'is being written'"
    with kept(target.world, "postgres", script, "keeps a lock"):
        return Run(target, scene.pod(target).run())


def stays(scene: Scene) -> Run:
    """Have a superuser be connected to the target until the restore has ended."""
    target = made(scene, REPLACE)
    with standing(scene, "switching", target) as pod:
        return Run(target, pod.result())


def hostile(script: str, mode: str) -> Act:
    """Have a script of somebody else's in the dump's place, and a manifest that fits it."""

    def act(scene: Scene) -> Run:
        target = made(scene, mode, form="sql")
        of = scene.stored("sql", False)
        manifest = f"{of.key_prefix}manifest.json"
        artifact = scene.world.manifest(of).artifact.key
        with instead(scene, artifact, b""), instead(scene, manifest, scene.world.store.read(manifest)):
            put_in_its_place(scene.world, of, HEAD + script)
            return Run(target, scene.pod(target).run())

    return act
