"""The report: whatever it says, it fits a termination message and can be read back."""

import functools
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import texts
from holdfast.contract import report
from holdfast.contract.manifest import ManifestMigrations
from holdfast.contract.paths import MAX_REPORT_BYTES
from holdfast.contract.report import (
    BackupReport,
    DeleteReport,
    EarlierReport,
    FailureReport,
    ImpactReport,
    MigrationsReport,
    NotDeletedReport,
    Outcome,
    Report,
    RestoreReport,
    Verification,
)

NOW = datetime(2026, 11, 22, 8, 45, tzinfo=UTC)
TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=6000)


def a_report(**changes):
    fields = {
        "kind": "backup", "outcome": Outcome.FAILED, "started_at": NOW, "completed_at": NOW, "duration_seconds": 1.5,
    }  # fmt: skip
    return Report(**(fields | changes))


def a_failure(message="m", remedy="r"):
    return FailureReport(reason="DumpFailed", exit_code=7, message=message, remedy=remedy)


@given(message=TEXT, remedy=TEXT, said=st.none() | TEXT, warnings=st.lists(TEXT, max_size=20))
def test_any_text_fits_and_is_read_back(message, remedy, said, warnings):
    written = a_report(failure=a_failure(message, remedy), message=said, warnings=warnings).to_bytes()
    assert len(written) <= MAX_REPORT_BYTES
    read = report.parse(written.decode())
    assert read is not None
    assert read.failure is not None
    assert read.failure.reason == "DumpFailed"
    assert texts.plain(message).startswith(read.failure.message.removesuffix("…"))
    assert texts.is_plain(written.decode())
    assert texts.is_plain(" ".join([read.failure.message, read.failure.remedy, read.message or "", *read.warnings]))


@pytest.mark.parametrize("character", ["\x00", "\x1f", "ü", "桜", "🦊", '"', "\\"])
def test_the_longest_text_of_the_worst_character_fits(character):
    worst = character * 5000
    written = a_report(failure=a_failure(worst, worst), message=worst, warnings=[worst] * 20).to_bytes()
    assert len(written) <= MAX_REPORT_BYTES
    assert report.parse(written.decode()) is not None


def test_of_many_long_differences_the_first_are_told_and_none_where_there_is_no_room():
    failure = a_failure().model_copy(update={"differences": ["table a: " + "x" * 391] * 16})
    read = report.parse(a_report(failure=failure).to_bytes().decode())
    assert [len(each) for each in read.failure.differences] == [300] * 5
    worst = a_failure("\u202e" * 6000, "\u202e" * 6000)
    failure = worst.model_copy(update={"differences": ["\u202e" * 2000] * 16})
    read = report.parse(a_report(failure=failure).to_bytes().decode())
    assert (read.failure.differences, 60 < len(read.failure.message) <= 120) == ([], True)


def test_the_facts_of_a_backup_are_never_shortened():
    backup = BackupReport(
        backup_id="backup-20261122-084500", artifact_key="k" * 1024, size_bytes=1, uncompressed_bytes=2,
        sha256="a" * 64,
        tool_version="pg_dump 17.5", server_version="PostgreSQL 17.5", integrity_check="passed",
        file_readable="end of dump seen", verified_at=NOW, tables=5000, rows=2**63 - 1, schema_sha256="b" * 64,
        migrations=MigrationsReport.of(
            ManifestMigrations(tool="Liquibase", table="t", applied_count=2**31, last="桜" * 9000, failed=["x"] * 99)
        ),
    )  # fmt: skip
    written = a_report(outcome=Outcome.SUCCEEDED, backup=backup, warnings=["w" * 3000] * 9).to_bytes()
    assert len(written) <= MAX_REPORT_BYTES
    read = report.parse(written.decode())
    assert read is not None
    assert read.backup == backup


def test_a_short_report_is_written_as_it_is():
    written = a_report(failure=a_failure("what happened", "what to do"), warnings=["w"])
    assert report.parse(written.to_bytes().decode()) == written


@pytest.mark.parametrize("text", ["", "Killed", "{}", "[]", '{"version": 99}'])
def test_what_is_no_report_is_told_from_one(text):
    assert report.parse(text) is None


