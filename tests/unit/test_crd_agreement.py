"""What the API server takes, the models take, field by field: its patterns, lengths, numbers and times are theirs.

They are written in one place but judged by three regular expression engines, two JSON parsers and two ideas of a time.
"""

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from tests import structural
from tests.budget import examples

from holdfast.api import crd
from holdfast.api.backup import DatabaseBackupSpec
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.restore import DatabaseRestoreSpec

MODELS: dict[str, type[BaseModel]] = {
    "BackupPolicy": BackupPolicySpec,
    "DatabaseBackup": DatabaseBackupSpec,
    "DatabaseRestore": DatabaseRestoreSpec,
}
ROOTS = {resource.kind: crd.root_schema(resource)["properties"]["spec"] for resource in crd.RESOURCES}
# What a person or a template writes by mistake, and what engines disagree about: spaces, ends of lines, digits, letters
# in two forms, what looks like nothing.
ODD = st.sampled_from(
    " \t\n\r\v\f\x00\x1b\x1c\x7f\x85\xa0\u1680\u2003\u2028\u2029\u202e\u200b\u3000\ufeff\ufffd"
    "\u0663\u06f5\u2167\uff12äa\u0308ß\u0130\u0131\u017f\u212a中😀"
    "'\"\\/$`{}()[]:@,;.-_+=*?#%&|<>^~!09azAZ"
)


FIELDS = [
    (kind, place, node)
    for kind, root in ROOTS.items()
    for place, node in structural.leaves(root)
    # what is BackupPolicy's is looked at there
    if place[0] not in ("policy", "job") or kind == "BackupPolicy"
    if place[:2] not in (("target", "database"), ("source", "bucket")) or place[2:3] == ("folder",)
]


def texts(node: structural.Schema) -> st.SearchStrategy[str]:
    """Texts that match the field's patterns, almost match, or have nothing to do with them."""
    patterns = list(structural.patterns(node))
    short = st.text(ODD, max_size=6)
    good = st.one_of(*(st.from_regex(each) for each in patterns), *([short] if not patterns else []))
    if "enum" in node:
        good = st.sampled_from(node["enum"])
    if node.get("format") == "date-time":
        good |= st.datetimes().map(lambda at: f"{at:%Y-%m-%dT%H:%M:%S}Z") | st.sampled_from(TIMES)
    return good | st.builds(_with, good, ODD, st.integers(0, 8)) | short | st.integers().map(str)


def _with(text: str, odd: str, at: int) -> str:
    return text[:at] + odd + text[at:] if at < 8 else text + odd


TIMES = [
    "0000-01-01T00:00:00Z",
    "2026-11-01t00:00:00z",
    "2026-11-01T00:00:00+99:99",
    "2026-11-01T00:00:00ZTx",
    "2026-11-01T00:00:00,5Z",
    "2026-11-01T00:00:00.1234567890123Z",
    "2026-02-30T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "2999-12-31T23:59:59-23:59",
    "2026-11-01T24:00:00Z",
    "2026-11-01T23:59:60Z",
    "2026-11-01T00:00:00.000000001+05:45",
]


def values(node: structural.Schema) -> st.SearchStrategy[Any]:
    """Values for a field as JSON may have them; most are of its type."""
    low, high = node.get("minimum", 0), node.get("maximum", 1 << 62)
    whole = st.integers(low - 2, high + 2) | st.sampled_from([low, high]) | st.integers()
    numbers = whole | whole.map(float) | st.sampled_from([1e3, 0.5, -0.0])
    if node.get("type") == "integer":
        return numbers | st.booleans() | whole.map(str) | st.sampled_from([1e21, 1e300])
    return texts(node) | numbers


def complaints(kind: str, place: structural.Place, value: Any) -> list[str]:
    """What the model says of the field; not of others that are missing beside it."""
    try:
        MODELS[kind].model_validate(structural.around(place, value))
    except ValidationError as error:
        return [problem["msg"] for problem in error.errors() if problem["loc"][: len(place)] == place]
    return []


thorough = settings(
    max_examples=examples(60, times=15),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@given(data=st.data())
@thorough
def test_what_the_api_server_takes_the_models_take(data):
    kind, place, node = data.draw(st.sampled_from(FIELDS))
    value = data.draw(values(node))
    if not list(structural.refusals(node, value)):
        assert complaints(kind, place, structural.stored(node, value)) == []


# Where the models read more, on purpose: what an older version has stored (sizes), and times, which pydantic reads in
# more forms. Nothing of it gets past the API server.
READ_MORE = {"sizeLimit", "since"}


@given(data=st.data())
@thorough
def test_what_the_models_take_the_api_server_takes(data):
    kind, place, node = data.draw(st.sampled_from([each for each in FIELDS if each[2].get("type") == "string"]))
    text = data.draw(texts(node))
    if place[-1] not in READ_MORE and complaints(kind, place, text) == []:
        assert list(structural.refusals(node, text)) == []


@pytest.mark.parametrize("odd", " \n\v\x1c\x85\xa0\u2003\u2028\u0663\uff21", ids=ascii)
def test_of_a_character_at_the_end_both_say_the_same(odd):
    """There engines differ most: `$` before a line break, what a space is, what a digit is."""
    for kind, place, node in FIELDS:
        if node.get("type") != "string" or place[-1] in READ_MORE:
            continue
        for text in ("a", "1", "https://s3", "::1", "AB", "eu-1", "age1" + "q" * 58, *node.get("enum", ())):
            taken = not list(structural.refusals(node, text + odd))
            assert taken == (complaints(kind, place, text + odd) == []), (place, text)


def test_every_number_of_a_spec_has_both_ends():
    numbers = [(place, node) for _, place, node in FIELDS if node.get("type") == "integer"]
    assert [place for place, node in numbers if not {"minimum", "maximum"} <= node.keys()] == []


def test_no_pattern_uses_a_class_that_differs_between_dialects():
    patterns = [pattern for *_, node in FIELDS for pattern in structural.patterns(node)]
    assert [each for each in patterns if re.search(r"\\[sSwWdDbBpP]|\(\?|\[\[:", each)] == []
    assert [each for each in patterns if (each[0], each[-1]) != ("^", "$")] == []
    assert len(patterns) > 30
