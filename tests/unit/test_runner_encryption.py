"""Encryption by age: its recipients read it and nobody else does, and what is not whole is noticed."""

import io
import threading
import tracemalloc

import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.budget import examples

from holdfast.api.storage import Encryption
from holdfast.contract.manifest import ManifestEncryption
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.artifact import encryption
from holdfast.runner.artifact.encryption import Piped, decrypted, encrypting, identities
from holdfast.runner.pod.secrets import MountedSecret

ALICE, BOB, EVE = (pyrage.x25519.Identity.generate() for _ in range(3))
DATA = bytes(range(256)) * 2000  # some chunks of age's 64 KiB


def recipients(*people):
    return [str(person.to_public()) for person in people]


def to(*people):
    return Encryption.model_validate({"age": {"recipients": recipients(*people)}})


def encrypted(data, *people, size=10_000):
    with encrypting(to(*people)) as piped:
        chunks = [piped.take(memoryview(data)[start : start + size]) for start in range(0, len(data), size)]
        return b"".join([*chunks, piped.end()])


def pieces(data, size=7777):
    return [data[start : start + size] for start in range(0, len(data), size)]


@settings(deadline=None, max_examples=examples(10, times=4))  # threads take turns with whatever else runs
@given(st.binary(max_size=200_000), st.integers(1000, 70_000))
def test_anything_comes_back(data, size):
    assert b"".join(decrypted([ALICE], pieces(encrypted(data, ALICE, size=size), size))) == data


@pytest.mark.parametrize("reader", [ALICE, BOB], ids=["alice", "bob"])
def test_each_recipient_alone_can_read_it_also_by_the_library_alone(reader):
    stored, clear = encrypted(DATA, ALICE, BOB), io.BytesIO()
    pyrage.decrypt_io(io.BytesIO(stored), clear, [reader])
    assert clear.getvalue() == DATA


def test_nobody_else_can_read_it():
    with pytest.raises(HoldfastError, match="No matching keys"):
        list(decrypted([EVE], pieces(encrypted(DATA, ALICE))))


def test_nothing_of_the_content_can_be_seen():
    stored = encrypted(b"the customer's name" * 1000, ALICE)
    assert stored.startswith(b"age-encryption.org/v1\n")
    assert b"customer" not in stored


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s[:-1],
        lambda s: s[:70_000],
        lambda s: s[: len(s) - (len(s) % 65_552)],
        lambda s: s[:-1] + bytes([s[-1] ^ 1]),
        lambda s: b"",
        lambda s: b"x" + s,
        lambda s: s + b"more",
    ],
    ids=["a byte short", "cut", "cut between chunks", "a wrong bit", "nothing", "no age file", "something after it"],
)
def test_what_is_not_whole_or_was_changed_is_noticed(change):
    with pytest.raises(HoldfastError) as caught:
        list(decrypted([ALICE], pieces(change(encrypted(DATA, ALICE)))))
    assert caught.value.reason is Reason.ARCHIVE_UNREADABLE


def test_a_key_with_a_typing_error_is_refused_by_its_checksum():
    key = recipients(ALICE)[0]
    wrong = key[:-1] + ("q" if key[-1] != "q" else "p")
    with pytest.raises(HoldfastError, match=wrong) as caught:
        encrypting(Encryption.model_validate({"age": {"recipients": [wrong]}}))
    assert caught.value.reason is Reason.RECIPIENT_INVALID


class TestTheThread:
    """The library's thread ends with the stream, however that ends, and never with half of it taken for the whole."""

    @pytest.fixture(autouse=True)
    def none_stays(self):
        before = set(threading.enumerate())  # what other tests have left may end meanwhile
        yield
        assert set(threading.enumerate()) - before == set()

    def test_what_it_raises_is_raised_to_who_writes(self):
        def breaks(reader, writer):
            reader.read(10)
            raise OSError("broken inside")

        def write():
            with Piped(breaks) as piped:
                for _ in range(100):
                    piped.take(b"x" * 1000)
                piped.end()

        with pytest.raises(OSError, match="broken inside"):
            write()

    def test_a_panic_is_no_end_of_the_stream(self):
        class PanicError(BaseException):
            """As Rust's: no Exception."""

        def panics(reader, writer):
            raise PanicError

        with Piped(panics) as piped, pytest.raises(PanicError):
            piped.end()

    def test_a_stream_that_is_given_up_ends_it(self):
        def write():
            with encrypting(to(ALICE)) as piped:
                piped.take(DATA)
                raise KeyError("the dump failed")

        with pytest.raises(KeyError):
            write()

    def test_a_reader_that_goes_away_ends_it(self):
        stream = decrypted([ALICE], pieces(encrypted(DATA, ALICE)))
        next(stream)
        stream.close()

    def test_what_the_chunks_raise_is_raised(self):
        def chunks():
            yield encrypted(DATA, ALICE)[:100_000]
            raise HoldfastError(Reason.CHECKSUM_MISMATCH, "not what was sent", "try again")

        with pytest.raises(HoldfastError, match="not what was sent"):
            list(decrypted([ALICE], chunks()))


def test_memory_stays_flat():
    chunk = bytes(1 << 20)
    tracemalloc.start()
    with encrypting(to(ALICE)) as piped:
        for _ in range(100):
            piped.take(chunk)
        piped.end()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (encryption.QUEUE + 6) << 20


def a_secret(tmp_path, **files):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return MountedSecret("age-identity", tmp_path)


TO_ALICE_AND_BOB = ManifestEncryption(method="age", recipients=recipients(ALICE, BOB))


def test_an_identity_is_read_as_age_keygen_writes_it(tmp_path):
    text = f"# created: 2026-11-22\n# public key: {ALICE.to_public()}\n{ALICE}\n"
    found = identities(a_secret(tmp_path, anything=text, eves=f"{EVE}\r\n"), TO_ALICE_AND_BOB)
    assert [str(one) for one in found] == [str(ALICE)]


@pytest.mark.parametrize(
    ("files", "reason", "says"),
    [
        ({}, Reason.SECRET_MISSING, "Secret age-identity does not exist"),
        ({"identity": str(EVE)}, Reason.IDENTITY_MISMATCH, str(EVE.to_public())),
        ({"identity": "# nothing\n"}, Reason.IDENTITY_MISMATCH, "nobody"),
        ({"identity": str(EVE)[:-3]}, Reason.SECRET_INVALID, "key identity: the value is not an identity file of age"),
        ({"identity": "-----BEGIN PGP"}, Reason.SECRET_INVALID, "not an identity file of age"),
    ],
    ids=["no Secret", "another's", "none", "cut off", "something else"],
)
def test_what_is_wrong_with_an_identity_is_said_without_it(tmp_path, files, reason, says):
    with pytest.raises(HoldfastError) as caught:
        identities(a_secret(tmp_path, **files), TO_ALICE_AND_BOB)
    assert caught.value.reason is reason
    assert says in caught.value.message
    told = f"{caught.value.message} {caught.value.remedy}".replace("AGE-SECRET-KEY-1)", "")
    assert "AGE-SECRET-KEY-1" not in told
    assert str(EVE)[20:40] not in told
