"""No value of a mounted Secret is repeated, under whichever key and in whatever form; messages stay readable."""

import base64
import io
import json
import os
import re
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import NOW

from holdfast.contract.report import FailureReport, Outcome, Report
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.masking import HIDDEN, Mask

HUSH = "hu\"sh'ed $w0rd/ü:\\"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "secret").mkdir()
    return tmp_path / "secret"


def a_mask(folder, public="", user=None, **values):
    for key, value in values.items():
        (folder / key).write_text(value)
    return Mask([folder], public, user)


FORMS = {
    "as it is": HUSH,
    "JSON": json.dumps(HUSH)[1:-1],
    "JSON with all characters": json.dumps(HUSH, ensure_ascii=False)[1:-1],
    "Python": repr(HUSH)[1:-1],
    "SQL": HUSH.replace("'", "''"),
    "an identifier of SQL": HUSH.replace('"', '""'),
    "MySQL": HUSH.replace("\\", "\\\\").replace("'", "\\'"),
    "pgpass": HUSH.replace("\\", "\\\\").replace(":", "\\:"),
    "a shell": shlex.quote(HUSH)[1:-1],
    "a URL": quote(HUSH),
    "a part of a URL": quote(HUSH, safe=""),
    "a form": quote_plus(HUSH),
    "a URL in small letters": re.sub("%..", lambda escape: escape[0].lower(), quote(HUSH, safe="")),
    "base64": base64.b64encode(HUSH.encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("key", ["password", "username", "anything"])
def test_a_value_is_hidden_in_every_form_and_under_whichever_key(folder, key, form):
    mask = a_mask(folder, **{key: HUSH + "\n"})
    assert mask.hide(f'FATAL: it said "{form}" and went') == f'FATAL: it said "{HIDDEN}" and went'


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=12))
def test_any_long_value_is_hidden_wherever_it_stands(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("secret")
    said = a_mask(folder, password=value).hide(f"x{value}x {json.dumps(value)} {quote(value, safe='')}")
    assert value not in said
    assert json.dumps(value)[1:-1] not in said


URLS = {
    "user": "postgresql://u5er-name:hush-hush@db.example.com:5432/orders?sslmode=require",
    "percent-encoded": "mysql://u5er%2Dname:hush%2Dhush@db.example.com/orders",
    "parameters": "jdbc:postgresql://db.example.com/orders?user=u5er-name&password=hush-hush",
    "libpq's own form": "host=db.example.com user=u5er-name password=hush-hush",
    "an @ that nobody escaped": "postgresql://u5er-name:hush-hush@hush-hush@db.example.com/orders",
}


@pytest.mark.parametrize("url", URLS.values(), ids=URLS.keys())
def test_user_and_password_of_a_url_are_hidden_and_the_address_is_told(folder, url):
    mask = a_mask(folder, uri=url)
    said = mask.hide(f"at db.example.com:5432: no hush-hush for u5er-name; {url}")
    assert said == f"at db.example.com:5432: no {HIDDEN} for {HIDDEN}; {HIDDEN}"


def test_the_address_out_of_a_url_is_told_although_the_secret_has_it_alone_as_well(folder):
    mask = a_mask(folder, host="db.example.com", uri="postgresql://u:p@db.example.com/x")
    mask.tell("db.example.com")
    assert mask.hide("cannot connect to db.example.com:5432") == "cannot connect to db.example.com:5432"


SERVERS = [
    'FATAL:  password authentication failed for user "{}"',
    'FATAL:  role "{}" does not exist',
    "ERROR 1045 (28000): Access denied for user '{}'@'10.0.0.4' (using password: YES)",
    "GRANT SELECT ON x.* TO `{}`@`%`",
    "Passwort-Authentifizierung für Benutzer »{}« fehlgeschlagen",
    "connection failed: user={} host=db",
]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("value", ["hush-hush", "s3cr3t", "hunter", "abc", "x", "1", "password", "for", "12345678"])
def test_what_servers_repeat_of_the_user_is_hidden_also_where_it_is_short_or_a_plain_word(folder, server, value):
    """With username and password swapped, it is the password."""
    mask = a_mask(folder, username=value, password="u")
    assert mask.hide(server.format(value)) == server.format(HIDDEN)


READABLE = [
    "pg_dump exited 1 while dumping: FATAL:  password authentication failed for user",
    "the password is for a user; 12345678 rows; x and abc: hunters",
]


@pytest.mark.parametrize("value", ["1", "x", "for", "user", "password", "hunter", "12345678", " ", "", "\n"])
@pytest.mark.parametrize("text", READABLE)
def test_a_short_or_plain_value_makes_no_message_unreadable_nor_tells_itself_by_being_left_out(folder, value, text):
    assert a_mask(folder, password=value).hide(text) == text


def test_a_value_of_a_few_characters_is_hidden_as_a_word_and_not_within_others(folder):
    mask = a_mask(folder, password="a1b2")
    assert mask.hide("said a1b2, sha256 9fa1b2c3") == f"said {HIDDEN}, sha256 9fa1b2c3"


def test_a_word_that_the_task_has_too_is_hidden_as_a_users_name_alone(folder):
    mask = a_mask(folder, public='{"database": {"name": "orders-2"}}', username="orders-2")
    said = mask.hide("database 'orders-2' at db: FATAL: no such user \"orders-2\"; 'orders-2'@'%'")
    assert said == f"database 'orders-2' at db: FATAL: no such user \"{HIDDEN}\"; '{HIDDEN}'@'%'"


def test_a_users_name_that_the_policy_gives_is_told(folder):
    mask = a_mask(folder, public="backup-user", user="backup-user", username="backup-user", password="hush-hush")
    assert mask.hide('failed for user "backup-user": hush-hush') == f'failed for user "backup-user": {HIDDEN}'


def test_each_line_of_a_value_is_hidden_and_so_is_a_value_that_was_made_one_line(folder):
    mask = a_mask(folder, identity="# public\nAGE-SECRET-KEY-1QQ\nsecond long line")
    assert mask.hide("AGE-SECRET-KEY-1QQ x") == f"{HIDDEN} x"
    assert mask.hide("x # public AGE-SECRET-KEY-1QQ second long line") == f"x {HIDDEN}"


@pytest.mark.parametrize("kept", [5, 9, 15])
def test_the_end_of_a_value_that_a_shortened_text_begins_with_is_hidden(folder, kept):
    value = "correct-horse-battery"
    assert a_mask(folder, password=value).hide(f"…{value[-kept:]} failed") == f"…{HIDDEN} failed"


def test_a_value_that_changes_under_way_is_hidden_from_then_on_and_the_old_one_still(folder):
    mask = a_mask(folder, password="first-value-of-it")
    assert mask.hide("first-value-of-it") == HIDDEN
    (folder / "password").write_text("another-value-of-it")
    os.utime(folder / "password", ns=(1, 1))
    assert mask.hide("another-value-of-it first-value-of-it") == f"{HIDDEN} {HIDDEN}"


def test_a_folder_that_is_not_there_and_a_file_that_is_no_text_hide_nothing_and_break_nothing(folder):
    (folder / "binary").write_bytes(b"\xff\xfe\x00")
    assert Mask([folder, folder / "absent"]).hide("as it is") == "as it is"


def test_every_text_of_a_log_line_is_masked(folder):
    out = io.StringIO()
    log = Log(out, a_mask(folder, password="hush-hush"), prefix="shop/")
    log.line("ended", message="a hush-hush", failure={"message": ["hush-hush"]}, number=1)
    assert "hush" not in out.getvalue()
    assert json.loads(out.getvalue())["failure"] == {"message": [HIDDEN]}


def test_every_sentence_of_a_report_is_masked(folder):
    said = "said hush-hush"
    report = Report(
        kind="restore", outcome=Outcome.FAILED, started_at=NOW, completed_at=NOW, duration_seconds=1, message=said,
        failure=FailureReport(reason="RestoreFailed", exit_code=7, message=said, remedy=said), warnings=[said],
    )  # fmt: skip
    told = report.reworded(a_mask(folder, password="hush-hush").hide)
    assert "hush" not in told.model_dump_json()
    assert told.failure.remedy == f"said {HIDDEN}"