WHOLE = {
    "version": 1, "kind": "rds-snapshot", "outcome": "Succeeded", "startedAt": "2026-11-22T08:45:00Z",
    "completedAt": "2026-11-22T08:45:00Z", "durationSeconds": 1.0,
    "failure": {"reason": "DumpFailed", "exitCode": 7, "message": "m", "remedy": "r"},
    "backup": {
        "backupID": "backup-20261122-084500", "sizeBytes": 1, "sha256": "a" * 64, "toolVersion": "t",
        "serverVersion": "s", "integrityCheck": "i", "fileReadable": "f", "verifiedAt": "2026-11-22T08:45:00Z",
        "snapshot": {
            "arn": "arn:aws:rds:eu-central-1:000000000000:snapshot:x", "region": "eu-central-1", "kind": "instance",
            "source": "orders", "engine": "postgres", "engineVersion": "17.4", "encrypted": False,
            "instanceClass": "db.t4g.medium", "subnetGroup": "my group", "securityGroups": ["sg-1"],
        },
    },
}  # fmt: skip


EARLIER = {"backupID": "backup-20261122-084500", "completedAt": "2026-11-22T08:45:00Z"}
VERIFICATION = {"integrityCheck": "passed", "fileReadable": "yes", "verifiedAt": "2026-11-22T08:45:00Z"}


def changed(path: str, value: object) -> str:
    whole = json.loads(json.dumps(WHOLE))
    *way, last = path.split(".")
    functools.reduce(lambda node, key: node[key], way, whole)[last] = value
    return json.dumps(whole)


def test_the_report_that_the_next_ones_change_is_one():
    assert report.parse(json.dumps(WHOLE)) is not None


@pytest.mark.parametrize(("path", "value"), [
    ("backup.snapshot.arn", "arn:aws:rds:eu-central-1:000000000000:snapshot:x\ntouch /tmp/this-must-never-run #"),
    ("backup.snapshot.arn", "arn:aws:rds:eu-central-1:000000000000:snapshot:x\n"),
    ("backup.snapshot.arn", "arn:aws:rds:eu-central-1:000000000000:snapshot:$(id)"),
    ("backup.snapshot.region", "eu-central-1;id"),
    ("backup.snapshot.source", "--endpoint-url"),
    ("backup.snapshot.engine", "postgres`id`"),
    ("backup.snapshot.engineVersion", "17.4\x1b[2J"),
    ("backup.snapshot.instanceClass", "db.t4g.medium db"),
    ("backup.snapshot.subnetGroup", "x'y"),
    ("backup.snapshot.securityGroups", ["sg-1", "x"]),
    ("backup.snapshot.kmsKeyID", "a\u202eb"),
    ("backup.snapshot.copy", {"arn": "arn:x", "region": "eu-west-1"}),
    ("backup.backupID", "../other"),
    ("backup.sha256", "A" * 64),
    ("backup.sizeBytes", -1),
    ("backup.rows", 1 << 63),
    ("backup.serverMajor", 1 << 40),
    ("backup.verifiedAt", "0001-01-01T00:00:00Z"),
    ("backup.compared", ["x" * 65]),
    ("completedAt", "9999-12-31T23:59:59Z"),
    ("completedAt", "2026-11-22T08:45:00"),
    ("durationSeconds", float("nan")),
    ("durationSeconds", float("inf")),
    ("failure.reason", "Dump Failed\n"),
    ("failure.exitCode", 1 << 40),
    ("kind", "backup\n"),
    ("durationSeconds", -0.1),
    ("durationSeconds", 1.1e9),
    ("failure.exitCode", -1),
    ("failure.exitCode", 256),
    ("backup.serverMajor", -1),
    ("backup.serverMajor", 10_000),
    ("completedAt", "1999-12-31T23:59:59Z"),
    ("completedAt", "2201-01-01T00:00:00Z"),
    ("backup.compared", ["x"] * 17),
    ("backup.artifactKey", "x" * 1025),
    ("backup.madeAgain", "x" * 97),
    ("backup.earlier", [EARLIER] * 9),
    ("backup.earlier", [EARLIER | {"backupID": "backup-20261122-084500" + "x" * 75}]),
    ("backup.earlier", [EARLIER | {"backupID": "../../backup-20261122-084500"}]),
    ("verification", VERIFICATION | {"compared": ["x"] * 17}),
], ids=lambda value: str(value)[:40].encode("unicode_escape").decode())  # fmt: skip
def test_a_report_with_a_field_that_cannot_be_is_none(path, value):
    assert report.parse(changed(path, value)) is None


