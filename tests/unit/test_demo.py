"""The demo's own words: each failure named with its step and what to do, no traceback; commands ready to paste."""

import io
import os
import re
import subprocess
from pathlib import Path

import pytest
from rich.console import Console
from tests import yaml_text
from tests.cluster.api import Cluster
from tests.cluster.errors import ClusterError
from tests.demo import __main__ as demo
from tests.demo import scheduled, summary, watch
from tests.demo.errors import DemoError
from tests.demo.narrator import Narrator
from tests.demo.scene import EVERY_MINUTE, SCHEDULED, Scene
from tests.stack import KubectlError

from holdfast.api.policy import BackupPolicySpec

KIND = Cluster("holdfast", Path("/cache/kube config"), "kind-holdfast", {"PATH": "/cache/tools:/usr/bin"}, kind=True)
OWN = Cluster("prod?", Path("/home/me/config"), "my context", {"PATH": "/cache/tools:/usr/bin"}, kind=False)


def narrator() -> Narrator:
    return Narrator(Console(file=io.StringIO(), soft_wrap=True, highlight=False))


def words(told: Narrator) -> str:
    assert isinstance(told.console.file, io.StringIO)
    return told.console.file.getvalue()


@pytest.mark.parametrize("error", [
    pytest.param(DemoError("the backup Failed"), id="the demo's own"),
    pytest.param(ClusterError("no daemon answers; start one"), id="the cluster's"),
    pytest.param(KubectlError("kubectl apply ended with 1: no such host"), id="kubectl's"),
    pytest.param(subprocess.CalledProcessError(3, ["helm"]), id="another program's"),
])  # fmt: skip
def test_a_failing_step_says_its_own_error_and_what_to_do(error, monkeypatch, capsys):
    def up(told: Narrator) -> None:
        with told.step("the images", 7):
            raise error

    monkeypatch.setattr(demo.journey, "up", up)
    monkeypatch.setattr("sys.argv", ["demo", "up"])
    assert demo.main() == 1
    said = capsys.readouterr().out
    assert "step 1 (the images) failed" in said
    assert str(error) in said
    assert "run `make demo` again" in said


def test_ctrl_c_ends_without_a_traceback_and_says_that_one_can_go_on(monkeypatch, capsys):
    def up(told: Narrator) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo.journey, "up", up)
    monkeypatch.setattr("sys.argv", ["demo", "up"])
    assert demo.main() == demo.INTERRUPTED
    assert "run `make demo` again" in capsys.readouterr().out


@pytest.mark.parametrize(("status", "finished"), [
    pytest.param({}, False, id="no status yet"),
    pytest.param({"conditions": [{"type": "Finished", "status": "False"}]}, False, id="under way"),
    pytest.param({"conditions": [{"type": "Succeeded", "status": "True"}]}, False, id="another condition"),
    pytest.param({"conditions": [{"type": "Finished", "status": "True"}]}, True, id="ended"),
])  # fmt: skip
def test_a_backup_has_finished_when_its_condition_says_so(status, finished):
    assert watch.finished(status) is finished


def test_without_a_terminal_each_progress_line_of_the_runner_is_a_line_of_text():
    told = narrator()
    teller = watch.Teller(told)
    line = {"event": "progress", "phase": "dumping", "bytes": 20_000_000, "uncompressedBytes": 90_000_000}
    teller.log(line | {"rate": 45_000_000, "estimatedTotal": 250_000_000})
    teller.log({"event": "step", "phase": "verifying"})
    assert words(told).splitlines() == [
        "  dumping: 90 MB read at 45 MB/s, 20 MB stored",
        "  the Job's Pod: verifying",
    ]


def test_a_log_that_is_read_again_while_the_report_is_on_its_way_is_told_once(monkeypatch):
    ended = {"phase": "Succeeded", "message": "backed up", "conditions": [{"type": "Finished", "status": "True"}]}
    statuses = iter([{"phase": "Running", "message": "the Job is running", "jobName": "job"}] * 2 + [ended])
    monkeypatch.setattr(Scene, "backup", lambda *_: {"status": next(statuses)})
    monkeypatch.setattr(watch, "log_lines", lambda *_: ['{"event": "step", "phase": "dumping"}\n'])
    told = narrator()
    assert watch.to_the_end(Scene(KIND), "orders-first", told) == ended
    assert words(told).count("dumping") == 1


def test_a_failed_backup_ends_the_demo_with_its_reason_its_message_and_its_remedy(monkeypatch):
    failure = {"reason": "DumpKilled", "message": "pg_dump was killed", "remedy": "raise the limit"}
    finished = [{"type": "Finished", "status": "True"}]
    status = {"phase": "Failed", "failure": failure, "conditions": finished}
    monkeypatch.setattr(Scene, "backup", lambda *_: {"status": status})
    with pytest.raises(DemoError, match=r"(?s)DumpKilled.*pg_dump was killed\nraise the limit"):
        watch.to_the_end(Scene(KIND), "orders-first", narrator())


def test_what_is_printed_keeps_brackets_and_backslashes_as_they_are():
    told = narrator()
    told.say("an [bold]odd[/] \\ name")
    told.block("SIZE [red]\n1 MB")
    assert words(told) == "  an [bold]odd[/] \\ name\nSIZE [red]\n1 MB\n"


