"""What is pasted to restore a dump: no text of a tenant's runs, the Job is the one meant, and it says how it goes."""

import json
import os
import pty
import re
import select
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from tests.budget import examples
from tests.builders import UID, a_begun_backup, a_policy, a_sqlite_policy, as_begun
from tests.builders import settings as chart_settings
from tests.pasting import DONE, Room

from holdfast.api.backup import MAX_COMMANDS
from holdfast.contract import task
from holdfast.decide.resolve import resolve
from holdfast.manifests import jobs, restore_dump, shell
from holdfast.manifests.restore_dump import restore_command

OWNER = jobs.Owner("DatabaseBackup", "shop", "orders-1", UID, "orders")
RUNNER = jobs.Runner("holdfast-runner-postgres:17", "IfNotPresent", {"HTTPS_PROXY": "http://proxy:3128"})
pytestmark = pytest.mark.timeout(90)
RECIPIENT = "age1zd5883cj64l8849f66m3724fpavwzaq3pau92lr5fvsgwauxt9lq4px9ek"
JOB_SETTINGS = {
    "podLabels": {"team": "payments"}, "podAnnotations": {"sidecar.istio.io/inject": "false"},
    "nodeSelector": {"disk": "fast"}, "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "imagePullSecrets": [{"name": "registry"}], "serviceAccountName": "restorer",
}  # fmt: skip
POLICIES = {
    "postgresql": a_policy(
        job=JOB_SETTINGS,
        storage={"s3": {"bucket": "backups", "secretName": "s3"}, "encryption": {"age": {"recipients": [RECIPIENT]}}},
    ),
    "sqlite": a_sqlite_policy(),
}


def a_status(policy):
    return a_begun_backup().status.model_copy(update={"resolved": resolve(policy, chart_settings())})


PASTE = restore_command(OWNER, as_begun(a_status(POLICIES["postgresql"])), RUNNER)

UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)  # to shrink what failed takes a shell for each try

# -- nothing of a stranger's runs

HOSTILE = st.lists(
    st.sampled_from([
        "$(ran)", "`ran`", "\nran\n", "\nEND\nran\n", "'; ran; '", '"; ran; "', '"$(ran)"', "\\", "\\\\$(ran)", "!!",
        "!r", "@", "@@@", "@@mounted", "--target-host=", "@@--target-host=", "<manifest>", "<namespace>",
        "$TARGET_HOST", "${TARGET_SECRET}", "$(ran)\\", "#", " ", "*", "~", "> left", "\x1b[2J", "\x7f", "\t", "\u202e",
        "\r", "\x00", "é", "🦊", "$((ran))", "${x:=$(ran)}", "%s", "\\n", "&& ran ||", "(ran)", "{", "}", ";",
    ])
    | st.text(max_size=6),
    min_size=1, max_size=5,
).map("".join)  # fmt: skip


def poisoned(value: Any, draw: st.DrawFn) -> Any:
    """The same with a stranger's text in the place of some: also where the API server would refuse it."""
    if isinstance(value, BaseModel):
        changed = {name: poisoned(getattr(value, name), draw) for name in type(value).model_fields}
        return value.model_copy(update=changed)
    if isinstance(value, dict):
        return {poisoned(key, draw): poisoned(each, draw) for key, each in value.items()}
    if isinstance(value, list):
        return [poisoned(each, draw) for each in value]
    return draw(st.just(value) | HOSTILE) if type(value) is str else value


