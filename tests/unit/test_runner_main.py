"""The runner's frame: whatever happens, there is a report, the documented exit code, and no secret in either."""

import io
import json
import os
import resource
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from tests.builders import NOW, UID, a_policy, a_success
from tests.patience import ENOUGH

import holdfast
from holdfast import clock
from holdfast.contract import report as reports
from holdfast.contract import task as tasks
from holdfast.contract.paths import POD_UID_VARIABLE, TASK_VARIABLE
from holdfast.contract.report import DeleteReport, FailureReport, ImpactReport, RestoreReport, Verification
from holdfast.contract.task import CleanupTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner import main as runner
from holdfast.runner import supervise
from holdfast.runner.engines.protocol import Overrides
from holdfast.runner.pod.context import Context, Places
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.result import Result
from holdfast.runner.pod.stop import Stop

pytestmark = pytest.mark.usefixtures("signals_as_before")


@pytest.fixture
def places(tmp_path):
    return Places(termination_log=tmp_path / "termination-log", storage_secret=tmp_path / "absent")


@pytest.fixture
def log():
    return io.StringIO()


@pytest.fixture
def context(places, log):
    return Context(places, Stop(), Log(log), "pod-uid", NOW)


def a_cleanup(**changes):
    fields = {
        "backup_uid": UID, "s3": a_policy(storage={"s3": {"bucket": "backups", "secretName": "s3"}}).storage.s3,
        "key_prefix": "shop/orders/backup-20261122-084500/", "deadline_seconds": 60,
    }  # fmt: skip
    return CleanupTask(**(fields | changes))


def run(monkeypatch, places, text):
    monkeypatch.setenv(TASK_VARIABLE, text)
    code = runner.run([], places)
    report = reports.parse(places.termination_log.read_text())
    assert report is not None
    return code, report


@pytest.mark.parametrize("text", ["", "{", '{"kind": "brew"}'])
def test_a_task_that_cannot_be_read_is_reported(monkeypatch, places, text):
    code, report = run(monkeypatch, places, text)
    assert (code, report.failure.reason, report.failure.exit_code) == (1, "InvalidTask", 1)


def test_a_failure_is_reported_and_logged_with_its_remedy(monkeypatch, places, capsys):
    code, report = run(monkeypatch, places, tasks.to_environment(a_cleanup()))
    assert (code, report.kind, report.failure.reason, report.clean) == (1, "cleanup", "SecretMissing", True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["started", "step", "ended"]
    assert lines[-1]["failure"]["remedy"] == report.failure.remedy


def test_the_servers_version_goes_into_the_report_of_a_failure_that_another_image_mends(places, log):
    failure = HoldfastError(Reason.TOOL_TOO_OLD, "too old", "add the image", server_major=18)
    runner._end("backup", runner.End(failure=failure), Log(log), places, NOW, 0.0)
    report = reports.parse(places.termination_log.read_text())
    assert (report.failure.exit_code, report.failure.server_major) == (4, 18)


WHOLE = Result(
    backup=a_success().backup,
    verification=Verification(integrity_check="passed", file_readable="end mark seen", verified_at=NOW),
    deletion=DeleteReport(deleted=[0]), restore=RestoreReport(rows=7), impact=ImpactReport(present=True),
    message="done", warnings=["of the task"],
)  # fmt: skip


def ended(places, log, kind, end, begun=0.0):
    code = runner._end(kind, end, Log(log), places, NOW, begun)
    report = reports.parse(places.termination_log.read_text())
    assert report is not None
    return code, report, json.loads(log.getvalue().splitlines()[-1])


def test_the_report_says_all_that_the_work_came_to_and_the_log_as_much(places, log):
    code, report, line = ended(places, log, "verify", runner.End(result=WHOLE, leftover="of its end"), time.monotonic())
    assert (code, report.kind, report.outcome, report.started_at) == (0, "verify", "Succeeded", NOW)
    assert (report.backup, report.verification, report.deletion) == (WHOLE.backup, WHOLE.verification, WHOLE.deletion)
    assert (report.message, report.warnings, report.clean) == ("done", ["of the task", "of its end"], True)
    assert (report.restore, report.impact, report.failure) == (WHOLE.restore, WHOLE.impact, None)
    assert 0 <= (clock.now() - report.completed_at).total_seconds() < ENOUGH
    assert 0 <= report.duration_seconds < ENOUGH
    assert line.keys() >= {"event", "outcome", "startedAt", "durationSeconds", "backup", "verification", "deletion"}
    assert line.keys() & {"version", "kind", "failure"} == set()
    assert line["restore"] == {"rows": 7, "compared": [], "found": False}  # what is not known is not told


def test_a_failure_is_reported_whole(places, log):
    failure = HoldfastError(Reason.TOOL_TOO_OLD, "too old", "add the image", server_major=18, differences=["a", "b"])
    code, report, _ = ended(places, log, "backup", runner.End(failure=failure))
    assert (code, report.outcome, report.warnings, report.backup) == (4, "Failed", [], None)
    assert report.failure == FailureReport(
        reason="ToolTooOld",
        exit_code=4,
        message="too old",
        remedy="add the image",
        server_major=18,
        differences=["a", "b"],
    )


def test_the_log_tells_in_bytes_what_memory_the_process_and_its_tools_took(places, log, monkeypatch):
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_maxrss=300))
    monkeypatch.setattr(runner.PEAK, "_tools", 20 * 1024)
    assert ended(places, log, "backup", runner.End())[2]["peakMemoryBytes"] == 320 * 1024