def test_what_others_wrote_moves_no_cursor_where_it_is_printed():
    told = narrator()
    evil = "a\x1b[2J\x9b\u202e\rb"
    told.say(evil)
    told.block(f"{evil}\n\tc", "yaml")
    told.failed(evil, "make demo")
    assert not set(words(told)) & set("\x1b\x9b\u202e\r")
    assert "a\\u001b[2J" in words(told)
    assert words(told).count("\n") == 9, "lines stay lines"


def test_on_a_terminal_what_is_to_be_pasted_is_coloured_but_never_wrapped():
    screen = io.StringIO()
    told = Narrator(Console(file=screen, force_terminal=True, width=40, soft_wrap=True, highlight=False))
    text = f"# first\nkubectl get {'x' * 80} --watch"
    told.block(text, "bash")
    assert "\x1b[" in screen.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()) == f"{text}\n"


@pytest.mark.parametrize(
    "cluster", [pytest.param(KIND, id="kind"), pytest.param(OWN, id="a cluster of the user's own")]
)
def test_each_block_to_paste_is_a_script_that_bash_can_read(cluster):
    for block in summary.next_commands(Scene(cluster), "orders-first"):
        done = subprocess.run(["bash", "-n"], input=str(block), capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_on_a_cluster_of_the_users_own_a_copy_of_the_kubeconfig_points_at_the_named_context(tmp_path):
    kubectl = tmp_path / "kubectl"
    kubectl.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    kubectl.chmod(0o755)
    first = summary.next_commands(Scene(OWN), "orders-first")[0].commands
    done = subprocess.run(
        ["bash", "-eu"], input=f'{first}\ncat "$KUBECONFIG"; rm "$KUBECONFIG"', capture_output=True, text=True,
        check=False, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip
    asked = ["--kubeconfig=/home/me/config", "--context=my context", "config", "view", "--raw", "--minify", "--flatten"]
    assert (done.stdout.splitlines(), done.stderr) == (asked, "")


def test_on_a_cluster_of_the_users_own_the_images_need_a_registry(monkeypatch):
    monkeypatch.delenv("HOLDFAST_REGISTRY", raising=False)
    with pytest.raises(DemoError, match="HOLDFAST_REGISTRY"):
        Scene(OWN).build_images()


def test_the_policy_of_each_minute_keeps_one_and_deletes_nothing_until_it_is_told_to():
    document = yaml_text.load(EVERY_MINUTE.read_text())
    spec = BackupPolicySpec.model_validate(document["spec"])
    assert document["metadata"]["name"] == SCHEDULED
    assert spec.schedule is not None
    assert spec.schedule.cron == "* * * * *"
    assert (spec.retention.keep_last, spec.retention.days, spec.retention.dry_run) == (1, 0, True)


LAST, FIRST = "orders-every-minute-20261122-0846", "orders-every-minute-20261122-0845"


def a_made_one(name: str, kept_because: list[str]) -> scheduled.Body:
    location = f"s3://backups/{name}/"
    return {
        "metadata": {"name": name},
        "status": {"phase": "Succeeded", "location": location, "keptBecause": kept_because},
    }


@pytest.fixture
def two_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two scheduled backups, of which a policy that was a dry run deletes the first; the bucket goes on as it was."""
    plan = {"hash": "1f4c9a02", "total": 1, "deletions": [{"name": FIRST, "reason": "no rule keeps it"}]}
    retention = {"message": "1 backup kept", "plan": plan, "lastSweep": {"message": "1 backup deleted"}}
    policy = {"metadata": {}, "status": {"conditions": [], "retention": retention}}
    there = [a_made_one(FIRST, []), a_made_one(LAST, ["last 1", "newest good"])]
    bucket = {f"{name}/manifest.json": 1000 for name in (FIRST, LAST)}
    monkeypatch.setattr(scheduled, "_policy", lambda _: policy)
    monkeypatch.setattr(scheduled, "made", lambda _: there)
    monkeypatch.setattr(scheduled, "_patch", lambda *_: there.pop(0))
    monkeypatch.setattr(summary, "objects", lambda _: bucket)


@pytest.mark.usefixtures("two_made")
def test_a_deletion_is_shown_by_why_each_stays_or_goes_and_by_the_bucket_before_and_after(monkeypatch):
    told = narrator()
    objects = iter([{f"{FIRST}/a": 1, f"{LAST}/a": 1}, {f"{LAST}/a": 1}])
    monkeypatch.setattr(summary, "objects", lambda _: next(objects))
    scheduled.a_deletion(Scene(KIND), told)
    said = words(told)
    assert f"{LAST} is kept: last 1, newest good" in said
    assert f"{FIRST} would go: no rule keeps it" in said
    assert (said.count(f"{FIRST}/a"), said.count(f"{LAST}/a")) == (1, 2)


@pytest.mark.usefixtures("two_made")
def test_a_deletion_that_the_bucket_does_not_show_ends_the_demo():
    with pytest.raises(DemoError, match=f"still in the bucket: {FIRST}/manifest.json"):
        scheduled.a_deletion(Scene(KIND), narrator())