@st.composite
def backups(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """Whose backup it is, what its status says, and the runner."""
    status = a_status(draw(st.sampled_from(list(POLICIES.values()))))
    names = {field: draw(st.just(getattr(status, field)) | HOSTILE) for field in ("backup_id", "location")}
    changed = status.model_copy(update={"resolved": poisoned(status.resolved, draw), **names})
    owner = jobs.Owner("DatabaseBackup", draw(st.just("shop") | HOSTILE), draw(HOSTILE), draw(HOSTILE), draw(HOSTILE))
    runner = jobs.Runner(draw(HOSTILE), draw(HOSTILE), {draw(HOSTILE): draw(HOSTILE)})
    return owner, changed, runner


def meant(owner: Any, status: Any, runner: Any) -> dict[str, Any]:
    """The Job as it is built, before any of it was written for a shell; as nobody names another target."""
    job = json.loads(json.dumps(restore_dump._job(owner, as_begun(status), runner)))
    database = status.resolved.database
    targets = ("host", "port", "database") if database.volume is None else ("claim", "path")
    job["spec"]["template"]["spec"]["containers"][0]["args"] = [f"--target-{each}=" for each in targets]
    return job


@pytest.fixture(scope="module")
def one_room(tmp_path_factory):
    """For all examples of a property: each finds it as if it were new."""
    return Room(tmp_path_factory.mktemp("room"))


@pytest.mark.timeout(180)  # each example is a shell and a dozen processes
@given(backup=backups(), interpreter=st.sampled_from(["bash", "dash"]), typed=st.booleans())
@settings(max_examples=examples(8, times=3), deadline=None, phases=UNSHRUNK, suppress_health_check=list(HealthCheck))
def test_no_text_of_a_tenants_runs_and_kubectl_gets_exactly_the_job_that_is_meant(one_room, backup, interpreter, typed):
    owner, status, runner = backup
    commands = restore_command(owner, as_begun(status), runner)
    done = one_room.paste(commands, shell=interpreter, typed=typed)
    assert (done.strangers, done.left) == ([], set()), commands
    names = [owner.namespace, restore_dump._mounted(status.resolved.database)[1]]
    if all(map(shell.is_name, names)):
        assert done.code == 0, done.said
        assert done.job == meant(owner, status, runner)
        assert all(call[:2] == ["-n", owner.namespace] for call in done.calls)
        assert [call[2] for call in done.calls] == ["create", "get", "get", "logs"]
    else:
        assert (done.code, done.calls, done.said) == (1, [], "")
        assert all(line.startswith("#") for line in commands.splitlines()[:-1])
    assert commands.isascii()


def test_a_tenants_text_that_looks_like_a_place_to_fill_in_is_left_as_it_is(room):
    texts = {"example.com/a": "@mounted", "example.com/b": "@--target-host=", "example.com/c": "@@@identity",
             "example.com/d": "<manifest>", "example.com/e": "${TARGET_SECRET:-x}"}  # fmt: skip
    status = a_status(a_policy(job={"podAnnotations": texts}))
    assert room.paste(restore_command(OWNER, as_begun(status), RUNNER)).job == meant(OWNER, status, RUNNER)


@given(HOSTILE)
@example("$(ran)`ran`!ran\\\n\x7f\"'")
def test_a_document_means_the_same_to_json_and_nothing_to_a_shell(text):
    written = shell.document({text: [text]})
    assert json.loads(written) == {text: [text]}
    assert written.isascii()
    assert written.isprintable()
    assert not set(written) & set("$`!\n")
    assert "\\\\" not in written


def test_the_text_that_the_hostile_ones_are_like_would_run_if_it_were_let(one_room):
    assert one_room.paste("echo $(ran)\nfalse").strangers


@pytest.mark.parametrize("name", ["a!!b !ran !-1", "!ran", "a\tb\tc", "x\x7f\x03\x04y"], ids=repr)
def test_a_paste_into_an_interactive_shell_reads_nothing_into_a_name(tmp_path, name):
    database = POLICIES["postgresql"].database.model_copy(update={"name": name})
    status = a_status(POLICIES["postgresql"].model_copy(update={"database": database}))
    room = Room(tmp_path)
    room.prepare([DONE])
    said = typed_into_a_terminal(restore_command(OWNER, as_begun(status), RUNNER), room)
    done = room.result(0, said)
    assert "ended with 0" in said, said
    assert done.strangers == []
    assert done.job == meant(OWNER, status, RUNNER)


def typed_into_a_terminal(commands: str, room: Room) -> str:
    """What a person sees who pastes it into bash on a terminal, where `!` and keys mean something."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(room.folder / "cwd")
        os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], {**room.environment(), "TERM": "dumb"})
    try:
        seen = _typed(terminal, "set -o history -o histexpand\nran\necho rea''dy\n", "ready")
        (room.folder / "strangers").unlink()
        return seen + _typed(terminal, f"{commands}\necho ended wi''th $?\n", r"ended with \d")
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def _typed(terminal: int, text: str, until: str) -> str:
    """Type it; return what is seen until these words come."""
    data, seen, deadline = text.encode(), "", time.monotonic() + 30
    while (data or re.search(until, seen) is None) and time.monotonic() < deadline:
        readable, writable, _ = select.select([terminal], [terminal] if data else [], [], 0.5)
        if readable:
            seen += os.read(terminal, 65536).decode(errors="replace")
        if writable:
            data = data[os.write(terminal, data[:256]) :]
    return seen


# -- it says how it goes

WAITING = {"pod": "restore-x-1 Pending//", "waiting": "ImagePullBackOff Back-off pulling image"}
UNSCHEDULED = {"pod": "restore-x-1 Pending//", "unscheduled": " 0/1 nodes are available: 1 did not match"}
RUNNING = {"pod": "restore-x-1 Running//2026-11-28T17:00:00Z", "log": '{"event":"progress"}\n'}
FAILURE = {
    "reason": "AuthenticationFailed", "exitCode": 3, "message": 'cannot connect to user "orders"', "remedy": "check it",
}  # fmt: skip
REPORT = json.dumps(
    {"version": 1, "kind": "restore", "failure": FAILURE, "clean": True, "warnings": ['a "clean" one']},
    separators=(",", ":"),
)
FAILED = {"ends": "FailureTarget Failed", "pod": "restore-x-1 Failed/3/", "report": REPORT, "job_failed": "exit code 3"}
GONE = {"lost": 'Error from server (NotFound): jobs.batch "restore-x" not found'}
DOWN = {"lost": "Unable to connect to the server: dial tcp: refused"}


@pytest.fixture
def room(tmp_path):
    return Room(tmp_path)


def heads(done):
    """The calls without their details: what was done, in which order."""
    return [call[2] if call[2] != "get" else f"get {call[3].partition('/')[0]}" for call in done.calls]


@pytest.mark.parametrize("interpreter", ["bash", "dash"])
@pytest.mark.parametrize("typed", [False, True], ids=["as a file", "typed in"])
def test_it_ends_with_the_job_and_with_0_when_that_is_complete(room, interpreter, typed):
    done = room.paste(PASTE, [RUNNING, DONE], shell=interpreter, typed=typed)
    assert done.code == 0
    assert done.lines[0].startswith("Created job.batch/restore-x.")
    assert done.lines[1:] == ['{"event":"progress"}', "Restored."]
    assert heads(done) == ["create", "get job", "get pods", "logs", "get job", "get pods"]
    [log] = [call for call in done.calls if call[2] == "logs"]
    assert log[3:] == ["--follow", "restore-x-1", "-c", "runner"]


def test_a_restore_that_is_over_at_the_first_look_shows_its_log_all_the_same(room):
    done = room.paste(PASTE, [DONE])
    assert done.lines[1:] == ['{"event":"ended"}', "Restored."]


def test_a_failed_one_ends_with_its_reason_and_remedy(room):
    done = room.paste(PASTE, [RUNNING, FAILED])
    assert done.code == 1
    assert done.lines[-1] == (
        'It failed: AuthenticationFailed: cannot connect to user \\"orders\\". What to do: check it'
    )


@pytest.mark.parametrize(("look", "says"), [
    ({"pod": "restore-x-1 Failed/137/", "reason": "OOMKilled"}, "It failed: BackoffLimitExceeded OOMKilled"),
    ({}, "It failed: BackoffLimitExceeded "),
], ids=["killed", "its Pod is gone"])  # fmt: skip
def test_a_failed_one_without_a_report_ends_with_what_the_cluster_says(room, look, says):
    done = room.paste(PASTE, [RUNNING, {"ends": "Failed", "job_failed": "BackoffLimitExceeded", **look}])
    assert (done.code, done.lines[-1]) == (1, says)


@pytest.mark.parametrize(("look", "says"), [
    (WAITING, "Waits for its Pod restore-x-1: ImagePullBackOff Back-off pulling image"),
    (UNSCHEDULED, "Waits for its Pod restore-x-1:  0/1 nodes are available: 1 did not match"),
    ({"event": 'Error creating: pods "restore-x-1" is forbidden: exceeded quota'},
     'Waits for its Pod: Error creating: pods "restore-x-1" is forbidden: exceeded quota'),
    ({"ends": "Suspended"}, "Waits for its Pod: Suspended "),
], ids=["the image", "a node", "refused", "suspended"])  # fmt: skip
def test_it_says_once_what_it_waits_for_and_goes_on_waiting(room, look, says):
    done = room.paste(PASTE, [look] * 5 + [RUNNING, DONE])
    assert done.code == 0
    assert done.lines[1:] == [says, '{"event":"progress"}', "Restored."]


def test_it_says_each_new_reason(room):
    done = room.paste(PASTE, [UNSCHEDULED, WAITING, {**WAITING, "waiting": "ErrImagePull no such host"}, DONE])
    assert [line.split(":")[0] for line in done.lines[1:4]] == ["Waits for its Pod restore-x-1"] * 3


def test_what_cannot_be_created_ends_it_at_once_with_the_servers_own_words(room):
    words = 'Error from server (Forbidden): admission webhook "x" denied: \x1b[2Jno\n'
    done = room.paste(PASTE, refused=words)
    assert (done.code, done.said.strip()) == (1, words.strip().replace("\x1b", "?"))
    assert heads(done) == ["create"]


def test_a_job_that_somebody_deletes_ends_it(room):
    done = room.paste(PASTE, [RUNNING, GONE])
    assert done.code == 1
    assert done.lines[-2:] == [GONE["lost"], "Nobody knows how job/restore-x ended: look at the target."]


def test_a_server_that_does_not_answer_is_asked_again_and_told_once(room):
    done = room.paste(PASTE, [RUNNING, *[DOWN] * 4, DONE])
    assert (done.code, done.said.count(DOWN["lost"])) == (0, 1)


def test_a_server_that_never_answers_again_ends_it(room):
    assert "150\\ *)" in PASTE  # looks, 2 seconds apart: some five minutes
    done = room.paste(PASTE.replace("150\\ *)", "4\\ *)"), [RUNNING, DOWN])
    assert (done.code, done.lines[-1]) == (1, "Nobody knows how job/restore-x ended: look at the target.")
    assert heads(done).count("get job") == 1 + 4


@pytest.mark.parametrize(("code", "ends", "says"), [(0, 0, "Restored."), (3, 1, "It failed: AuthenticationFailed: ")])
def test_a_finished_runner_beside_a_sidecar_that_goes_on_is_an_end(room, code, ends, says):
    beside = {"pod": f"restore-x-1 Running/{code}/", "report": REPORT}
    done = room.paste(PASTE, [RUNNING, beside])
    assert done.code == ends
    assert done.lines[-1].startswith(says)
    assert done.lines[-2] == ("Another container keeps its Pod: kubectl -n shop delete job/restore-x")


def test_a_container_whose_end_the_job_does_not_show_yet_is_no_sidecar(room):
    done = room.paste(PASTE, [RUNNING, {"pod": "restore-x-1 Running/3/"}, {"pod": "restore-x-1 Failed/3/"}, FAILED])
    assert "another container" not in done.said
    assert done.code == 1


def test_a_pod_that_was_evicted_is_followed_by_the_next_ones_log(room):
    second = {"pod": "restore-x-2 Running//2026-11-28T17:00:09Z", "log": "second\n"}
    done = room.paste(
        PASTE, [RUNNING, {"pod": "restore-x-1 Failed/137/"}, second, DONE | {"pod": "restore-x-2 Succeeded/0/"}]
    )
    assert [line for line in done.lines if line in ("second", '{"event":"progress"}')] == [
        '{"event":"progress"}',
        "second",
    ]
    assert done.code == 0


def test_what_others_write_moves_no_cursor(room):
    evil = "\x1b]0;x\x07\x9b2J\u202e\r"
    done = room.paste(
        PASTE, [{"event": evil}, RUNNING | {"log": evil + "\n"}, FAILED | {"report": REPORT.replace("check", evil)}]
    )
    assert done.said.replace("\n", "").isprintable()
    assert done.said.isascii()


def test_a_shell_with_its_strictest_settings_pastes_it_as_well(room):
    done = room.paste("set -euo pipefail\n" + PASTE, [WAITING, RUNNING, DOWN, DONE])
    assert (done.code, done.lines[-1]) == (0, "Restored.")


def test_nothing_of_it_is_left_in_the_shell(room):
    done = room.paste(PASTE + "\nset | grep -c -e followed -e restore-x -e ^ask || echo clean; type ask", [DONE])
    assert "ask" not in done.said.partition("Restored.")[2].replace("ask: not found", "").replace("type: ask", "")


# -- the Job is like the policy's


def test_the_pod_has_all_that_the_policy_gives_to_its_backups(room):
    status = a_status(POLICIES["postgresql"])
    job = room.paste(PASTE).job
    assert job is not None
    pod, theirs = (
        job["spec"]["template"],
        jobs.pod_template(
            {}, task.RestoreTask.model_construct(kind="restore", deadline_seconds=1), [], status.resolved.job, RUNNER
        ),
    )
    assert theirs["metadata"]["labels"].items() <= pod["metadata"]["labels"].items()
    assert theirs["metadata"]["annotations"] == pod["metadata"]["annotations"]
    varying = {"containers", "volumes", "activeDeadlineSeconds"}
    assert {key: value for key, value in pod["spec"].items() if key not in varying} == {
        key: value for key, value in theirs["spec"].items() if key not in varying
    }
    assert pod["metadata"]["labels"]["team"] == "payments"
    assert pod["spec"]["nodeSelector"] == {"disk": "fast"}
    assert (job["spec"]["backoffLimit"], len(job["spec"]["podFailurePolicy"]["rules"])) == (0, 2)
    assert "ownerReferences" not in job["metadata"]
    assert "activeDeadlineSeconds" not in job["spec"]


def test_a_job_that_is_longer_than_a_status_may_hold_leaves_the_commands_out_and_the_backup_good():
    job = {"podAnnotations": {f"example.com/{n}": "ü" * 4096 for n in range(16)}}
    text = restore_command(OWNER, as_begun(a_status(a_policy(job=job))), RUNNER)
    assert "the length of its Job (job.podAnnotations, most often) does not allow any." in text
    assert text.endswith("\nfalse")
    assert len(text) < MAX_COMMANDS
