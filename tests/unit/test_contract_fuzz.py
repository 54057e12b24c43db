"""Whatever stands in a task, a report or a manifest: it is read as it is, or refused with the one documented error."""

import json
import typing
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from tests.budget import examples
from tests.fuzz import Json, models, mutated

from holdfast.contract import report as reports
from holdfast.contract import task as tasks
from holdfast.contract.manifest import Manifest
from holdfast.contract.paths import MAX_REPORT_BYTES
from holdfast.contract.report import Report
from holdfast.contract.snapshot import SnapshotManifest
from holdfast.contract.task import Task
from holdfast.errors import HoldfastError

TASKS = typing.get_args(typing.get_args(Task)[0])
MANIFESTS = (Manifest, SnapshotManifest)
SECRET = "hunter2-the-secret"
# Nested models are dear to make; how few are valid at once says nothing.
thorough = settings(
    max_examples=examples(3, times=1),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
pytestmark = pytest.mark.timeout(120)  # the first draw of a model makes the strategies of all its fields
by_name = {"ids": lambda model: model.__name__}


def refused(text: str) -> str:
    """What a person is told of a text that is no task; nothing where it is one. No other error escapes."""
    try:
        tasks.parse(text)
    except HoldfastError as error:
        return f"{error.reason} {error.message} {error.remedy}"
    return ""


@pytest.mark.parametrize("model", TASKS, **by_name)
@given(data=st.data())
@thorough
def test_every_task_is_read_back_as_it_was_and_kubernetes_finds_nothing_to_rewrite(model, data):
    task = data.draw(models(model))
    text = tasks.to_environment(task)
    assert "$" not in text
    assert tasks.parse(text) == task


@given(st.text() | st.binary().map(lambda raw: raw.decode(errors="surrogateescape")) | Json.map(json.dumps))
def test_what_is_no_task_is_refused_in_the_documented_way(text):
    told = refused(text)
    assert told.startswith("InvalidTask the task cannot be read: ")
    assert told.endswith("use runner images of the operator's own release")


def documents(model: type[BaseModel]) -> st.SearchStrategy[typing.Any]:
    """Documents of a model with one place wrong; the wrong thing may hold the secret."""
    hush = st.sampled_from([SECRET, [SECRET], {"password": SECRET}, {"kind": {"a": SECRET}}])
    return models(model).flatmap(
        lambda value: mutated(value.model_dump(mode="json", by_alias=True, exclude_none=True), Json | hush)
    )


@pytest.mark.parametrize("model", TASKS, **by_name)
@given(data=st.data())
@thorough
def test_a_task_with_one_place_wrong_is_a_task_or_refused_without_what_stands_there(model, data):
    document = data.draw(documents(model))
    told = refused(json.dumps(document))
    known = isinstance(document, dict) and document.get("kind") == model.model_fields["kind"].default
    if known or not isinstance(document, dict):  # a kind is a word of ours, and is told
        assert SECRET not in told


@given(text=st.text() | st.binary().map(lambda raw: raw.decode(errors="surrogateescape")), cut=st.integers(0, 400))
def test_what_is_no_report_is_none_and_never_an_error(text, cut):
    assert reports.parse(text) is None
    whole = '{"version":1,"kind":"backup","outcome":"Succeeded","startedAt":"2026-11-22T08:45:00Z",'
    whole += '"completedAt":"2026-11-22T08:45:00Z","durationSeconds":1.0}'
    assert reports.parse(whole) is not None
    assert reports.parse(whole[: min(cut, len(whole) - 1)]) is None


@given(data=st.data())
@thorough
def test_a_report_with_one_place_wrong_is_a_report_or_none(data):
    found = reports.parse(json.dumps(data.draw(documents(Report))))
    assert found is None or isinstance(found, Report)


@given(report=models(Report), words=st.text(max_size=4000), times=st.integers(1, 3))
@thorough
def test_a_report_always_fits_and_keeps_what_decides(report, words, times):
    long = report.model_copy(update={"warnings": [words] * times, "message": words})
    if long.failure:
        long = long.model_copy(update={"failure": long.failure.model_copy(update={"message": words, "remedy": words})})
    data = long.to_bytes()
    assert len(data) <= MAX_REPORT_BYTES
    read = reports.parse(data.decode())
    assert read is not None
    kept = {"warnings", "message", "failure"}
    assert read.model_dump(exclude=kept) == report.model_dump(exclude=kept)
    assert (read.failure is None) == (report.failure is None)
    if read.failure and report.failure:
        assert (read.failure.reason, read.failure.exit_code) == (report.failure.reason, report.failure.exit_code)


@given(models(Report))
@thorough
def test_a_report_that_fits_is_read_back_as_it_was(report):
    assert reports.parse(report.to_bytes().decode()) == report


@pytest.mark.parametrize("model", MANIFESTS, **by_name)
@given(data=st.data())
@thorough
def test_every_manifest_is_read_back_as_it_was(model, data):
    manifest = data.draw(models(model))
    assert model.parse(manifest.to_json()) == manifest


@pytest.mark.parametrize("model", MANIFESTS, **by_name)
@given(data=st.data())
@thorough
def test_what_is_no_manifest_is_refused_in_the_documented_way(model, data):
    document = data.draw(documents(model).map(lambda found: json.dumps(found).encode()) | st.binary())
    with suppress(ValidationError):
        assert isinstance(model.parse(document), model)
