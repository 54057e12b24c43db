"""What becomes of a migration Job that asks for a backup before it: decided, without any cluster."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.builders import NOW, ago

from holdfast import clock
from holdfast.decide.decision import Do, MakeBackup, ReleaseJob, Rest, Tell
from holdfast.decide.gate import BackupBefore, Observation, Other, decide, standing
from holdfast.decide.migrations import MigrationJob, migration_job

RUNS, GOOD = BackupBefore(ours=True), BackupBefore(ours=True, good=True, over=True)
FAILED = BackupBefore(ours=True, over=True, failed_for="ConnectionRefused")


def a_body(**spec: Any) -> dict[str, Any]:
    containers = [{"image": "shop/migrate:2"}, {"image": "shop/sidecar:1"}]
    pod = {"containers": containers, "initContainers": [{"image": "shop/migrate:2"}, {"image": "busybox"}]}
    meta = {
        "namespace": "shop", "name": "migrate", "uid": "j-1", "resourceVersion": "7",
        "creationTimestamp": "2026-11-22T01:00:00Z", "labels": {"holdfast.dev/backup-first": "orders"},
        "annotations": {"holdfast.dev/revision": "v2"},
    }  # fmt: skip
    return {"metadata": meta, "spec": {"suspend": True, "template": {"spec": pod}} | spec}


def a_migration(**changes: Any) -> MigrationJob:
    return replace(migration_job(a_body()), **changes)


def another(seconds_ago: float, *, begun: bool = False, stuck: bool = False) -> Other:
    return Other("other", "j-2", ago(seconds_ago), begun, stuck)


def seen(job: MigrationJob | None = None, **changes: Any) -> Observation:
    return Observation(job or a_migration(created=ago(60)), **{"policy": True} | changes)


def told(o: Observation) -> tuple[bool, str, str]:
    decision = decide(o, NOW)
    assert isinstance(decision, Do)
    assert isinstance(decision.act, Tell)
    assert decision.act.job == o.job
    said = decision.act.said
    return said.warning, said.reason, said.message


def test_a_job_is_read_with_what_its_backup_says_of_the_release():
    job = migration_job(a_body())
    assert (job.policy, job.suspended, job.held, job.revision) == ("orders", True, True, "v2")
    assert job.images == ("shop/migrate:2", "shop/sidecar:1", "busybox")


@pytest.mark.parametrize("value", [None, 7, [], {"a": 1}], ids=str)
def test_whatever_stands_in_a_job_it_is_read(value: Any):
    body = a_body(template={"spec": {"containers": value}})
    body["metadata"] |= {"labels": value, "annotations": value}
    body["status"] = value
    job = migration_job(body)
    assert (job.policy, job.images, job.revision, job.request, job.finished) == ("", (), None, "", False)


def test_what_a_person_is_shown_of_a_job_is_short_and_in_one_line():
    body = a_body(
        template={
            "spec": {"containers": [{"image": "a\x1b[2J\n" + "x" * 9999}] + [{"image": f"i{n}"} for n in range(99)]}
        }
    )
    body["metadata"]["annotations"] = {"holdfast.dev/revision": "v2\n" + "y" * 9999}
    job = migration_job(body)
    assert len(job.images) == 16
    assert (len(job.images[0]), job.images[0][:13]) == (512, "a\\u001b[2J xx")
    assert job.revision is not None
    assert (len(job.revision), job.revision[:4]) == (256, "v2 y")


@pytest.mark.parametrize(
    ("said", "shown"),
    [("x" * 256, "x" * 256), ("x" * 257, "x" * 255 + "…"), ("x" + "\n" * 256 + "y", "x ")],
    ids=["as long as may be", "longer by one", "what is out of bounds is not looked at"],
)
def test_a_request_is_cut_before_anything_is_done_with_it(said: str, shown: str):
    body = a_body()
    body["metadata"]["annotations"] = {"holdfast.dev/backup-now": said}
    assert migration_job(body).request == shown


def test_a_job_without_a_version_or_a_time_is_as_old_as_can_be():
    body = a_body()
    known = migration_job(body)
    assert (known.resource_version, known.created) == ("7", datetime(2026, 11, 22, 1, tzinfo=UTC))
    del body["metadata"]["resourceVersion"], body["metadata"]["creationTimestamp"]
    job = migration_job(body)
    assert (job.resource_version, job.created) == ("0", clock.EPOCH)


@pytest.mark.parametrize("kind", ["Complete", "Failed"])
@pytest.mark.parametrize(("status", "finished"), [("True", True), ("False", False), ("Unknown", False)])
def test_a_job_has_ended_only_when_its_condition_is_true(kind: str, status: str, finished: bool):
    body = a_body() | {"status": {"conditions": [{"type": kind, "status": status}]}}
    assert migration_job(body).finished is finished


@pytest.mark.parametrize(
    ("changes", "held"),
    [({}, True), ({"suspended": False}, False), ({"complete": True}, False), ({"failed": True}, False),
     ({"deleting": True}, False)],
    ids=["suspended", "it runs", "it is complete", "it failed", "it is being deleted"],
)  # fmt: skip
def test_a_job_is_held_while_it_waits_and_may_still_be_let_go(changes: dict[str, bool], held: bool):
    assert a_migration(**changes).held is held


def test_the_backups_name_is_the_same_for_the_same_job_policy_and_request_alone():
    job = a_migration()
    others = [a_migration(uid="j-2"), a_migration(policy="carts"), a_migration(request="again")]
    assert job.backup_name == a_migration(resource_version="9", images=()).backup_name
    assert len({each.backup_name for each in (job, *others)}) == 4
    long = a_migration(name="migrate." + "x" * 55).backup_name
    assert len(long) <= 63
    assert "." not in long


def test_a_held_job_has_its_backup_made():
    assert decide(seen(), NOW) == Do(MakeBackup(a_migration().backup_name))


def test_it_is_released_when_that_has_succeeded():
    job = a_migration(created=ago(60))
    assert decide(seen(job, backup=GOOD), NOW) == Do(ReleaseJob(job, job.backup_name))


@pytest.mark.parametrize(
    ("o", "reason", "says"),
    [
        (seen(backup=RUNS), "MigrationHeld", "until DatabaseBackup migrate-before-"),
        (seen(policy=False, backup=RUNS), "MigrationHeld", "until DatabaseBackup migrate-before-"),
        (seen(others=(another(10, begun=True),)), "MigrationWaits", "until Job other"),
        (seen(backup=replace(GOOD, released=True)), "MigrationSuspended", "does not release it again"),
    ],
    ids=["while its backup is under way", "the policy went when the backup had begun",
         "while another one of its policy migrates", "suspended again by a person"],
)  # fmt: skip
def test_it_stays_suspended_and_is_told_why(o: Observation, reason: str, says: str):
    warning, why, sentence = told(o)
    assert (warning, why) == (False, reason)
    assert says in sentence


@pytest.mark.parametrize(
    ("o", "reason", "says"),
    [
        (seen(backup=FAILED), "BackupBeforeFailed", "ConnectionRefused"),
        (seen(backup=BackupBefore(ours=True, over=True)), "BackupBeforeFailed", "not a good backup:"),
        (seen(backup=replace(GOOD, ours=False)), "BackupBeforeFailed", "not created for this Job"),
        (seen(policy=False), "PolicyNotFound", "BackupPolicy 'orders'"),
        (seen(policy=False, backup=BackupBefore(ours=True, waits=True)), "PolicyNotFound", "create the policy"),
        (seen(refused="exceeded quota"), "MigrationNotReleased", "refuses its backup: exceeded quota"),
        (seen(refused="denied", backup=GOOD), "MigrationNotReleased", "refuses to release it: denied"),
        (seen(a_migration(suspended=False)), "MigrationNotHeld", "not created with spec.suspend: true"),
    ],
    ids=["its backup failed", "its backup is gone from the store or going", "a stranger's backup has the name",
         "no policy", "the policy went before the backup began", "a quota refuses the backup",
         "the API server refuses the release", "it was never held"],
)  # fmt: skip
def test_what_a_person_has_to_mend_is_a_warning_that_says_what_to_do(o: Observation, reason: str, says: str):
    warning, why, sentence = told(o)
    assert (warning, why) == (True, reason)
    assert says in sentence
    assert "What to do: " in sentence


def test_how_to_try_again_is_said_as_a_command():
    sentence = told(seen(backup=FAILED))[2]
    assert 'kubectl -n shop annotate job migrate --overwrite holdfast.dev/backup-now="$(date +%s)"' in sentence


def test_what_is_said_fits_into_an_event_with_what_to_do_however_long_the_reason():
    sentence = told(seen(refused="x" * 5000))[2]
    assert len(sentence.encode()) <= 1024
    assert sentence.endswith("tries again each minute")


def test_what_the_api_server_refuses_is_asked_for_again_each_minute():
    assert decide(seen(refused="exceeded quota"), NOW).due == NOW + timedelta(minutes=1)


@pytest.mark.parametrize(
    "job",
    [a_migration(complete=True), a_migration(failed=True), a_migration(deleting=True),
     a_migration(suspended=False, complete=True), a_migration(suspended=False, deleting=True)],
    ids=["it is complete", "it failed", "it is being deleted", "it ran to its end", "it ran, and is being deleted"],
)  # fmt: skip
@pytest.mark.parametrize("backup", [None, RUNS, GOOD, FAILED], ids=["no backup", "runs", "good", "failed"])
def test_a_job_that_has_ended_or_goes_is_left_alone(job: MigrationJob, backup: BackupBefore | None):
    assert decide(seen(job, backup=backup), NOW) == Rest()


@pytest.mark.parametrize("backup", [RUNS, GOOD, FAILED], ids=["runs", "good", "failed"])
def test_a_job_that_runs_is_never_touched(backup: BackupBefore):
    assert decide(seen(a_migration(suspended=False), backup=backup), NOW) == Rest()


def test_a_job_whose_wish_changed_after_its_backup_was_taken_was_held():
    assert decide(seen(a_migration(suspended=False), held_before=True), NOW) == Rest()


@pytest.mark.parametrize(
    ("others", "goes"),
    [
        ((), True),
        ((another(10),), True),
        ((another(90),), False),
        ((another(90, stuck=True),), True),
        ((another(10, begun=True),), False),
    ],
    ids=["alone", "a younger one waits", "an older one waits", "an older one waits for a person", "one has begun"],
)
def test_of_two_jobs_at_once_the_older_goes_first_and_nobody_waits_for_one_that_is_stuck(
    others: tuple[Other, ...], goes: bool
):
    assert (decide(seen(others=others), NOW) == Do(MakeBackup(a_migration().backup_name))) is goes


def test_of_several_that_go_first_the_oldest_is_named():
    others = tuple(replace(another(age), name=name) for name, age in [("third", 70), ("first", 90), ("second", 80)])
    assert "until Job first, which" in told(seen(others=others))[2]


def test_a_job_never_waits_for_itself():
    job = a_migration(created=ago(60))
    itself = Other(job.name, job.uid, job.created, begun=True, stuck=False)
    assert decide(seen(job, others=(itself,)), NOW) == Do(MakeBackup(job.backup_name))


def test_two_jobs_of_one_second_never_wait_for_each_other():
    one, two = a_migration(created=NOW), a_migration(created=NOW, uid="j-2", name="other")
    stands = (standing(one, None), standing(two, None))
    first, second = (decide(seen(each, others=stands), NOW + timedelta(1)) for each in (one, two))
    assert isinstance(first, Do)
    assert isinstance(first.act, MakeBackup)
    assert isinstance(second, Do)
    assert isinstance(second.act, Tell)


@pytest.mark.parametrize(
    ("job", "backup", "stands"),
    [
        (a_migration(), None, (False, False)),
        (a_migration(), RUNS, (True, False)),
        (a_migration(), GOOD, (True, False)),
        (a_migration(), FAILED, (False, True)),
        (a_migration(), replace(RUNS, ours=False), (False, True)),
        (a_migration(suspended=False), GOOD, (True, False)),
        (a_migration(suspended=False), FAILED, (True, False)),
        (a_migration(suspended=False), None, (True, False)),
        (a_migration(suspended=False, deleting=True), GOOD, (True, False)),
        (a_migration(deleting=True), GOOD, None),
        (a_migration(suspended=False, complete=True), GOOD, None),
        (a_migration(suspended=False, failed=True), GOOD, None),
    ],
    ids=["waits", "its backup runs", "is about to go", "its backup failed", "its name is taken", "migrates",
         "migrates, though its backup failed", "migrates, and was never held", "migrates, and is being deleted",
         "deleted while held", "succeeded", "failed"],
)  # fmt: skip
def test_how_a_job_stands_to_others_of_its_policy(job, backup, stands):
    found = standing(job, backup)
    assert (None if found is None else (found.begun, found.stuck)) == stands
