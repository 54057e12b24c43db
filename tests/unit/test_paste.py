"""Commands that restore a backup where there is no operator: made of the resource alone, or refused in a sentence."""

import io
import json
import sys
from typing import Any

import pytest
from tests.builders import NOW, UID, a_begun_backup
from tests.unit.test_rds import COPIED, begun

from holdfast import clock
from holdfast.api.backup import Phase
from holdfast.process import paste

IMAGE = "registry.example.com/runner:17"


def a_document(**changes: Any) -> dict[str, Any]:
    backup = a_begun_backup(phase=Phase.SUCCEEDED, sha256="a" * 64, size_bytes=5)
    meta = {"namespace": "shop", "name": "orders-1", "uid": UID, "creationTimestamp": clock.to_text(NOW)}
    body = {"kind": "DatabaseBackup", "metadata": meta, "spec": {"policyRef": {"name": "orders"}}}
    return {**body, "status": backup.status.to_dict(), **changes}


def a_snapshot() -> dict[str, Any]:
    backup = begun(phase=Phase.SUCCEEDED, snapshot=COPIED)
    return a_document(status=backup.status.to_dict())


def run(monkeypatch: pytest.MonkeyPatch, text: str, *arguments: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    return paste.main(list(arguments or ("--image", IMAGE)))


def test_what_kubectl_prints_becomes_what_is_pasted(monkeypatch, capsys):
    assert run(monkeypatch, json.dumps(a_document())) == 0
    said = capsys.readouterr()
    assert said.out.startswith("# Restores backup-")
    assert IMAGE in said.out
    assert "kubectl -n shop" in said.out
    assert said.err == ""


@pytest.mark.parametrize("region", ["eu-central-1", "eu-west-1"])
def test_of_a_snapshot_it_is_commands_for_aws_in_the_region_that_is_asked_for(monkeypatch, capsys, region):
    assert run(monkeypatch, json.dumps(a_snapshot()), "--region", region) == 0
    said = capsys.readouterr()
    assert f"aws rds restore-db-instance-from-db-snapshot --region {region} " in said.out
    assert said.err == ""


@pytest.mark.parametrize(
    ("document", "arguments", "says"),
    [
        pytest.param(a_snapshot(), ("--region", "us-east-1"), "in eu-central-1, and a copy in eu-west-1", id="no copy"),
        pytest.param(a_document(), ("--region", "eu-west-1"), "is a dump", id="the region of a dump"),
        pytest.param(a_document(), ("--image=x", "--region=eu-west-1"), "is a dump", id="both"),
    ],
)
def test_what_does_not_fit_how_it_was_taken_is_refused(monkeypatch, capsys, document, arguments, says):
    assert run(monkeypatch, json.dumps(document), *arguments) == 1
    said = capsys.readouterr()
    assert says in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("no JSON", "standard input is not a JSON document", id="no JSON"),
        pytest.param("[]", "is not a DatabaseBackup that has Succeeded", id="something else"),
        pytest.param(json.dumps(a_document(kind="Pod")), "Pod orders-1 is not a DatabaseBackup", id="another kind"),
        pytest.param(json.dumps(a_document(status={})), "is not a DatabaseBackup that has Succeeded", id="not begun"),
        pytest.param(
            json.dumps(a_document(status={"phase": "Succeeded", "rows": "many"})),
            "the status of orders-1 cannot be read",
            id="an unreadable status",
        ),
    ],
)
def test_what_is_no_good_backup_is_refused_in_a_sentence(monkeypatch, capsys, text, says):
    assert run(monkeypatch, text) == 1
    said = capsys.readouterr()
    assert says in said.err
    assert "What to do: " in said.err
    assert said.out == ""
