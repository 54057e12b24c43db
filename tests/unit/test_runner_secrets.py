"""Secrets: read from their mounted files, named when they are missing, and written only where libpq reads them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.pod.secrets import MountedSecret, pgpass_line, strip_newline, write_private


def a_secret(folder, **values):
    for key, value in values.items():
        (folder / key).write_bytes(value if isinstance(value, bytes) else value.encode())
    return MountedSecret("orders-db", folder)


@pytest.mark.parametrize(
    ("password", "field"),
    [
        ("plain", "plain"),
        ("a:b", "a\\:b"),
        ("a\\b", "a\\\\b"),
        ("\\:", "\\\\\\:"),
        ("$HOME $(x) `id`", "$HOME $(x) `id`"),
        (" spaces ", " spaces "),
        ("#no comment", "#no comment"),
        ("ünï🦊", "ünï🦊"),
        ("", ""),
    ],
)
def test_pgpass_escapes_what_libpq_would_read_as_its_own(password, field):
    assert pgpass_line(password) == f"*:*:*:*:{field}\n"


@given(st.text(st.characters(blacklist_characters="\n\r\0", blacklist_categories=["Cs"])))
def test_any_other_password_can_be_read_back_from_its_line(password):
    field = pgpass_line(password).removeprefix("*:*:*:*:").removesuffix("\n")
    assert re.sub(r"\\(.)", r"\1", field) == password
    assert not re.search(r"(?<!\\)(\\\\)*:", field)


@pytest.mark.parametrize("password", ["a\nb", "a\rb", "a\0b"])
def test_a_password_that_a_line_cannot_carry_is_refused_without_being_shown(password):
    with pytest.raises(ValueError, match="line break or a NUL") as caught:
        pgpass_line(password)
    assert password not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "read"),
    [("x\n", "x"), ("x\r\n", "x"), ("x", "x"), (" x ", " x "), ("x\ny\n", "x\ny"), ("\n", "")],
)
def test_only_the_newline_at_the_end_is_stripped(value, read):
    assert strip_newline(value) == read


@pytest.mark.parametrize("there", [True, False], ids=["an empty folder", "no folder"])
def test_a_missing_secret_is_named(tmp_path, there):
    folder = tmp_path if there else tmp_path / "absent"
    with pytest.raises(HoldfastError, match="Secret orders-db does not exist") as caught:
        MountedSecret("orders-db", folder).read("password")
    assert caught.value.reason is Reason.SECRET_MISSING


def test_a_missing_key_is_named_with_the_keys_that_are_there(tmp_path):
    (tmp_path / "..data").mkdir()
    secret = a_secret(tmp_path, user="u", password="p")
    with pytest.raises(HoldfastError, match=r"no key username; it has password, user$") as caught:
        secret.read("username")
    assert caught.value.reason is Reason.SECRET_KEY_MISSING


def test_a_value_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(HoldfastError, match="not UTF-8") as caught:
        a_secret(tmp_path, password=b"\xff\xfe").read("password")
    assert caught.value.reason is Reason.SECRET_INVALID


def test_a_private_file_is_for_this_user_alone_and_no_link_is_followed(tmp_path):
    path = tmp_path / "pgpass"
    write_private(path, "x")
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        write_private(tmp_path / "link", "x")
    assert not (tmp_path / "elsewhere").exists()
