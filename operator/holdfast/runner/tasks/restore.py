"""The restore task: fetch a backup, check it, feed it into an empty database.

An encrypted one needs an identity of one of its recipients: the only time that a Job holds one.

What the cluster remembers of the artifact wins over the manifest, which lies where others may write: see
manifest_forms.py.
A dump is untrusted until its SHA-256 is the manifest's: it is read through once before anything of it reaches a tool.
While it streams a second time it is hashed again, and its last chunk is held back until the sum is right: a tool
that works in one transaction never commits something else. (Not all do: MySQL commits as it goes, and the BEGIN and
COMMIT that pg_dump writes around large objects end psql's own transaction.)
What is laid out in the scratch volume waits there for its end, and for the sum: that is read once.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from holdfast.api.policy import Algorithm
from holdfast.api.restoring import GlobalsMode
from holdfast.contract.globals import Globals
from holdfast.contract.manifest import Manifest, ManifestArtifact
from holdfast.contract.report import RestoreReport, ScriptReport
from holdfast.contract.task import Pinned, RestoreTask
from holdfast.errors import ExitCode, HoldfastError, Reason
from holdfast.naming import IDENTITY_SECRET, MANIFEST_NAME
from holdfast.runner.artifact import encryption
from holdfast.runner.artifact.compress import decompressed
from holdfast.runner.bucket import environments, manifest_forms, manifests, store
from holdfast.runner.bucket.manifest_forms import NOT_OURS
from holdfast.runner.bucket.store import Store
from holdfast.runner.engines import choose, landing
from holdfast.runner.engines.protocol import Overrides, Source, Switched
from holdfast.runner.engines.tool_errors import RESTORING
from holdfast.runner.pod import confinement
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress
from holdfast.runner.pod.result import Result
from holdfast.runner.pod.secrets import MountedSecret
from holdfast.runner.tasks import after_restore, companions, comparing, restored
from holdfast.runner.tasks.comparing import resumed
from holdfast.runner.tasks.restored import Compared
from holdfast.units import size_for_people

Clear = Callable[[Iterator[bytes]], Iterator[bytes]]  # what decrypts the artifact's chunks, where it is encrypted


def run(task: RestoreTask, context: Context, overrides: Overrides | None = None) -> Result:
    """Restore into the task's database, or into the one that a person named instead. Raises HoldfastError."""
    context.log.line("step", phase="validating")
    script = after_restore.read(task, context)
    opened = store.connect(task.s3, context.places)
    manifest = manifests.find(opened, task.key_prefix, task.backup_uid)
    if manifest is None:
        raise store.not_found(opened, task.key_prefix + MANIFEST_NAME)
    _require_expected(task, manifest, context)
    environments.require_masked(task.never_unmasked_of, manifest.backup.environment)
    target = choose.source(task.database, context, overrides)
    target.require_served(task, manifest)
    if script is not None:
        target.require_scripts()
    place = landing.landing(target, task, manifest)
    if there := place.done():
        return _result(manifest, target, None, there, None)
    clear = encryption.decryption(manifest.artifact, IDENTITY_SECRET, context.places)
    assert clear is not None
    found = _globals(task, opened, manifest, clear)
    with place.opened() as fresh:
        giving = fresh.giving(task, found)
        fresh.require_needs(giving.require(manifest))
        with giving.made():
            _feed(task, opened, manifest, fresh, clear, context)
            context.log.line("step", phase="comparing")
            came = restored.compared(fresh, manifest, task)
            ran = after_restore.run(script, fresh, task, context)
            context.log.line("step", phase="giving")
            with landing.told_of_all(task, fresh):
                came = replace(came, facts=[*came.facts, *giving.finish()])
            context.log.line("step", phase="switching")
            switched = place.switch()
    return _result(manifest, target, came, switched, ran)


def _globals(task: RestoreTask, opened: Store, manifest: Manifest, clear: Clear) -> Globals | None:
    """Return the backup's roles, owners and grants, where they are asked for. Raises HoldfastError."""
    if task.globals is GlobalsMode.NONE:
        return None
    if task.pinned is not None and task.pinned.globals_sha256 is None and manifest.globals is not None:
        raise HoldfastError(
            Reason.MANIFEST_CONFLICT,
            f"the manifest of {manifest.backup.backup_id} names roles and grants, and the DatabaseBackup's status "
            "knows of none",
            f"leave options.globals out, or restore from the bucket if you trust what lies there: {NOT_OURS}",
        )
    return companions.fetch(opened, manifest, clear)


