"""Encrypts an artifact to public keys by age (https://age-encryption.org/v1), and decrypts one with an identity.

The library pulls from a reader, and our streams push: so it runs in a thread of its own, fed by a short queue. Only
public keys are known to a backup; an identity is read by a restore alone, and no message shows it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Full, Queue
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from holdfast.api.storage import Encryption
from holdfast.contract.manifest import ManifestArtifact, ManifestEncryption
from holdfast.errors import HoldfastError, Reason
from holdfast.naming import IDENTITY_SECRET
from holdfast.runner.pod.context import Places
from holdfast.runner.pod.secrets import MountedSecret

if TYPE_CHECKING:
    from pyrage.x25519 import Identity, Recipient

AGE = "age"
SUFFIX = ".age"
QUEUE = 2  # chunks between the two threads, each of 1 MiB at most
POLL = 0.2  # seconds between two looks whether the thread still lives


class Reader(Protocol):
    """What the library reads from."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""
        ...


class Writer(Protocol):
    """What the library writes to."""

    def write(self, data: bytes, /) -> int:
        """Take bytes; return how many."""
        ...


class Piped:
    """A function that reads a stream and writes another, turned into one that takes chunks and returns chunks."""

    def __init__(self, function: Callable[[Reader, Writer], None]) -> None:
        self._function = function
        self._input: Queue[bytes | None] = Queue(QUEUE)
        self._rest = memoryview(b"")
        self._output: deque[bytes] = deque()
        self._error: BaseException | None = None
        self._ended = False  # the library reads on after the end
        self._given_up = False
        self._thread = threading.Thread(target=self._work, name="age", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._given_up = True
        while self._thread.is_alive():
            with suppress(Full):
                self._input.put(None, timeout=POLL)
            self._thread.join(timeout=POLL)

    def take(self, data: bytes | memoryview) -> bytes:
        """Take the next bytes; return what is ready, maybe nothing. Raises what the function raised."""
        self._put(bytes(data))
        return self._ready()

    def end(self) -> bytes:
        """Say that nothing follows; return the rest. Raises what the function raised."""
        self._put(None)
        self._thread.join()
        return self._ready()

    def read(self, size: int, /) -> bytes:
        """See Reader; called by the function."""
        while not self._rest and not self._ended:
            chunk = self._input.get()
            if self._given_up:
                raise BrokenPipeError  # not InterruptedError: Rust would read again, for ever
            self._ended = chunk is None
            self._rest = memoryview(chunk or b"")
        data, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return data

    def write(self, data: bytes, /) -> int:
        """See Writer; called by the function."""
        self._output.append(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: the library asks writers to."""

    def _work(self) -> None:
        try:
            self._function(self, self)
        except BaseException as error:  # noqa: BLE001 - raised where the chunks come from; a panic of Rust's is no Exception
            self._error = error

    def _put(self, chunk: bytes | None) -> None:
        waiting = True
        while waiting and self._thread.is_alive():
            with suppress(Full):
                self._input.put(chunk, timeout=POLL)
                waiting = False

    def _ready(self) -> bytes:
        if self._error is not None:
            raise self._error
        ready = [self._output.popleft() for _ in range(len(self._output))]
        return b"".join(ready)


def encrypting(encryption: Encryption) -> Piped:
    """Return what encrypts to these recipients, to be entered. Raises RecipientInvalid."""
    import pyrage  # late: most backups are not encrypted by us

    recipients = [_recipient(text) for text in encryption.age.recipients]
    return Piped(lambda reader, writer: pyrage.encrypt_io(reader, writer, recipients))


def _recipient(text: str) -> "Recipient":
    from pyrage import RecipientError, x25519

    try:
        return x25519.Recipient.from_str(text)
    except RecipientError:
        raise HoldfastError(
            Reason.RECIPIENT_INVALID,
            f"{text} is not a public key of age: its checksum is wrong",
            "copy the key into storage.encryption.age.recipients again (age-keygen -y FILE prints it), since a "
            "character may be lost or changed; then create another backup",
        ) from None


def identities(secret: MountedSecret, encrypted: ManifestEncryption) -> "list[Identity]":
    """Return the identities that a Secret's files hold, as age-keygen writes them.

    Raises SecretMissing, SecretInvalid, and IdentityMismatch where none of them is one of the backup's recipients.
    """
    keys = secret.keys()
    found = [identity for key in keys for identity in _identities_in(secret, key)]
    fitting = [identity for identity in found if str(identity.to_public()) in encrypted.recipients]
    if not fitting:
        raise HoldfastError(
            Reason.IDENTITY_MISMATCH,
            f"the backup is encrypted to {', '.join(encrypted.recipients)}; Secret {secret.name} has the identity of "
            f"{', '.join(str(identity.to_public()) for identity in found) or 'nobody'}",
            "put the identity file of one of the backup's recipients into the Secret; nothing was changed",
        )
    return fitting


def decryption(
    artifact: ManifestArtifact, secret_name: str | None, places: Places
) -> Callable[[Iterator[bytes]], Iterator[bytes]] | None:
    """Return what decrypts an artifact's chunks; it does nothing to one that is not encrypted.

    Without a Secret's name, the identity that is mounted is used; None where there is none. Raises what is wrong with
    the one that is there, and SecretMissing where the one that was named is not; before anything is read.
    """
    if artifact.encryption is None:
        return lambda chunks: chunks
    secret = MountedSecret(secret_name or IDENTITY_SECRET, places.age_identity)
    if secret_name is None and not secret.is_there():
        return None
    found = identities(secret, artifact.encryption)
    return lambda chunks: decrypted(found, chunks)


def _identities_in(secret: MountedSecret, key: str) -> "list[Identity]":
    from pyrage import IdentityError, x25519

    lines = [line.strip() for line in secret.read(key).splitlines()]
    try:
        return [x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except IdentityError:
        raise secret.invalid(
            key, "is not an identity file of age (with lines that begin with AGE-SECRET-KEY-1)"
        ) from None


def decrypted(identities: "list[Identity]", chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what the chunks decrypt to. Raises ArchiveUnreadable unless they are whole and were never changed."""
    import pyrage

    with Piped(lambda reader, writer: pyrage.decrypt_io(reader, writer, identities)) as piped:
        try:
            for chunk in chunks:
                yield piped.take(chunk)
            yield piped.end()
        except (OSError, pyrage.DecryptError) as error:
            raise HoldfastError(
                Reason.ARCHIVE_UNREADABLE,
                f"the artifact cannot be decrypted: {error}",
                "restore another backup, or create a new one: this artifact is damaged",
            ) from error
