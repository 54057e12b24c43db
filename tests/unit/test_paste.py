"""Commands that restore a backup where there is no operator: made of the resource alone, or refused in a sentence."""

import io
import json
import sys
from typing import Any

import pytest
from tests.builders import NOW, UID, a_begun_backup

from holdfast import clock
from holdfast.api.backup import Phase
from holdfast.process import paste

IMAGE = "registry.example.com/runner:17"


def a_document(**changes: Any) -> dict[str, Any]:
    backup = a_begun_backup(phase=Phase.SUCCEEDED, sha256="a" * 64, size_bytes=5)
    meta = {"namespace": "shop", "name": "orders-1", "uid": UID, "creationTimestamp": clock.to_text(NOW)}
    body = {"kind": "DatabaseBackup", "metadata": meta, "spec": {"policyRef": {"name": "orders"}}}
    return {**body, "status": backup.status.to_dict(), **changes}


def run(monkeypatch: pytest.MonkeyPatch, text: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    return paste.main(["--image", IMAGE])


def test_what_kubectl_prints_becomes_what_is_pasted(monkeypatch, capsys):
    assert run(monkeypatch, json.dumps(a_document())) == 0
    said = capsys.readouterr()
    assert said.out.startswith("# Restores backup-")
    assert IMAGE in said.out
    assert "kubectl -n shop" in said.out
    assert said.err == ""


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
