"""What the operator decides about a backup: each row a situation, with the step and the words that follow from it."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.builders import (
    NOW,
    UID,
    a_backup,
    a_begun_backup,
    a_failure,
    a_job,
    a_pod,
    a_policy,
    a_success,
    ago,
    observed,
    settings,
)  # fmt: skip

from holdfast.api.backup import Cleanup, Phase
from holdfast.api.job import PodWanted
from holdfast.decide.backup import attempts
from holdfast.decide.backup.observation import BACKUP, CLEANUP, Observation
from holdfast.decide.backup.steps import decide
from holdfast.decide.decision import Create, Decision, Delete, Do, Expire, Learn, Rest, What
from holdfast.errors import EXIT_CODES, FINAL_EXIT_CODES, ExitCode, Reason
from holdfast.sentences import EVENT_BYTES

BACKOFF = "BackoffLimitExceeded"


def the_decision(o: Observation) -> Decision:
    return decide(o, settings(), NOW)


def condition(decision: Decision, kind: str) -> tuple[str, str]:
    assert decision.status is not None
    found = next(c for c in decision.status.conditions if c.type == kind)
    return found.status, found.reason


def test_a_backup_whose_policy_is_missing_waits_and_says_for_what():
    decision = the_decision(observed(a_backup()))

    assert decision.status.phase is Phase.PENDING
    assert decision.status.backup_id is None
    waits = "BackupPolicy orders does not exist in namespace shop; the backup waits for it"
    assert decision.status.message == decision.announcement.message == waits
    assert condition(decision, "Reconciling") == ("True", "PolicyNotFound")
    assert decision.announcement.reason == "PolicyNotFound"
    assert decision.act is None


def test_waiting_is_announced_once():
    first = the_decision(observed(a_backup()))
    again = the_decision(observed(a_backup(status=first.status)))

    assert again.announcement is None
    assert again.status == first.status


def test_the_id_the_folder_and_the_policy_are_fixed_before_any_job():
    decision = the_decision(observed(a_backup(label="before-v2"), policy=a_policy()))

    assert decision.act is None
    assert decision.status.backup_id == "backup-20261122-084500-before-v2"
    assert decision.status.location == "s3://backups/eu-1/shop/orders/backup-20261122-084500-before-v2/"
    assert decision.status.resolved.retention.days == 90
    assert decision.status.job_name.startswith("orders-1-backup-")


def test_a_pod_that_starts_as_expected_costs_no_write():
    begun = a_begun_backup()

    assert the_decision(observed(begun, job=a_job())).status == begun.status
    assert the_decision(observed(begun, job=a_job(), pods=(a_pod(),))).status == begun.status


def test_an_id_that_another_backup_has_is_told_apart():
    taken = frozenset({"backup-20261122-084500"})

    decision = the_decision(observed(a_backup(), policy=a_policy(), taken_ids=taken))

    assert decision.status.backup_id == f"backup-20261122-084500-{UID[:8]}"


def test_an_inline_policy_needs_no_other_resource():
    decision = the_decision(observed(a_backup(inline=a_policy())))

    assert decision.status.location == "s3://backups/eu-1/shop/orders-1/backup-20261122-084500/"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        pytest.param({"images": {"mysql-9": "x"}}, Reason.IMAGE_NOT_SET, id="no runner image for the engine"),
        pytest.param({"defaults": {}}, Reason.STORAGE_NOT_SET, id="no bucket anywhere"),
    ],
)
def test_what_no_job_could_do_fails_before_one_is_made(config, reason):
    observation = observed(a_backup(inline=a_policy(storage={})))

    decision = decide(observation, settings(**config), NOW)

    assert decision.status.phase is Phase.FAILED
    assert decision.status.failure.reason == reason
    assert decision.status.failure.remedy
    assert condition(decision, "Finished")[0] == "True"


@pytest.mark.timeout(2)
def test_what_an_older_operator_began_with_a_value_that_is_none_fails_in_a_sentence():
    job = {"resources": {"limits": {"ephemeral-storage": "1e999999"}}, "activeDeadlineSeconds": 60}

    decision = the_decision(observed(a_begun_backup(resolved=a_policy(job=job))))

    assert decision.status.failure.reason == Reason.INVALID_SPEC
    assert "job.resources.limits.ephemeral-storage must be a size from 1Mi to 1Ei" in decision.status.message


def test_an_end_in_the_last_year_that_there_is_has_the_last_day_for_its_expiry():
    """Somebody who may write a status may write that."""
    ended = a_begun_backup(inline=a_policy(), phase=Phase.SUCCEEDED, completed_at=datetime(9999, 12, 31, tzinfo=UTC))

    assert the_decision(observed(ended)).status.expires == "9999-12-31"


def test_once_the_id_is_written_the_job_is_made():
    assert the_decision(observed(a_begun_backup())).act == Create(BACKUP)


def test_a_job_that_vanished_before_its_end_is_made_again():
    assert the_decision(observed(a_begun_backup(phase=Phase.RUNNING))).act == Create(BACKUP)


def test_a_refused_job_is_tried_again_until_the_start_timeout():
    waiting = the_decision(observed(a_begun_backup(age=30), refusal="quota of Jobs"))
    over = the_decision(observed(a_begun_backup(age=601), refusal="quota of Jobs"))

    assert waiting.status.phase is Phase.PENDING
    assert "quota of Jobs" in waiting.status.message
    assert waiting.due > NOW
    assert over.status.failure.reason == Reason.JOB_REFUSED


def test_a_strangers_job_of_our_name_is_never_touched():
    stranger = a_job(owner="somebody-else", complete=True)

    failed = the_decision(observed(a_begun_backup(), job=stranger, pods_listed=True)).status

    assert (failed.phase, failed.failure.reason) == (Phase.FAILED, Reason.JOB_NAME_TAKEN)
    for job in (stranger, a_job(owner="somebody-else"), a_job(owner=None, failed=BACKOFF)):
        assert the_decision(observed(a_backup(status=failed), job=job)) == Rest()
        cleaning = failed.model_copy(update={"cleanup": Cleanup(job_name=job.name, state="Running")})
        ended = the_decision(observed(a_backup(status=cleaning), cleanup_job=job))
        assert (ended.act, ended.status.cleanup.state) == (None, "Failed")
        assert "not belong to this resource" in ended.announcement.message
        assert the_decision(observed(a_backup(status=ended.status), cleanup_job=job)) == Rest()


def test_a_deleted_backup_is_left_to_garbage_collection():
    assert the_decision(observed(a_backup(deleting=True), policy=a_policy())) == Rest()


def test_a_running_container_reads_running():
    decision = the_decision(observed(a_begun_backup(), job=a_job(), pods=(a_pod(phase="Running"),)))

    assert decision.status.phase is Phase.RUNNING
    assert condition(decision, "Finished") == ("False", "Running")


def test_a_replaced_pod_shows_as_a_retry():
    pods = (a_pod(exit_code=137, end_reason="OOMKilled"), a_pod(phase="Running", uid="pod-2"))

    decision = the_decision(observed(a_begun_backup(), job=a_job(failed_pods=1), pods=pods))

    assert decision.status.phase is Phase.RUNNING
    assert decision.status.retries == 1
    assert "retry 1" in decision.status.message


TROUBLE = [
    pytest.param({"waiting": "ErrImagePull", "waiting_message": "not found"}, None, Reason.IMAGE_PULL, id="image"),
    pytest.param({"unschedulable": "0/1 nodes"}, None, Reason.UNSCHEDULABLE, id="no node"),
    pytest.param({"waiting": "CreateContainerError"}, None, Reason.POD_REFUSED, id="container"),
    pytest.param(None, 'pods "x" is forbidden: exceeded quota: q', Reason.QUOTA_EXCEEDED, id="quota"),
    pytest.param(None, 'error looking up service account shop/b: serviceaccount "b" not found',
                 Reason.SERVICE_ACCOUNT_MISSING, id="service account"),
    pytest.param(None, 'violates PodSecurity "restricted:latest"', Reason.POD_SECURITY, id="pod security"),
    pytest.param(None, "denied by some webhook", Reason.POD_REFUSED, id="other admission"),
]  # fmt: skip


@pytest.mark.parametrize(("pod", "refusal", "reason"), TROUBLE)
def test_what_keeps_a_job_from_starting_is_said_while_it_waits(pod, refusal, reason):
    pods = (a_pod(**pod),) if pod else ()

    decision = the_decision(observed(a_begun_backup(), job=a_job(age=20), pods=pods, refusal=refusal))

    assert decision.status.phase is Phase.PENDING
    assert condition(decision, "Reconciling") == ("True", reason)
    assert decision.due == (pods[0].created if pods else ago(20)) + timedelta(seconds=600)


@pytest.mark.parametrize(("pod", "refusal", "reason"), TROUBLE)
def test_what_did_not_start_in_time_is_failed_with_the_reason_once_its_job_has_ended(pod, refusal, reason):
    pods = (a_pod(**pod, age=601),) if pod else ()
    wanted = PodWanted(since=ago(601), refused=True) if refusal else None
    seen = {"job": a_job(age=700), "pods": pods, "refusal": refusal}
    backup = a_begun_backup(pod_wanted=wanted)

    asked = the_decision(observed(backup, **seen))
    recorded = the_decision(observed(backup, **seen, pods_listed=True)).status

    assert asked == Do(Learn(What.PODS)), "the cache may be behind"
    assert (recorded.phase, recorded.failure.reason) == (Phase.PENDING, reason)
    assert "given up after 600 s" in recorded.failure.message
    assert "the backup is Failed once its Job has ended" in recorded.message
    assert recorded.cleanup is None, "nothing ran, so nothing can be left"
    assert isinstance(the_decision(observed(a_backup(status=recorded), **seen)).act, Delete)
    failed = the_decision(observed(a_backup(status=recorded), pods_listed=True))
    assert (failed.status.phase, failed.status.failure) == (Phase.FAILED, recorded.failure)
    assert (failed.announcement.reason, failed.announcement.warning) == ("BackupFailed", True)


def test_a_good_report_is_recorded_when_the_job_agrees():
    job, pods = a_job(complete=True), (a_pod(exit_code=0, end_reason="Completed", report=a_success()),)

    decision = the_decision(observed(a_begun_backup(), job=job, pods=pods))

    status = decision.status
    assert status.phase is Phase.SUCCEEDED
    assert (status.size, status.duration, status.expires) == ("82 MB", "12s", "2027-02-20")
    assert status.expires_at == NOW + timedelta(days=90)
    assert status.compression_ratio == 4.0
    assert [condition(decision, kind)[0] for kind in ("Finished", "Succeeded", "Verified", "Ready", "Stalled")] == [
        "True", "True", "True", "True", "False",
    ]  # fmt: skip
    assert status.cleanup is None
    assert decision.announcement.reason == "BackupSucceeded"


@pytest.mark.parametrize("code", FINAL_EXIT_CODES, ids=lambda code: code.name)
def test_a_documented_exit_code_fails_the_backup_with_the_runners_words(code):
    reason = next(reason for reason in Reason if EXIT_CODES.get(reason) is code)
    pod = a_pod(exit_code=code, report=a_failure(reason, message="this happened"))

    failed_by = a_job(failed="PodFailurePolicy", failed_pods=1)
    decision = the_decision(observed(a_begun_backup(), job=failed_by, pods=(pod,)))

    failure = decision.status.failure
    assert (failure.reason, failure.exit_code, failure.message) == (reason, code, "this happened")
    said = {kind: condition(decision, kind) for kind in ("Finished", "Succeeded", "Verified", "Ready", "Stalled")}
    assert said == {
        "Finished": ("True", reason), "Succeeded": ("False", reason), "Verified": ("False", reason),
        "Ready": ("False", reason), "Stalled": ("True", reason),
    }  # fmt: skip
    assert decision.status.cleanup is None
    assert decision.announcement.warning


def test_what_the_runner_warns_of_reaches_whoever_reads_the_status():
    report = a_success().model_copy(update={"warnings": ["the tool is old", "so is the server"]})
    pods = (a_pod(exit_code=0, report=report),)

    decision = the_decision(observed(a_begun_backup(), job=a_job(complete=True), pods=pods))

    assert decision.status.warnings == ["the tool is old", "so is the server"]
    assert decision.status.warning_count == 2
    assert (decision.announcement.warning, decision.announcement.reason) == (True, "BackupWarned")
    assert decision.announcement.message == f"{decision.status.message}; the tool is old; so is the server"


@pytest.mark.parametrize("warnings", [64 * ["w" * 4000], ["é" * 4000]], ids=["many", "of several bytes each"])
def test_an_event_of_warnings_has_no_more_than_an_event_may(warnings):
    report = a_success().model_copy(update={"warnings": warnings})
    pods = (a_pod(exit_code=0, report=report),)
    said = the_decision(observed(a_begun_backup(), job=a_job(complete=True), pods=pods)).announcement
    assert len(said.message.encode()) <= EVENT_BYTES


def test_a_backup_without_warnings_counts_none():
    pods = (a_pod(exit_code=0, report=a_success()),)
    assert the_decision(observed(a_begun_backup(), job=a_job(complete=True), pods=pods)).status.warning_count is None


def test_an_interrupted_pod_is_replaced_and_does_not_fail_the_backup():
    pod = a_pod(exit_code=ExitCode.INTERRUPTED, report=a_failure(Reason.INTERRUPTED))

    going_on = the_decision(observed(a_begun_backup(), job=a_job(failed_pods=1), pods=(pod,)))
    over = the_decision(observed(a_begun_backup(), job=a_job(failed="BackoffLimitExceeded"), pods=(pod,)))

    assert going_on.status.phase is Phase.RUNNING
    assert over.status.failure.reason == Reason.INTERRUPTED


@pytest.mark.parametrize(
    ("pod", "job_reason", "reason"),
    [
        pytest.param({"exit_code": 137, "end_reason": "OOMKilled"}, BACKOFF, Reason.OUT_OF_MEMORY, id="memory"),
        pytest.param({"exit_code": 137}, BACKOFF, Reason.CONTAINER_KILLED, id="SIGKILL"),
        pytest.param({"phase": "Failed", "reason": "Evicted"}, BACKOFF, Reason.EVICTED, id="evicted"),
        pytest.param({"phase": "Failed", "disrupted": "node gone"}, BACKOFF, Reason.POD_LOST, id="node"),
        pytest.param({"exit_code": 1, "message": "Traceback"}, BACKOFF, Reason.REPORT_MISSING, id="no report"),
        pytest.param({"phase": "Failed", "reason": "DeadlineExceeded"}, "PodFailurePolicy",
                     Reason.DEADLINE_EXCEEDED, id="the Pod's deadline"),
        pytest.param(None, "DeadlineExceeded", Reason.DEADLINE_EXCEEDED, id="the Job's deadline"),
        pytest.param(None, BACKOFF, Reason.POD_LOST, id="the Pods are gone"),
    ],
)  # fmt: skip
def test_an_end_without_a_report_has_its_own_reason_and_is_cleaned_up_after(pod, job_reason, reason):
    pods = (a_pod(**pod),) if pod else ()
    observation = observed(
        a_begun_backup(phase=Phase.RUNNING), job=a_job(failed=job_reason, failed_pods=1), pods=pods, pods_listed=True
    )

    decision = the_decision(observation)

    assert decision.status.failure.reason == reason
    assert decision.announcement.message.startswith(f"{reason}: ")
    assert decision.announcement.message.endswith(f". What to do: {decision.status.failure.remedy}")
    ran = pods and pods[0].started
    assert (decision.status.cleanup is not None) == bool(ran or not pods)


@pytest.mark.parametrize("end_reason", ["OOMKilled", "Error"], ids=["the node says so", "the node forgot to"])
def test_a_container_killed_for_memory_is_told_to_have_more_of_it(end_reason):
    pod = a_pod(exit_code=137, end_reason=end_reason)
    job = a_job(failed=BACKOFF, failed_pods=1)

    decision = the_decision(observed(a_begun_backup(), job=job, pods=(pod,), pods_listed=True))

    assert "job.resources.limits.memory" in decision.status.failure.remedy


def test_a_finished_job_is_never_judged_by_the_cache_alone():
    assert the_decision(observed(a_begun_backup(), job=a_job(complete=True))).act == Learn(What.PODS)
    assert the_decision(observed(a_begun_backup(), job=a_job(failed="BackoffLimitExceeded"))).act == Learn(What.PODS)


def test_a_lost_report_is_asked_for_by_another_job_and_in_the_end_given_up():
    job = a_job(complete=True, ttl_set=True)
    lost = observed(a_begun_backup(), job=job, pods_listed=True)
    last = observed(a_begun_backup(attempt=attempts.MOST), job=job, pods_listed=True)

    again, over = the_decision(lost), the_decision(last)

    assert again.status.attempt == 2
    assert again.status.job_name != lost.backup.status.job_name
    assert again.status.backup_id == lost.backup.status.backup_id
    assert over.status.failure.reason == Reason.REPORT_MISSING


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.RUNNING])
def test_after_a_lost_report_what_that_job_may_have_left_is_remembered_until_the_end(phase):
    lost = observed(a_begun_backup(phase=phase), job=a_job(complete=True, ttl_set=True), pods_listed=True)
    again = the_decision(lost).status
    found = (a_pod(exit_code=0, report=a_success(found=True)),)

    over = the_decision(observed(a_backup(status=again), job=a_job(complete=True), pods=found))

    assert again.cleanup.state == over.status.cleanup.state == "Running"
    assert over.status.phase is Phase.SUCCEEDED


IMAGES = {"postgres-15": "runner:15", "postgres-17": "runner:17"}
OLD, NEW = Reason.TOOL_TOO_OLD, Reason.TOOL_TOO_NEW


def met(reason: Reason, server: int | None, *, known: int | None = None, attempt: int = 1, **job):
    """A Job whose runner met a server that another image fits better, and whose backup was begun knowing `known`."""
    pods = (a_pod(exit_code=ExitCode.TOOL, report=a_failure(reason, server_major=server)),)
    backup = a_begun_backup(server_major=known, attempt=attempt)
    return observed(
        backup, job=a_job(**{"failed": "PodFailurePolicy", "failed_pods": 1, "ttl_set": True} | job), pods=pods
    )


def with_images(o: Observation) -> Decision:
    return decide(o, settings(images=IMAGES), NOW)


@pytest.mark.parametrize(
    ("reason", "known", "server", "key"),
    [
        pytest.param(NEW, None, 15, "postgres-15", id="the first backup of an older server"),
        pytest.param(OLD, 15, 17, "postgres-17", id="a server that was upgraded"),
        pytest.param(NEW, 17, 15, "postgres-15", id="a server that was replaced by an older one"),
        pytest.param(OLD, 15, 16, "postgres-17", id="no image of the server's own version: the next newer one"),
    ],
)
def test_a_server_that_another_image_fits_is_backed_up_by_that_one(reason, known, server, key):
    o = met(reason, server, known=known)

    decision = with_images(o)

    assert decision.act is None
    assert decision.status.phase is Phase.PENDING
    assert (decision.status.attempt, decision.status.server_major) == (2, server)
    assert decision.status.job_name != o.backup.status.job_name
    assert decision.status.backup_id == o.backup.status.backup_id
    assert decision.status.location == o.backup.status.location
    assert decision.status.cleanup is None
    assert condition(decision, "Reconciling") == ("True", "RunnerChanged")
    assert not decision.announcement.warning
    assert f"with image {key}" in decision.announcement.message


def test_the_job_that_another_image_follows_is_let_go_in_five_minutes_before_it_is_out_of_sight():
    o = met(NEW, 15, ttl_set=False)
    assert with_images(o) == Do(Expire(o.job, 300))


@pytest.mark.parametrize(
    ("reason", "known", "server", "attempt"),
    [
        pytest.param(OLD, 17, 18, 1, id="no image is new enough"),
        pytest.param(OLD, None, 18, 1, id="not even the newest is new enough"),
        pytest.param(OLD, 17, 17, 2, id="the image was picked for this very server"),
        pytest.param(OLD, 17, None, 1, id="a report that names no version"),
        pytest.param(NEW, 17, 15, attempts.MOST, id="enough Jobs were tried"),
        pytest.param(Reason.TOOL_NOT_FOUND, 17, 15, 1, id="a failure that no other image mends"),
    ],
)
def test_where_another_image_would_not_help_the_backup_fails_with_the_runners_words(reason, known, server, attempt):
    decision = with_images(met(reason, server, known=known, attempt=attempt))

    assert decision.status.phase is Phase.FAILED
    assert (decision.status.failure.reason, decision.status.failure.remedy) == (reason, "mend it")
    assert decision.status.server_major == (server or known)


def test_a_pod_that_was_killed_before_another_image_took_over_is_cleaned_up_after_in_the_end():
    o = met(NEW, 15, failed_pods=2)
    taken_over = with_images(o).status
    done = (a_pod(exit_code=0, report=a_success(server_major=15)),)

    over = with_images(observed(a_backup(status=taken_over), job=a_job(complete=True), pods=done))

    assert taken_over.cleanup.state == over.status.cleanup.state == "Running"
    assert over.status.server_major == 15


def test_a_backup_begins_with_what_is_known_of_its_server():
    decision = with_images(observed(a_backup(), policy=a_policy(), known_major=15))

    assert decision.status.server_major == 15


def test_success_after_a_killed_pod_still_cleans_up_what_that_pod_left():
    pods = (a_pod(exit_code=137), a_pod(exit_code=0, report=a_success(), uid="pod-2"))

    decision = the_decision(observed(a_begun_backup(), job=a_job(failed_pods=1, complete=True), pods=pods))

    assert decision.status.phase is Phase.SUCCEEDED
    assert decision.status.cleanup.state == "Running"


def test_a_report_that_could_not_clean_up_is_cleaned_up_after():
    pod = a_pod(exit_code=6, report=a_failure(Reason.STORAGE_UNAVAILABLE, clean=False))

    job = a_job(failed="PodFailurePolicy", failed_pods=1)
    decision = the_decision(observed(a_begun_backup(), job=job, pods=(pod,)))

    assert decision.status.cleanup is not None


def finished(**changes):
    job, pods = a_job(complete=True), (a_pod(exit_code=0, report=a_success()),)
    status = the_decision(observed(a_begun_backup(), job=job, pods=pods)).status
    return a_begun_backup(**{**status.__dict__, **changes})


def test_a_settled_backup_costs_nothing():
    assert the_decision(observed(finished(), job=a_job(complete=True, ttl_set=True))) == Rest()
    assert the_decision(observed(finished())) == Rest()


def test_a_job_may_expire_only_once_its_report_is_recorded():
    assert isinstance(the_decision(observed(finished(), job=a_job(complete=True))).act, Expire)


def test_a_changed_retention_moves_the_expiry_of_a_backup_without_a_policy():
    backup = finished()
    longer = a_backup(inline=a_policy(), retention_days=180, status=backup.status, generation=2)

    decision = the_decision(observed(longer))

    assert decision.status.expires_at == NOW + timedelta(days=180)
    assert decision.status.observed_generation == 2


WITHOUT_POSTGRES = settings(images={"mysql-9": "x"})  # as after an upgrade of the chart with fewer images


def test_a_backup_whose_image_the_chart_no_longer_has_fails_before_its_job_is_made():
    decision = decide(observed(a_begun_backup()), WITHOUT_POSTGRES, NOW)

    assert (decision.status.phase, decision.status.failure.reason) == (Phase.FAILED, "ImageNotSet")
    assert decision.act is None


def test_a_cleanup_whose_image_the_chart_no_longer_has_says_so_and_waits_for_it():
    pending = finished().status.model_copy(update={"cleanup": Cleanup(job_name="c", state="Running")})

    waiting = decide(observed(a_backup(status=pending)), WITHOUT_POSTGRES, NOW)
    again = decide(observed(a_backup(status=waiting.status)), WITHOUT_POSTGRES, NOW)
    back = the_decision(observed(a_backup(status=waiting.status)))

    assert (waiting.act, waiting.status.cleanup.state) == (None, "Running")
    assert "runner.images has no key postgres-<version>. What to do:" in waiting.status.cleanup.message
    assert again.status == waiting.status
    assert back.act == Create(CLEANUP)


def test_a_cleanup_is_made_followed_and_recorded():
    pending = finished().status.model_copy(update={"cleanup": Cleanup(job_name="c", state="Running")})
    backup = a_backup(status=pending)
    report = a_success().model_copy(update={"kind": "cleanup", "backup": None, "message": "removed 1 upload"})

    made = the_decision(observed(backup))
    unseen = the_decision(observed(backup, cleanup_job=a_job(name="c", complete=True)))
    ended = the_decision(
        observed(backup, cleanup_job=a_job(name="c", complete=True), cleanup_pods=(a_pod(exit_code=0, report=report),))
    )
    lost = the_decision(observed(backup, cleanup_job=a_job(name="c", failed="BackoffLimitExceeded"), pods_listed=True))

    assert made.act == Create(CLEANUP)
    assert unseen.act == Learn(What.PODS)
    assert (ended.status.cleanup.state, ended.status.cleanup.message) == ("Done", "removed 1 upload")
    assert lost.status.cleanup.state == "Failed"
    assert lost.announcement.warning