@pytest.mark.parametrize("there", [True, False, None])
def test_whether_the_backup_is_there_is_reported_as_it_was_seen(places, log, there):
    assert ended(places, log, "verify", runner.End(result=Result(backup_there=there)))[1].backup_there is there


@pytest.mark.parametrize(("work", "end"), [(True, False), (False, True), (False, False)])
def test_what_is_not_clean_by_either_is_not_clean(places, log, work, end):
    assert not ended(places, log, "backup", runner.End(result=Result(clean=work), clean=end))[1].clean


def test_a_failure_whose_report_cannot_be_written_ends_with_its_own_code(tmp_path, log):
    nowhere = Places(termination_log=tmp_path / "absent" / "log")
    failure = HoldfastError(Reason.TOOL_TOO_OLD, "too old", "add the image")
    assert runner._end("backup", runner.End(failure=failure), Log(log), nowhere, NOW, 0.0) == 4


def test_what_a_secret_holds_is_hidden_also_where_the_task_cannot_be_read(monkeypatch, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "password").write_text("hush-hush-hush")
    places = Places(termination_log=tmp_path / "log", storage_secret=tmp_path / "secret")
    _, report = run(monkeypatch, places, '{"kind": "hush-hush-hush"}')
    assert "hush" not in report.model_dump_json()


@pytest.mark.parametrize(("given", "told"), [("pod-1", "pod-1"), ("", "no-pod-uid"), (None, "no-pod-uid")])
def test_a_task_knows_the_pod_that_it_runs_in(monkeypatch, places, given, told):
    seen = []
    if given is not None:
        monkeypatch.setenv(POD_UID_VARIABLE, given)
    else:
        monkeypatch.delenv(POD_UID_VARIABLE, raising=False)
    monkeypatch.setattr(runner, "_work", lambda _task, context, _o: seen.append(context.pod_uid) or Result())
    assert run(monkeypatch, places, tasks.to_environment(a_cleanup()))[0] == 0
    assert seen == [told]


def test_the_help_names_the_runner_as_its_image_does(places, capsys):
    with pytest.raises(SystemExit):
        runner.run(["--help"], places)
    assert capsys.readouterr().out.startswith("usage: holdfast-runner ")