@pytest.mark.parametrize(("path", "value"), [
    ("durationSeconds", 0),
    ("durationSeconds", 1e9),
    ("failure.exitCode", 0),
    ("failure.exitCode", 255),
    ("backup.sizeBytes", 0),
    ("backup.rows", (1 << 63) - 1),
    ("backup.serverMajor", 0),
    ("backup.serverMajor", 9999),
    ("completedAt", "2000-01-01T00:00:00Z"),
    ("completedAt", "2200-12-31T23:59:59Z"),
    ("backup.compared", ["x" * 64] * 16),
    ("backup.artifactKey", "x" * 1024),
    ("backup.madeAgain", "x" * 96),
    ("backup.earlier", [EARLIER] * 8),
    ("backup.earlier", [EARLIER | {"backupID": "backup-20261122-084500" + "x" * 74}]),
    ("verification", VERIFICATION | {"compared": ["x" * 64] * 16}),
], ids=lambda value: str(value)[:40])  # fmt: skip
def test_a_report_with_the_least_and_the_most_that_can_be_is_one(path, value):
    assert report.parse(changed(path, value)) is not None


def test_what_a_report_does_not_say_of_a_backup_is_not_so():
    read = report.parse(json.dumps(WHOLE))
    assert (read.clean, read.backup.found, read.backup.earlier) == (True, False, [])


@pytest.mark.parametrize("path", ["failure.message", "failure.remedy", "message", "backup.toolVersion",
                                  "backup.serverVersion", "backup.integrityCheck", "backup.artifactKey"])  # fmt: skip
def test_what_deceives_a_reader_is_shown_as_what_it_is(path):
    read = report.parse(changed(path, "a\x1b[2J\u202eb\nc\x9b"))
    assert read is not None
    said = functools.reduce(lambda node, key: node[key], path.split("."), read.to_dict())
    assert said == "a\\u001b[2J\\u202eb c\\u009b"


def test_every_text_that_repeats_what_others_said_can_be_reworded_and_no_other():
    read = report.parse(changed("verification", VERIFICATION)).model_copy(update={"message": "m", "warnings": ["w"]})
    now = read.reworded(lambda text: f"<{text}>").to_dict()
    was = read.to_dict()
    assert now["failure"] == was["failure"] | {"message": "<m>", "remedy": "<r>"}
    said = {"toolVersion": "<t>", "serverVersion": "<s>", "fileReadable": "<f>"}
    assert now["backup"] == was["backup"] | said
    assert now["verification"] == was["verification"] | {"fileReadable": "<yes>"}
    assert (now["message"], now["warnings"]) == ("<m>", ["<w>"])
    assert a_report().reworded(lambda text: f"<{text}>") == a_report()


def test_a_text_that_is_not_there_is_not_made_up():
    for said, told in (
        ({"server_version": "17.4"}, ("<17.4>", None)),
        ({"tool_version": "17.5"}, (None, "<17.5>")),
    ):
        now = a_report(restore=RestoreReport(**said)).reworded(lambda text: f"<{text}>")
        assert (now.restore.server_version, now.restore.tool_version) == told


def test_of_differences_and_of_migrations_undone_a_report_has_so_many_and_no_more():
    told = json.loads(a_report(failure=a_failure(), impact=ImpactReport(present=True)).to_bytes())
    for part, field, most in (("failure", "differences", 16), ("impact", "undone", 8)):
        for number in (most, most + 1):
            body = told | {part: told[part] | {field: ["x"] * number}}
            assert (report.parse(json.dumps(body)) is not None) is (number == most), part