def _feed(task: RestoreTask, opened: Store, manifest: Manifest, target: Source, clear: Clear, context: Context) -> None:
    """Feed the artifact into the database; before that, read it through, where it does not wait for its end anyway.

    A sum that differs explains whatever else was found wrong, so it is told first.
    """
    artifact = manifest.artifact
    with Progress(context.log, "checking", artifact.uncompressed_bytes) as progress:
        if not target.stages(task, artifact):
            for _ in _trusted(opened, artifact, context, progress):
                pass
            progress.phase = RESTORING
        stored = _trusted(opened, artifact, context, progress)
        stream = _no_more(decompressed(Algorithm(artifact.compression), clear(stored)), artifact)
        try:
            target.restore(task, artifact, stream, progress)
        except HoldfastError as error:
            if error is not context.stop.error and error.exit_code is ExitCode.VERIFICATION:
                for _ in stored:
                    pass
            raise


def _result(
    manifest: Manifest,
    target: Source,
    came: Compared | None,
    switched: Switched | None,
    ran: ScriptReport | None,
) -> Result:
    artifact, total = manifest.artifact, manifest.artifact.uncompressed_bytes
    said = f"restored {size_for_people(total)} ({total} bytes) of {manifest.backup.backup_id} into {target}"
    if switched and switched.replaced:
        said += f"; the old database is now {switched.replaced}"
    if ran is not None:
        said += f"; {ran.statements} statements of afterRestore have run"
    report = RestoreReport(
        backup_id=manifest.backup.backup_id,
        size_bytes=artifact.size_bytes,
        uncompressed_bytes=total,
        tables=came and came.tables,
        rows=came and came.rows,
        compared=came.facts if came else [],
        server_version=came and came.server_version,
        tool_version=came and came.tool_version,
        script=ran,
        replaced=switched and switched.replaced,
        switch_seconds=switched and switched.seconds,
        found=came is None,
    )
    return Result(message=said, restore=report, warnings=[*target.warnings, *unconfined()])


def unconfined() -> list[str]:
    """Warn where the kernel does not keep the tool, which obeys the dump, from the Secrets of this Pod."""
    warning = (
        "the node's kernel has no Landlock (Linux 5.13 or newer), so the tool that read the dump was able to read "
        "the Pod's Secrets"
    )
    return [] if confinement.version() else [warning]


def _require_expected(task: RestoreTask, manifest: Manifest, context: Context) -> None:
    """Raise unless the manifest is what the cluster remembers; without that, what the task itself gives away."""
    pinned = task.pinned or Pinned(engine=task.database.engine)
    manifest_forms.require_pinned(manifest, pinned, task.key_prefix)
    comparing.require_known(manifest.artifact)
    identity = MountedSecret(IDENTITY_SECRET, context.places.age_identity)
    if task.pinned is None and manifest.artifact.encryption is None and identity.is_there():
        raise HoldfastError(
            Reason.MANIFEST_CONFLICT,
            f"{manifest.artifact.key} is not encrypted, but an identity is mounted: somebody may have replaced an "
            "encrypted artifact",
            "find out who else writes to this bucket; if the backup was never encrypted, restore it without the "
            "identity",
        )


def _no_more(stream: Iterator[bytes], artifact: ManifestArtifact) -> Iterator[bytes]:
    """Pass the dump on as far as its manifest says that it goes. Raises ContentMismatch where more follows."""
    size = 0
    for chunk in stream:
        size += len(chunk)
        if size > artifact.uncompressed_bytes:
            raise HoldfastError(
                Reason.CONTENT_MISMATCH,
                f"{artifact.key} has more bytes when decompressed than its manifest says "
                f"({artifact.uncompressed_bytes})",
                f"this is not what was backed up: {manifest_forms.NOT_OURS}",
            )
        yield chunk


def _trusted(opened: Store, artifact: ManifestArtifact, context: Context, progress: Progress) -> Iterator[bytes]:
    """Stream the artifact; its last chunk comes only when the whole has the manifest's SHA-256 (ChecksumMismatch)."""
    digest, held, size = hashlib.sha256(), b"", 0
    for chunk in resumed(opened, artifact, context):
        context.stop.check()
        if held:
            yield held
        held = chunk
        digest.update(chunk)
        size += len(chunk)
        progress.stored = size
    if digest.hexdigest() != artifact.sha256:
        raise HoldfastError(
            Reason.CHECKSUM_MISMATCH,
            f"{artifact.key}: its SHA-256 is {digest.hexdigest()}, but its manifest says {artifact.sha256}",
            "restore another backup into a new, empty database: this artifact is not what was backed up",
        )
    yield held