def test_the_version_names_holdfasts_and_the_clients(monkeypatch, tmp_path, places, capsys):
    (tmp_path / "client-version").write_text("17.12-0+deb13u1\n")
    monkeypatch.setattr(runner, "CLIENT_VERSION", str(tmp_path / "client-version"))
    with pytest.raises(SystemExit) as ended:
        runner.run(["--version"], places)
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"holdfast-runner {holdfast.__version__}, client 17.12-0+deb13u1\n"


def test_an_image_without_a_client_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "CLIENT_VERSION", str(tmp_path / "absent"))
    assert runner._version() == f"holdfast-runner {holdfast.__version__}, client none"


def test_a_report_that_cannot_be_written_is_never_a_success(tmp_path, log):
    nowhere = Places(termination_log=tmp_path / "absent" / "log")
    code = runner._end("backup", runner.End(result=Result()), Log(log), nowhere, NOW, 0.0)
    assert code == 10
    assert "the report cannot be written" in log.getvalue()


def test_a_thread_that_hangs_does_not_keep_the_container_nor_change_how_it_ended(tmp_path):
    script = "import sys, threading; from holdfast.runner import main as runner; "
    script += (
        "threading.Thread(target=threading.Event().wait).start(); runner.run = lambda *_: 7; sys.exit(runner.main([]))"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=ENOUGH, check=False).returncode == 7


@pytest.mark.parametrize("where", ["thread", "run"])
def test_an_error_that_nobody_caught_is_told_without_its_values(where):
    script = "import sys, threading; from holdfast.runner import main as runner\n"
    script += "def fail(*_): raise ValueError('hush-hush')\n"
    script += "def thread(*_): it = threading.Thread(target=fail); it.start(); it.join(); return 0\n"
    script += f"run = fail; runner.run = {where}\n"
    script += "sys.exit(runner.main([]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=ENOUGH, check=False)
    assert "hush" not in done.stdout + done.stderr
    fault = json.loads(done.stdout)
    assert (fault["event"], fault["type"]) == ("fault", "ValueError")
    assert "<string>:2" in fault["where"][-1]


def test_a_run_within_a_process_leaves_the_process_alone(monkeypatch, places):
    """Else a thread that another test left would end all of them, without a word."""
    monkeypatch.setattr(os, "_exit", lambda code: pytest.fail(f"the process would have ended with {code}"))
    hanging = threading.Event()
    thread = threading.Thread(target=hanging.wait)
    thread.start()
    try:
        assert run(monkeypatch, places, tasks.to_environment(a_cleanup()))[0] == 1
    finally:
        hanging.set()
        thread.join()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], (None, None, None)),
        (["--target-host=", "--target-port=", "--target-database="], (None, None, None)),
        (["--target-host=h", "--target-port=6000", "--target-database=a=b"], ("h", "6000", "a=b")),
    ],
    ids=["none", "as pasted, with nothing set", "all"],
)
def test_a_restores_target_may_be_given_as_arguments(arguments, expected):
    overrides = runner._parse(arguments)
    assert (overrides.host, overrides.port, overrides.database) == expected


def test_a_restore_onto_a_claim_may_be_given_another_one_and_another_path():
    overrides = runner._parse(["--target-claim=data", "--target-path=a/b.db"])
    assert (overrides.claim, overrides.path) == ("data", "a/b.db")


EARLY = """
import os, signal, sys

class Ending:
    def find_spec(self, name, *_):
        if name == "holdfast.runner.main":
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, Ending())
from holdfast.runner.entry import main
sys.argv = ["holdfast-runner"]
sys.exit(main())
"""


