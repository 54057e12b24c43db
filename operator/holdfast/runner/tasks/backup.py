"""The backup task: validate, prerequisites, dump, verify, record. The only place that knows the order of things.

Nothing but a dump that was seen to be whole is made an object, and nothing without a manifest is a backup. On any doubt
every trace is removed again; what cannot be removed is reported.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from holdfast import clock
from holdfast.api.policy import VerificationLevel
from holdfast.contract.manifest import Manifest, ManifestVerification
from holdfast.contract.report import Verification
from holdfast.contract.task import BackupTask, Pinned
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact import encryption
from holdfast.runner.artifact.compress import SUFFIX, compressor
from holdfast.runner.artifact.stream import Sink
from holdfast.runner.bucket import earlier, manifest_forms
from holdfast.runner.bucket.part import Spool
from holdfast.runner.bucket.part_plan import IN_MEMORY
from holdfast.runner.engines import choose
from holdfast.runner.engines.protocol import Dumping, Ready, Source
from holdfast.runner.pod.context import Context
from holdfast.runner.pod.progress import Progress
from holdfast.runner.pod.result import Result, UncleanError
from holdfast.runner.pod.secrets import MountedSecret
from holdfast.runner.tasks import companions, describing

if TYPE_CHECKING:  # botocore is the slowest import: a thread does it once the dump tool has been started
    from holdfast.runner.bucket.store import Store
    from holdfast.runner.bucket.upload import Upload

LOOK_SECONDS = 20.0  # for a manifest, after the database could not be used
RETRY_WINDOW = 15.0  # seconds in which a store that is not reached at the start is tried again, as the database is
PAUSE = 1.0  # seconds between two tries, of which each is several requests


def run(task: BackupTask, context: Context) -> Result:
    """Take the backup, or find that an earlier Pod has. Raises HoldfastError, or UncleanError."""
    encrypting = encryption.encrypting(task.encryption) if task.encryption else None
    _require_identity(task, context)
    looking = None
    try:
        source, ready = _validate(task, context)
        with source.dumping(task.dump, ready, task.scratch_bytes) as dump:
            looking = _looking(task, context)  # while the tool makes its start: see above
            store, manifest = context.stop.result(looking)
            if manifest is None:
                looked = earlier.looking(store, task, task)
                result = _take(task, context, ready, dump, store, encrypting)
                return earlier.told(replace(result, warnings=[*source.warnings, *result.warnings]), looked)
    except HoldfastError:
        if context.stop.error is not None:
            raise
        looking = looking or _looking(task, context)
        if not _was_published(looking):
            raise
        store, manifest = looking.result()
    assert manifest is not None
    looked = earlier.looking(store, task, task)
    return earlier.told(_found(task, store, manifest, context), looked)


def _require_identity(task: BackupTask, context: Context) -> None:
    """Raise what is wrong with the identity that is to decrypt what is read back, before anything is dumped."""
    if task.encryption and task.identity_secret:
        secret = MountedSecret(task.identity_secret, context.places.age_identity)
        encryption.identities(secret, describing.encrypted(task.encryption))


def _looking(task: BackupTask, context: Context) -> "Future[tuple[Store, Manifest | None]]":
    """Look into the bucket in a thread of its own: a store that hangs must not hold back what the database said."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="store")
    looking = pool.submit(_look, task, context)
    pool.shutdown(wait=False)
    return looking


def _look(task: BackupTask, context: Context) -> "tuple[Store, Manifest | None]":
    from holdfast.runner.bucket import manifests, store  # late: see above

    opened = store.connect(task.s3, context.places)
    give_up = time.monotonic() + RETRY_WINDOW
    while True:
        try:
            return opened, manifests.find(opened, task.key_prefix, task.backup.uid)
        except HoldfastError as error:
            if error.reason is not Reason.STORAGE_UNAVAILABLE or time.monotonic() + PAUSE > give_up:
                raise
        context.stop.wait(PAUSE)


def _was_published(looking: "Future[tuple[Store, Manifest | None]]") -> bool:
    """Tell whether the look found a manifest, waiting a while for it: the database's error must not wait for ever."""
    wait([looking], timeout=LOOK_SECONDS)
    return looking.done() and looking.exception() is None and looking.result()[1] is not None


def _validate(task: BackupTask, context: Context) -> tuple[Source, Ready]:
    context.log.line("step", phase="validating")
    source = choose.source(task.database, context)
    ready = source.validate(with_globals=task.dump.globals)
    context.log.line(
        "validated", server=ready.server_version, tool=ready.tool_version, databaseSizeBytes=ready.database_size
    )
    if ready.server_major in task.other_majors:
        raise HoldfastError(
            Reason.TOOL_TOO_NEW,
            f"{ready.tool_version} does not have the server's version ({ready.server_version}), and another image does",
            "do nothing: the operator starts another Job with that image",
            server_major=ready.server_major,
        )
    return source, ready


