"""The runtime in front of runc: it lowers just what this machine cannot grant, for containers and for every exec."""

import json
import resource
from pathlib import Path

import pytest
from tests.cluster import runc_wrapper

WITH = "Name:\tx\nCapBnd:\t000001ffffffffff\n"
WITHOUT = "Name:\tx\nCapBnd:\t000001fffeffffff\n"


def process() -> dict[str, object]:
    sets = ("bounding", "effective", "permitted", "inheritable", "ambient")
    return {
        "args": ["sh"],
        "capabilities": {name: ["CAP_CHOWN", "CAP_SYS_RESOURCE", "CAP_KILL"] for name in sets},
        "oomScoreAdj": -999,
    }


def capabilities(document: dict[str, dict[str, list[str]]]) -> set[str]:
    return {name for names in document["capabilities"].values() for name in names}


def test_reads_the_bounding_set():
    assert runc_wrapper.may_raise_limits(WITH)
    assert not runc_wrapper.may_raise_limits(WITHOUT)


@pytest.mark.parametrize("word", ["create", "run"])
@pytest.mark.parametrize("option", [["--bundle", "{}"], ["--bundle={}"], ["-b", "{}"]])
def test_a_container_is_configured_by_its_bundle(word: str, option: list[str], tmp_path: Path):
    args = ["--root", "/run/x", word, *(part.format(tmp_path) for part in option), "0123abcd"]
    assert runc_wrapper.configuration(args) == (tmp_path / "config.json", False)


@pytest.mark.parametrize("option", [["--process", "{}"], ["--process={}"], ["-p", "{}"]])
def test_an_exec_is_configured_by_its_process_file(option: list[str], tmp_path: Path):
    file = tmp_path / "process123"
    args = ["exec", *(part.format(file) for part in option), "--detach", "0123abcd"]
    assert runc_wrapper.configuration(args) == (file, True)


@pytest.mark.parametrize("args", [["state", "0123"], ["delete", "--force", "0123"], ["exec", "0123", "true"]])
def test_other_words_have_no_configuration(args: list[str]):
    assert runc_wrapper.configuration(args) is None


def test_a_container_loses_the_capability_everywhere_and_nothing_else(tmp_path: Path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"ociVersion": "1.0.2", "process": process(), "linux": {"x": 1}}))
    runc_wrapper.edit(file, whole=False, own_score=0)
    edited = json.loads(file.read_text())
    assert capabilities(edited["process"]) == {"CAP_CHOWN", "CAP_KILL"}
    assert edited["process"]["oomScoreAdj"] == 0
    assert (edited["ociVersion"], edited["linux"], edited["process"]["args"]) == ("1.0.2", {"x": 1}, ["sh"])
    assert list(tmp_path.iterdir()) == [file]


def test_an_exec_loses_it_too(tmp_path: Path):
    file = tmp_path / "process"
    file.write_text(json.dumps(process()))
    runc_wrapper.edit(file, whole=True, own_score=-500)
    edited = json.loads(file.read_text())
    assert capabilities(edited) == {"CAP_CHOWN", "CAP_KILL"}
    assert edited["oomScoreAdj"] == -500


def test_an_exec_without_capabilities_stays_as_it_is(tmp_path: Path):
    file = tmp_path / "process"
    file.write_text('{"args": ["true"]}')
    runc_wrapper.edit(file, whole=True, own_score=0)
    assert json.loads(file.read_text()) == {"args": ["true"]}


def test_limits_are_clamped_to_the_hard_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    document = {"rlimits": [{"type": "RLIMIT_NOFILE", "hard": hard + 1, "soft": hard + 1}]}
    runc_wrapper.lower(document, own_score=0)
    assert document["rlimits"] == [{"type": "RLIMIT_NOFILE", "hard": hard, "soft": hard}]


def test_a_score_above_our_own_is_kept():
    document = {"oomScoreAdj": 300}
    runc_wrapper.lower(document, own_score=0)
    assert document == {"oomScoreAdj": 300}
