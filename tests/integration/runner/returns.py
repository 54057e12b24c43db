r"""What somebody put into the bucket in a dump's place, and what must come of its restore: for a test and a page."""

import gzip
import hashlib
import json
from dataclasses import dataclass

from tests.integration.runner.servers import BUCKET
from tests.integration.runner.world import World

from holdfast.contract.task import BackupTask

LEAK = "\\! cat /etc/holdfast/*/* > /scratch/broken-out\n"
HEAD = "--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE public.t (i integer);\n"
# The server is told to read strings as psql then does too, and as no text of the script says: to a reader of the script
# the command is within a string.
HIDDEN = (
    "SELECT set_config('standard_conforming_' || 'strings', 'off', false);\n"
    f"SELECT '\\' || ';\n{LEAK}SELECT ' || '';\n"
)  # fmt: skip


@dataclass(frozen=True)
class Return:
    """One row of the table."""

    what: str
    script: str
    code: int
    reason: str
    says: str
    encrypted: bool = False
    """What was backed up, and so an identity is mounted; what takes its place is plain, and the manifest says so."""
    remembered: bool = False
    """Whether the task has what the cluster remembers, as the paste's has."""
    manifest: bytes | None = None
    """What takes the manifest's place instead."""


RETURNS = (
    Return("a plain script in the place of an encrypted dump, its manifest adapted", LEAK, 5, "ManifestConflict",
           "encryption is none, but the DatabaseBackup's status says age", encrypted=True, remembered=True),
    Return("the same, by a task made by hand, which remembers nothing", LEAK, 5, "ManifestConflict",
           "not encrypted, but an identity is mounted", encrypted=True),
    Return("another script than the one that was backed up, its manifest adapted", "", 5, "ChecksumMismatch",
           "the DatabaseBackup's status says", remembered=True),
    Return("a script with a shell command for psql; nothing is remembered", LEAK, 7, "RestoreFailed",
           "has the command"),
    Return("the same, hidden by a change of how the server reads strings", HIDDEN, 7, "RestoreFailed", "restricted"),
    Return("a script with COPY … FROM PROGRAM", "COPY public.t FROM PROGRAM 'id';\n", 7, "RestoreFailed",
           "COPY that does not read rows"),
    Return("a manifest of 40 MB", "", 5, "ManifestConflict", "larger than", manifest=b'{"x":"' + b"x" * (40 << 20)),
    Return("a manifest of a million lists within another", "", 5, "ManifestConflict", "larger than",
           manifest=b"[" * 1_000_000),
)  # fmt: skip


def put_in_its_place(world: World, task: BackupTask, script: str) -> None:
    """Replace artifact and manifest so that they fit each other, and say nothing of an encryption."""
    artifact, data = world.manifest(task).artifact, gzip.compress(script.encode())
    world.store.client.put_object(Bucket=BUCKET, Key=artifact.key, Body=data)
    key = f"{task.key_prefix}manifest.json"
    said = json.loads(world.store.read(key))
    said["artifact"].pop("encryption", None)
    said["artifact"].pop("storeChecksum", None)
    said["artifact"] |= {
        "sizeBytes": len(data), "uncompressedBytes": len(script.encode()), "sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip
    world.store.client.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(said).encode())
