"""Logs: one JSON object a line, whoever wrote it, with the object that it is about."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from holdfast.process import log as logs


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Configure as the operator does, writing to a text that the test reads; undone afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    text = io.StringIO()
    monkeypatch.setattr(sys, "stderr", text)
    logs.configure("info")
    yield text
    root.handlers[:], root.level = handlers, level
    logging.getLogger("holdfast").setLevel(logging.NOTSET)
    structlog.reset_defaults()


def lines(stderr: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stderr.getvalue().splitlines()]


def test_a_line_carries_the_object_that_it_is_about(stderr: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(kind="DatabaseBackup", namespace="shop", name="orders-1"):
        structlog.get_logger("holdfast.reconcile").info("Job created", job="j")
    (line,) = lines(stderr)
    assert line["event"] == "Job created"
    assert (line["kind"], line["namespace"], line["name"], line["job"]) == ("DatabaseBackup", "shop", "orders-1", "j")
    assert line["level"] == "info"
    assert str(line["timestamp"]).endswith("Z")


def test_libraries_write_the_same_form_and_only_what_is_wrong(stderr: io.StringIO) -> None:
    logging.getLogger("kopf.objects").info("Handler 'x' succeeded.")
    logging.getLogger("kopf.objects").warning("Watch %s broken", "w")
    assert [line["event"] for line in lines(stderr)] == ["Watch w broken"]


def test_an_exception_stays_on_one_line(stderr: io.StringIO) -> None:
    structlog.get_logger("holdfast.x").error("Fault", exc_info=KeyError("missing"))
    (line,) = lines(stderr)
    assert "KeyError: 'missing'" in str(line["exception"])


def test_the_level_is_ours_to_choose(stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    structlog.get_logger("holdfast.x").debug("hidden")
    logs.configure("debug")
    structlog.get_logger("holdfast.x").debug("shown")
    logging.getLogger("kopf").debug("still hidden")
    assert [line["event"] for line in lines(stderr)] == ["shown"]