def test_a_signal_before_the_slow_imports_ends_the_task_before_it_begins():
    environment = os.environ | {TASK_VARIABLE: tasks.to_environment(a_cleanup())}
    done = subprocess.run([sys.executable, "-c", EARLY], env=environment, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 9, done.stderr
    assert (lines[0]["event"], "step" in [line["event"] for line in lines]) == ("started", False)
    assert next(line for line in lines if line["event"] == "ended")["failure"]["reason"] == "Interrupted"


@pytest.mark.parametrize(
    ("kind", "module", "method"),
    [
        ("BackupTask", "tasks.backup", None),
        ("RestoreTask", "tasks.restore", None),
        ("CheckTask", "tasks.restore_check", None),
        ("SwapBackTask", "tasks.replaced", None),
        ("DropTask", "tasks.replaced", None),
        ("VerifyTask", "tasks.verify", "Dumps"),
        ("CleanupTask", "tasks.cleanup", "Dumps"),
        ("DeleteTask", "tasks.delete", "Dumps"),
        ("SnapshotTask", "rds.task", None),
        ("SnapshotRestoreTask", "rds.restore", None),
        ("SnapshotVerifyTask", "tasks.verify", "Snapshots"),
        ("SnapshotCleanupTask", "tasks.cleanup", "Snapshots"),
        ("SnapshotDeleteTask", "tasks.delete", "Snapshots"),
    ],
)
def test_each_kind_of_task_is_done_by_one_module_a_verb_with_the_method_of_its_backup(
    monkeypatch, context, kind, module, method
):
    given = []
    done = Result(message=kind)
    monkeypatch.setattr(f"holdfast.runner.{module}.run", lambda *these: given.append(these) or done)
    task = getattr(tasks, kind).model_construct()
    assert runner._work(task, context, Overrides(None, None)) is done
    [(said, where, *rest)] = given
    assert (said is task, where is context) == (True, True)
    assert [type(each).__name__ for each in rest if method] == ([method] if method else [])


IMPORTED = """
import json, sys
from holdfast.runner.main import _work
from holdfast.contract import task as tasks
known = set(sys.modules)
try:
    _work(tasks.{kind}.model_construct(), None, None)
except AttributeError:
    pass
print(json.dumps(sorted(set(sys.modules) - known)))
"""


@pytest.mark.parametrize(
    ("kind", "not_needed"),
    [
        ("CleanupTask", ["holdfast.runner.engines.choose", "holdfast.runner.rds", "holdfast.runner.tasks.comparing"]),
        ("VerifyTask", ["holdfast.runner.rds", "holdfast.runner.tasks.backup"]),
        ("SnapshotVerifyTask", ["holdfast.runner.engines.choose", "holdfast.runner.tasks.comparing"]),
        ("SnapshotCleanupTask", ["holdfast.runner.engines.choose", "holdfast.runner.tasks.comparing"]),
    ],
)
def test_a_task_imports_nothing_that_it_does_not_need(kind, not_needed):
    said = subprocess.run(
        [sys.executable, "-c", IMPORTED.format(kind=kind)], capture_output=True, text=True, check=True
    ).stdout
    imported = json.loads(said)
    assert f"holdfast.runner.tasks.{kind.removeprefix('Snapshot').removesuffix('Task').lower()}" in imported
    assert [name for name in not_needed if name in imported] == []


@pytest.mark.parametrize(
    ("kind", "instead"),
    [
        ("backup", "create another backup: the Pod was deleted; nothing was published"),
        ("restore", "create another DatabaseRestore: the Pod was deleted"),
        ("swap-back", "create another DatabaseRestore: the Pod was deleted"),
        ("drop", "remove it by hand: the Pod was deleted"),
    ],
)
def test_what_to_do_is_said_in_the_words_of_the_task(places, log, kind, instead):
    told = "create another backup: the Pod was deleted; nothing was published"
    ended = supervise.End(failure=HoldfastError(Reason.INTERRUPTED, "it was told to end", told))
    assert runner._end(kind, ended, Log(log), places, NOW, time.monotonic()) == 9
    assert reports.parse(places.termination_log.read_text()).failure.remedy == instead