def test_why_backups_were_not_deleted_can_be_reworded_and_which_they_are_stays():
    failed = [NotDeletedReport(items=[0], reason="AccessDenied", message=text) for text in ("a", "b")]
    now = a_report(deletion=DeleteReport(deleted=[1], failed=failed)).reworded(lambda text: f"<{text}>")
    assert [(each.items, each.reason, each.message) for each in now.deletion.failed] == [
        ([0], "AccessDenied", "<a>"),
        ([0], "AccessDenied", "<b>"),
    ]
    assert now.deletion.deleted == [1]


def test_each_difference_between_backup_and_target_can_be_reworded():
    failure = a_failure("m", "r").model_copy(update={"differences": ["table a: 1 row", "table b: none"]})
    now = a_report().model_copy(update={"failure": failure}).reworded(lambda text: f"<{text}>")
    assert now.failure.differences == ["<table a: 1 row>", "<table b: none>"]
    assert (now.failure.message, now.failure.remedy) == ("<m>", "<r>")


# what goes where there is no room


def a_verbose_report(length: int, warnings: int = 8) -> Report:
    """One that is too long by far, in every text that may be cut."""
    failure = FailureReport(reason="DumpFailed", exit_code=7, message="m" * length, remedy="r" * length)
    return a_report(failure=failure, message="s" * length, warnings=["w" * length] * warnings)


@pytest.mark.parametrize(
    ("length", "warnings", "room"),
    [
        pytest.param(1200, 0, 1200, id="a sentence that just fits stays"),
        pytest.param(2000, 0, 1200, id="three long ones are cut a little"),
        pytest.param(2000, 3, 600, id="with three warnings, by half"),
        pytest.param(2000, 8, 300, id="of many warnings four stay, if they fit"),
    ],
)
def test_texts_are_cut_no_more_than_they_must_be(length, warnings, room):
    read = report.parse(a_verbose_report(length, warnings).to_bytes().decode())
    assert read is not None
    assert len(read.failure.message) == len(read.failure.remedy) == len(read.message) == min(length, room)
    assert [len(warning) for warning in read.warnings] == [min(length, room)] * min(4, warnings)


def test_warnings_go_before_a_message_says_nothing_any_more():
    """A character that JSON writes in six: of the longest texts 120 characters are left, and no warning."""
    failure = FailureReport(reason="DumpFailed", exit_code=7, message='\\"' * 2000, remedy="é\\" * 2000)
    cut = a_report(failure=failure, message="\\" * 4000, warnings=["\\" * 4000] * 8)
    assert cut.shortened(120).warnings == []
    assert len(cut.shortened(120).failure.message) == 120
    assert len(cut.shortened(121).warnings) == 4


KUBELET = 4096  # bytes of a termination message that it hands on


@pytest.mark.parametrize(("more", "cut"), [(0, False), (1, True)], ids=["it just fits", "a byte too many"])
def test_a_report_is_cut_by_the_byte_that_the_kubelet_would_cut(more, cut):
    warnings = ["w" * 1300, "w" * 1300]
    room = KUBELET - len(a_report(warnings=[*warnings, ""]).to_bytes())
    whole = a_report(warnings=[*warnings, "w" * (room + more)])
    written = whole.to_bytes()
    assert len(written) <= KUBELET
    assert (report.parse(written.decode()) != whole) is cut


def test_a_report_is_written_without_what_is_absent_and_by_its_published_names():
    written = a_report(failure=a_failure()).to_bytes().decode()
    assert "null" not in written
    assert {"startedAt", "durationSeconds", "failure"} <= json.loads(written).keys()


def a_talkative_backup(length: int) -> Report:
    """One whose tools and server say much, with as many earlier ones as there can be; and a verification, too."""
    words = dict.fromkeys(("tool_version", "server_version", "integrity_check", "file_readable"), "x" * length)
    earlier = EarlierReport(backup_id="backup-20261122-084500", completed_at=NOW, size_bytes=1, tables=1, rows=1)
    backup = BackupReport(backup_id="backup-20261122-084500", verified_at=NOW, earlier=[earlier] * 8, **words)
    found = Verification(integrity_check="x" * length, file_readable="x" * length, verified_at=NOW)
    return a_report(outcome=Outcome.SUCCEEDED, backup=backup, verification=found)