def _take(
    task: BackupTask,
    context: Context,
    ready: Ready,
    dump: Dumping,
    store: "Store",
    encrypting: encryption.Piped | None,
) -> Result:
    from holdfast.runner.bucket.upload import Upload  # late: see above

    spool = Spool(context.places.spool, task.spool_bytes)
    if ready.database_size > IN_MEMORY:  # it may come to less, but hours later is too late
        spool.require()
    compression = task.dump.compression
    ending = f"{dump.suffix}{SUFFIX[compression.algorithm]}{encryption.SUFFIX if task.encryption else ''}"
    upload = Upload(store, f"{task.key_prefix}{context.pod_uid}{ending}", context.stop, spool)
    beside, left_out = companions.fitting(ready.globals)
    companion = companions.upload(task, context, store, spool) if beside else None
    uploads = [upload, companion] if companion else [upload]
    try:
        upload.begin()
        context.log.line("step", phase="dumping")
        with ExitStack() as stack:
            progress = stack.enter_context(Progress(context.log, "dumping", ready.database_size))
            sink = Sink(compressor(compression), upload, progress, encrypting and stack.enter_context(encrypting))
            readable = dump.stream(sink, progress)
            sink.close()
            dumped = _store(context, store, upload, readable, sink.uncompressed, dump)
        if beside and companion and ready.globals:
            stored = companions.store(task, context, store, beside, len(ready.globals.roles), companion)
            dumped = replace(dumped, globals=stored)
        manifest = describing.manifest(task, context, ready, upload, dumped, clock.now())
        manifest = _read_back(task, context, store, manifest)
        for each in uploads:
            store.lock(each.key, manifest.expires_at)  # only what was verified: a failure can still be removed
    except Exception as error:
        _discard(uploads, error)
        raise
    result = _record(task, context, store, uploads, manifest)
    return replace(result, warnings=[*left_out, *result.warnings])


def _store(
    context: Context, store: "Store", upload: "Upload", readable: str, uncompressed: int, dump: Dumping
) -> describing.Dumped:
    from holdfast.runner.bucket import manifests

    context.log.line("step", phase="verifying")
    checksum = upload.complete()
    stated = manifests.check(store, upload.key, upload.size, checksum, upload.sha256)
    return describing.Dumped(readable, uncompressed, dump.arguments, dump.contents, stated)


def _read_back(task: BackupTask, context: Context, store: "Store", manifest: Manifest) -> Manifest:
    """Read the artifact back where that is asked for; return the manifest that says so. Raises what is not right."""
    if task.verification is not VerificationLevel.READBACK:
        return manifest
    seen = manifest.verification.file_readable
    checked = _verified(task, context, store, manifest)
    return manifest.model_copy(
        update={
            "verification": ManifestVerification.model_validate(
                checked.to_dict() | {"fileReadable": f"{seen}; {checked.file_readable}"}
            ),
            "completed_at": checked.verified_at,
            "expires_at": checked.verified_at + timedelta(days=task.backup.retention_days),
        }
    )


def _verified(task: BackupTask, context: Context, store: "Store", manifest: Manifest) -> Verification:
    from holdfast.runner.tasks import comparing

    engine = task.database.dumped_engine()
    wanted = comparing.Wanted(task.verification, engine, task.identity_secret, task.scratch_bytes)
    return comparing.verified(store, manifest, wanted, context)


def _record(
    task: BackupTask, context: Context, store: "Store", uploads: "Sequence[Upload]", manifest: Manifest
) -> Result:
    from holdfast.runner.bucket import manifests

    context.log.line("step", phase="recording")
    manifest, left_out = manifest_forms.fitting(manifest)
    in_force = manifests.record(
        store, task.key_prefix, manifest, context, discard=lambda error: _discard(uploads, error)
    )
    others: list[str] = []
    if in_force.pod_uid == context.pod_uid:
        try:
            in_force, others = manifests.settled(store, task.key_prefix, manifest, context)
        except HoldfastError as error:  # the backup is made; what else is in its folder, the operator's cleanup sees
            return Result(backup=describing.report(manifest), clean=False, warnings=[error.message])
    if in_force.pod_uid != context.pod_uid:
        return _second(task, store, uploads, in_force, context)
    beside = [f"{key} is from another Pod, and no manifest names it; the cleanup removes it" for key in others]
    return Result(backup=describing.report(manifest), clean=not others, warnings=[*left_out, *beside])


def _second(
    task: BackupTask, store: "Store", uploads: "Sequence[Upload]", in_force: Manifest, context: Context
) -> Result:
    """Another Pod of this backup published first: remove our artifact, verify and report theirs."""
    left, retained = _removed(uploads)
    return replace(_found(task, store, in_force, context), clean=not left, warnings=left or retained)


def _found(task: BackupTask, store: "Store", manifest: Manifest, context: Context) -> Result:
    context.log.line("found", artifact=manifest.artifact.key, phase="verifying")
    manifest_forms.require_pinned(manifest, _asked(task), task.key_prefix)
    return Result(backup=describing.report(manifest, _verified(task, context, store, manifest)))


def _asked(task: BackupTask) -> Pinned:
    """Say what any backup of this task must be: an earlier Pod's manifest lies where others may write."""
    return Pinned(
        engine=task.database.engine,
        format=task.dump.format,
        compression=task.dump.compression.algorithm,
        encryption="age" if task.encryption else "none",
    )


def _discard(uploads: "Sequence[Upload]", error: Exception) -> None:
    """Remove every trace of the uploads. Raises UncleanError where that fails, or where Object Lock retains them."""
    left, retained = _removed(uploads)
    if left:
        raise UncleanError(error, "; ".join(left)) from error
    if retained:
        raise UncleanError(error, "; ".join(retained), clean=True) from error


def _removed(uploads: "Sequence[Upload]") -> tuple[list[str], list[str]]:
    """Discard each of them; say of which that failed, and which Object Lock retains."""
    left, retained = list[str](), list[str]()
    for upload in uploads:
        try:
            retained += _retained(upload, upload.discard())
        except HoldfastError as leftover:
            left.append(leftover.message)
    return left, retained


def _retained(upload: "Upload", until: datetime | None) -> list[str]:
    from holdfast.runner.bucket.store import retained_until

    return [f"{upload.key} is not part of any backup, but is {retained_until(until)}"] if until else []
