"""What a dump does not hold: bounded wherever it is kept, and told in sentences that say what to run first."""

import json

import pytest
from pydantic import ValidationError
from tests.builders import a_success
from tests.unit.test_contract_report import a_report

from holdfast import texts
from holdfast.contract import needs, report
from holdfast.contract.manifest import Manifest
from holdfast.contract.needs import ManifestNeed, NeedKind
from holdfast.contract.paths import MAX_REPORT_BYTES
from holdfast.contract.report import Outcome


def a_need(kind=NeedKind.ROLE, name="reader", value=None, run="CREATE ROLE reader", **changes):
    return ManifestNeed.of_server(kind, name, value, run=run, **changes)


TOLD = {
    "what a restore cannot do without": (
        a_need(required=True), "the role reader must exist before a restore: CREATE ROLE reader",
    ),
    "what is only lacking afterwards": (
        a_need(NeedKind.DATABASE_SETTING, "TimeZone", "UTC", "ALTER DATABASE shop SET TimeZone TO 'UTC'"),
        "the database's setting TimeZone is not in the dump: ALTER DATABASE shop SET TimeZone TO 'UTC'",
    ),
    "what belongs to something, with a value that the statement does not say": (
        a_need(NeedKind.EXTENSION, "dblink", "1.2", "CREATE EXTENSION dblink SCHEMA tools", of="tools", required=True),
        "the extension dblink of tools (1.2) must exist before a restore: CREATE EXTENSION dblink SCHEMA tools",
    ),
    "what no statement gives": (
        a_need(NeedKind.SERVER_VERSION, "PostgreSQL", "17", None, required=True),
        "the server's version, at least PostgreSQL (17) must exist before a restore",
    ),
    "a kind of a later version": (
        ManifestNeed(kind="Moon", name="full"), "Moon full is not in the dump",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("need", "sentence"), TOLD.values(), ids=TOLD.keys())
def test_a_need_is_told_in_one_sentence(need, sentence):
    assert needs.sentence(need) == sentence


def test_every_kind_has_words():
    for kind in NeedKind:
        said = needs.what_it_is(a_need(kind, "reader")).removesuffix(" reader")
        assert said, kind
        assert said != kind, "its name is no word of a sentence"


def test_what_is_required_is_told_first_each_statement_once_and_the_rest_counted():
    many = [a_need(name=f"r{n}", run=f"CREATE ROLE r{n}") for n in range(20)]
    same = a_need(NeedKind.LOCALE, "C", run="CREATE DATABASE shop")
    told = needs.told([*many, same, a_need(NeedKind.ENCODING, "UTF8", run="CREATE DATABASE shop", required=True)])
    assert told[0] == "the encoding UTF8 must exist before a restore: CREATE DATABASE shop"
    assert len(told) == needs.MAX_TOLD
    assert told[-1] == "and 10 more: see needs in manifest.json"
    assert not any("locale" in sentence for sentence in told)


def test_what_no_statement_gives_is_told_only_where_a_restore_cannot_do_without_it():
    lacking = a_need(NeedKind.COMMENT, "orders", run=None)
    older = a_need(NeedKind.SERVER_VERSION, "PostgreSQL", "17", None, required=True)
    roles = [a_need(name=name, run=None, required=True) for name in ("reader", "writer", "reader")]
    space = a_need(NeedKind.TABLESPACE, "reader", run=None, required=True)
    assert needs.told([lacking, older, *roles, space]) == [
        "the role reader must exist before a restore",
        "the role writer must exist before a restore",
        "the tablespace reader must exist before a restore",
    ]


def test_as_many_as_may_be_told_are_told_whole():
    told = needs.told([a_need(name=f"r{n}", run=f"CREATE ROLE r{n}") for n in range(needs.MAX_TOLD)])
    assert told[-1] == f"the role r{needs.MAX_TOLD - 1} is not in the dump: CREATE ROLE r{needs.MAX_TOLD - 1}"
    assert len(told) == needs.MAX_TOLD


def test_a_sentence_is_short_and_in_one_line_whatever_a_server_says():
    said = needs.sentence(a_need(name="a\x1b[2J\nb" * 900, value="v\u202e", run="x\n" * 5000))
    assert len(said) <= needs.MAX_SENTENCE
    assert texts.is_plain(said)


@pytest.mark.parametrize(
    ("value", "run"),
    [("v" * 2049, "SET"), ("v", "r" * 8193)],
    ids=["value", "statement"],
)
def test_what_is_too_long_to_be_used_is_left_out_rather_than_cut(value, run):
    need = a_need(value=value, run=run)
    assert need.run is None
    assert need.value in (None, value[:2048])


def test_what_is_as_long_as_may_be_is_kept_and_a_longer_name_is_cut():
    need = a_need(name="n" * 513, value="v" * 2048, run="r" * 8192)
    assert (need.name, need.value, need.run) == ("n" * 512, "v" * 2048, "r" * 8192)
    assert len(needs.sentence(need)) == 300


def test_reading_needs_ends_at_the_first_that_is_wrong_however_many_there_are():
    from tests.unit.test_contract_manifest import FIRST

    with pytest.raises(ValidationError) as refused:
        Manifest.model_validate(json.loads(FIRST) | {"needs": [7] * 1000})
    assert refused.value.error_count() == 1


def test_a_manifest_lists_a_bounded_number_and_says_so():
    many = [a_need(name=str(n)) for n in range(needs.MAX_NEEDS)]
    kept, warnings = needs.bounded([*many, a_need(name="last", required=True)])
    assert len(kept) == needs.MAX_NEEDS
    assert kept[0].name == "last"
    (warning,) = warnings
    assert warning.startswith(f"a restore needs {needs.MAX_NEEDS + 1} things that are not in the dump")
    assert needs.bounded(many) == (many, [])


def test_a_name_comes_back_from_the_manifest_as_the_server_has_it(tmp_path):
    from tests.unit.test_contract_manifest import FIRST

    need = a_need(name="a\nb\x1b\u202e", required=True)
    written = Manifest.parse(FIRST).model_copy(update={"needs": [need]}).to_json()
    assert Manifest.parse(written).needs == [need]
    assert all(map(texts.is_plain, written.decode().split("\n")))


def test_the_longest_needs_fit_into_a_report():
    backup = a_success().backup.model_copy(update={"needs": ["\\" * needs.MAX_SENTENCE] * 16})
    written = a_report(outcome=Outcome.SUCCEEDED, backup=backup, warnings=["w" * 900] * 4).to_bytes()
    assert len(written) <= MAX_REPORT_BYTES
    assert report.parse(written.decode()).backup.backup_id == backup.backup_id


def test_a_secrets_value_is_hidden_in_what_is_told_of_needs_too():
    backup = a_success().backup.model_copy(update={"needs": ["the role s3cret"]})
    told = a_report(outcome=Outcome.SUCCEEDED, backup=backup).reworded(lambda text: text.replace("s3cret", "***"))
    assert told.backup.needs == ["the role ***"]