def test_what_tools_and_servers_say_of_themselves_is_cut_like_any_sentence():
    read = report.parse(a_talkative_backup(2000).to_bytes().decode())
    said = [
        read.backup.tool_version,
        read.backup.server_version,
        read.backup.integrity_check,
        read.backup.file_readable,
    ]
    said += [read.verification.integrity_check, read.verification.file_readable]
    assert [len(text) for text in said] == [300] * 6
    assert len(read.backup.earlier) == 8


def test_earlier_backups_go_with_the_warnings():
    whole = a_talkative_backup(2000)
    assert len(whole.shortened(121).backup.earlier) == 8
    assert whole.shortened(120).backup.earlier == []


def test_as_many_needs_are_told_as_there_is_room_for_and_none_where_there_is_none():
    needs = [f"{n} {'x' * 400}" for n in range(9)]
    whole = a_talkative_backup(10)
    whole = whole.model_copy(update={"backup": whole.backup.model_copy(update={"needs": needs})})
    told = whole.shortened(300).backup.needs
    assert [(each[0], len(each)) for each in told] == [(str(n), 300) for n in range(5)]
    assert len(whole.shortened(121).backup.needs) == 2
    assert whole.shortened(120).backup.needs == []


@pytest.mark.parametrize(
    ("limit", "last"), [(1000, 6), (300, 2), (150, 1), (60, 1)], ids=["much room", "less", "little", "the least"]
)
def test_of_the_migrations_that_a_restore_would_undo_the_last_are_told(limit, last):
    undone = [f"{n} {'x' * 150}" for n in range(8)]
    cut = a_report(impact=ImpactReport(present=True, undone=undone)).shortened(limit).impact
    assert [each[0] for each in cut.undone] == [str(n) for n in range(8)][-last:]
    assert {len(each) for each in cut.undone} == {min(152, limit)}


@pytest.mark.parametrize(
    ("limit", "told"), [(300, 5), (121, 2), (120, 0)], ids=["room for some", "for two", "for none"]
)
def test_as_many_differences_are_told_as_there_is_room_for(limit, told):
    failure = a_failure().model_copy(update={"differences": ["x" * 400] * 9})
    assert [len(each) for each in a_report(failure=failure).shortened(limit).failure.differences] == [limit] * told


def test_a_report_of_the_most_of_everything_fits():
    """Its key alone has three quarters of the room: of each sentence 60 characters are left."""
    backup = a_talkative_backup(2000).backup.model_copy(update={"artifact_key": "桜" * 980, "sha256": "a" * 64})
    whole = a_talkative_backup(2000).model_copy(update={"backup": backup})
    read = report.parse(whole.to_bytes().decode())
    assert (read.backup.artifact_key, len(read.backup.tool_version)) == ("桜" * 980, 60)


def test_a_report_without_a_sentence_has_none_when_it_is_cut():
    assert a_verbose_report(3000).model_copy(update={"message": None}).shortened(300).message is None


def test_of_migrations_a_report_has_how_far_they_came_and_how_many_failed():
    history = ManifestMigrations(
        tool="flyway", table="t", applied_count=3, last="V3__" + "x" * 300, failed=["V2", "V3"]
    )
    told = MigrationsReport.of(history)
    assert (told.tool, told.applied_count, told.failed) == ("flyway", 3, 2)
    assert told.last.startswith("V3__xxx")
    assert len(told.last) == 200
    assert MigrationsReport.of(ManifestMigrations(tool="flyway", table="t")).failed is None


def test_what_was_put_in_after_a_report_was_made_is_written_without_moving_a_cursor():
    changed = a_report(warnings=["w"]).model_copy(update={"warnings": ["a\x1b[2J\x9b\u202e"]})
    written = changed.to_bytes().decode()
    assert texts.is_plain(written)
    read = report.parse(written)
    assert read is not None
    assert read.warnings == ["a\\u001b[2J\\u009b\\u202e"]
