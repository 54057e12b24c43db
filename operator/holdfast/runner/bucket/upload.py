"""One multipart upload of a stream of unknown length: several parts in flight, bounded memory, nothing on trust.

How big the parts are, and which of them wait on the disk, is in parts.py.
Each part carries its SHA-256, which the store checks; what the store answers is compared again. Only `complete`
makes an object of it; `discard` removes every trace, and is called on any doubt.
"""

import base64
import hashlib
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket.errors import code_of
from holdfast.runner.bucket.part import Part, Spool
from holdfast.runner.bucket.part_plan import MIB, planned
from holdfast.runner.bucket.store import Store
from holdfast.runner.pod.stop import Stop

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

WORKERS = 4
MEMORY = 16 * MIB  # bytes of parts in flight, beside the one that is being filled; a bigger part goes alone
SETTLE = 10.0  # seconds to wait for parts in flight before an abort


class Upload:
    """An artifact on its way into the bucket."""

    def __init__(self, store: Store, key: str, stop: Stop, spool: Spool) -> None:
        """`spool` is for the parts that are too big for memory."""
        self.key = key
        self.size = 0
        self.parts = 0
        self._store = store
        self._stop = stop
        self._spool = spool
        self._sha256 = hashlib.sha256()
        self._filling: Part | None = None
        self._digests: list[bytes] = []
        self._sent: list[CompletedPartTypeDef] = []
        self._sending: deque[Future[CompletedPartTypeDef]] = deque()
        self._in_flight: set[Part] = set()
        self._room = threading.Condition()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="upload")
        self._upload_id: str | None = None
        self._maybe_complete = False
        self._begun = False

    @property
    def sha256(self) -> str:
        """SHA-256 of all that was written, hexadecimal."""
        return self._sha256.hexdigest()

    def begin(self) -> None:
        """Open the upload: the cheapest real proof that the bucket is there and may be written to."""
        self._begun = True
        algorithm = {"ChecksumAlgorithm": "SHA256"} if self._store.checksums else {}
        with self._store.doing(f"beginning the upload of {self.key}"):
            answer = self._store.client.create_multipart_upload(
                Bucket=self._store.bucket, Key=self.key, ContentType="application/octet-stream",
                **algorithm, **self._store.wanted,  # type: ignore[arg-type]
            )  # fmt: skip
            self._upload_id = answer["UploadId"]
        if answer.get("ResponseMetadata", {}).get("RetryAttempts"):  # one whose answer was lost may be open beside it
            self._abort_all_but(self._upload_id)

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes; waits while the store is slower than the dump. Raises what a part failed with.

        Raises DiskFull where parts are too big for memory, and StorageFailed where no object is so big.
        """
        self.size += len(data)
        rest = memoryview(data)
        while rest:
            part = self._filling = self._filling or self._spool.part(planned(self.parts + 1))
            taken = rest[: part.room]
            self._sha256.update(taken)
            part.add(taken)
            rest = rest[len(taken) :]
            if not part.room:
                self._send(part)

    def complete(self) -> str | None:
        """Send the rest, check every answer, make the object; return its composite checksum as S3 writes it.

        None where the store was sent no such checksums: then it must be read back.
        """
        if self._filling or not self.parts:
            self._send(self._filling or self._spool.part(planned(1)))
        parts = self._sent + [self._stop.result(future) for future in self._sending]
        self._stop.check()
        expected = composite(self._digests) if self._store.checksums else None
        self._maybe_complete = True
        with self._store.doing(f"completing the upload of {self.key}"):
            try:
                answer = self._store.client.complete_multipart_upload(
                    Bucket=self._store.bucket, Key=self.key, UploadId=self._upload_id or "",
                    MultipartUpload={"Parts": parts},
                )  # fmt: skip
            except ClientError as error:
                # A retry after a lost answer finds the upload gone: whether the object is there, HEAD tells.
                if code_of(error) != "NoSuchUpload":
                    raise
                return expected
        if expected and answer.get("ChecksumSHA256") not in (None, expected):
            raise mismatch(self.key, expected, answer["ChecksumSHA256"])
        return expected

    def discard(self) -> datetime | None:
        """Remove every trace of it: the upload, and the object where it may have been made. Raises what failed.

        Returns until when Object Lock retains the object, where it does.
        """
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._filling = None
        with self._room:
            for part in self._in_flight:
                part.give_up()
        begun = [future for future in self._sending if not future.cancelled()]  # `wait` never takes those for done
        _, late = wait(begun, timeout=SETTLE)
        if self._upload_id:
            self._store.abort(self.key, self._upload_id)
        elif self._begun:  # the answer to `begin` may have been lost
            self._abort_all_but(None)
        retained = self._store.delete(self.key) if self._maybe_complete else None
        if late:
            raise HoldfastError(
                Reason.STORAGE_UNAVAILABLE,
                f"{len(late)} parts of {self.key} were still being sent when the upload was aborted",
                "the operator's cleanup removes what these parts may have left",
            )
        return retained

    def _abort_all_but(self, ours: str | None) -> None:
        for key, upload_id in self._store.uploads(self.key):
            if upload_id != ours:
                self._store.abort(key, upload_id)

    def _send(self, part: Part) -> None:
        self._filling = None
        self.parts += 1
        with self._room:
            while self._in_flight and sum(map(len, self._in_flight)) + len(part) > MEMORY:
                self._room.wait(timeout=1.0)
                self._stop.check()
                self._collect()
            self._in_flight.add(part)
        # of the first part, it is that of all there is so far
        digest = self._sha256.digest() if self.parts == 1 else part.sha256()
        self._digests.append(digest)
        self._stop.check()
        self._collect()
        self._sending.append(self._pool.submit(self._put, self.parts, part, digest))

    def _collect(self) -> None:
        """Note what the store has. Raises what a part failed with."""
        for future in self._sending:
            if future.done() and (error := future.exception()):
                raise error
        while self._sending and self._sending[0].done():
            self._sent.append(self._sending.popleft().result())

    def _put(self, number: int, part: Part, digest: bytes) -> "CompletedPartTypeDef":
        try:
            sums = self._store.sums(digest, part.md5)
            with self._store.doing(f"uploading part {number} of {self.key}"):
                answer = self._store.client.upload_part(
                    Bucket=self._store.bucket, Key=self.key, UploadId=self._upload_id or "", PartNumber=number,
                    Body=part.body(), **sums,  # type: ignore[arg-type]  # botocore takes more than the stubs say
                )  # fmt: skip
                tag = answer["ETag"]
        finally:
            with self._room:
                self._in_flight.remove(part)
                self._room.notify_all()
        checksum = sums.get("ChecksumSHA256")
        if checksum is None:
            return {"PartNumber": number, "ETag": tag}
        if answer.get("ChecksumSHA256") not in (None, checksum):
            raise mismatch(f"part {number} of {self.key}", checksum, answer["ChecksumSHA256"])
        return {"PartNumber": number, "ETag": tag, "ChecksumSHA256": checksum}


def composite(digests: list[bytes]) -> str:
    """Return S3's SHA-256 of a multipart object: of the parts' digests, base64, with the number of parts."""
    return f"{base64.b64encode(hashlib.sha256(b''.join(digests)).digest()).decode()}-{len(digests)}"


def mismatch(what: str, expected: str, answered: str) -> HoldfastError:
    """Make the error for a checksum that is not the one of what was sent."""
    return HoldfastError(
        Reason.CHECKSUM_MISMATCH,
        f"{what}: the SHA-256 of what was sent is {expected}, but the store reports {answered}",
        "try again; if this happens again, check the store, any proxy in between, and the node's memory; nothing was "
        "published",
    )
