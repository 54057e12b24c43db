"""What a snapshot changes for the operator: its name, image, Job, status, and the way back. Nothing here asks AWS."""

import re
import shlex

import botocore.session
import pytest
from hypothesis import HealthCheck, given
from hypothesis import Phase as HypothesisPhase
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from tests.budget import examples
from tests.builders import (
    NOW,
    UID,
    a_backup,
    a_begun_backup,
    a_job,
    a_pod,
    a_policy,
    ago,
    an_rds_policy,
    as_begun,
    observed,
    settings,
)
from tests.pasting import Room

from holdfast import naming
from holdfast.api import aws
from holdfast.api.backup import Phase, Snapshot, SnapshotInRegion, VerificationRun
from holdfast.api.rds import SAFE_ENDPOINT, RDSInstance
from holdfast.contract import paths
from holdfast.contract import snapshot as contract
from holdfast.contract import task as tasks_contract
from holdfast.contract.report import BackupReport, Report
from holdfast.contract.task import SnapshotCleanupTask, SnapshotTask, SnapshotVerifyTask
from holdfast.decide.backup.steps import decide
from holdfast.decide.resolve import image_of, resolve
from holdfast.errors import HoldfastError, Reason
from holdfast.manifests import jobs, methods, restore_snapshot

RDS_NAME = re.compile(r"[a-z](-?[a-z0-9])*")
OWNER = jobs.Owner("DatabaseBackup", "shop", "orders-1", UID, "orders")
RUNNER = jobs.Runner("holdfast-runner-aws:1", "IfNotPresent", {})
SNAPSHOT = Snapshot(
    arn="arn:aws:rds:eu-central-1:123456789012:snapshot:holdfast-backup-1", region="eu-central-1", kind="instance",
    source="orders", engine="postgres", engine_version="17.4", encrypted=True, kms_key_id="alias/x",
    allocated_bytes=20 << 30, instance_class="db.t4g.medium", subnet_group="my db group",
    security_groups=["sg-1", "sg-2"],
)  # fmt: skip
CLUSTER = SNAPSHOT.model_copy(
    update={"kind": "cluster", "engine": "aurora-postgresql", "instance_class": None, "allocated_bytes": None}
)
LABELS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)


def begun(**changes):
    """A backup of an RDS instance whose id is fixed."""
    backup = decide(observed(a_backup(), policy=an_rds_policy()), settings(), ago(30)).status
    assert backup is not None
    return a_begun_backup(**{**dict(backup), **changes})


def a_snapshot_report(snapshot=SNAPSHOT, size=20 << 30, found=False):
    snapshot = contract.Snapshot.model_validate(snapshot.to_dict())
    return Report(
        kind="rds-snapshot", outcome="Succeeded", started_at=ago(300), completed_at=NOW, duration_seconds=300,
        backup=BackupReport(
            backup_id="backup-20261122-084430", size_bytes=size, snapshot=snapshot, tool_version="RDS CreateDBSnapshot",
            server_version="postgres 17.4", integrity_check="RDS says: available, encrypted", file_readable="not read",
            verified_at=NOW, found=found,
        ),
    )  # fmt: skip


@given(st.none() | LABELS, st.uuids().map(str))
def test_a_snapshots_name_is_one_that_rds_takes_for_any_label(label, uid):
    name = naming.snapshot_name(naming.backup_id(NOW, label, uid, ()), uid)
    assert RDS_NAME.fullmatch(name)
    assert len(name) <= 63


@given(LABELS, st.uuids().map(str), st.uuids().map(str))
def test_two_backups_never_share_a_snapshots_name(label, one, another):
    identifier = naming.backup_id(NOW, label, one, ())
    names = {naming.snapshot_name(identifier, uid) for uid in (one, another)}
    assert len(names) == len({one[:18], another[:18]})


def test_only_the_image_for_aws_takes_snapshots():
    resolved = resolve(an_rds_policy(), settings())
    assert image_of(resolved, settings()) == ("aws", "holdfast-runner-aws:1")
    with pytest.raises(HoldfastError, match="lacks the key aws") as caught:
        image_of(resolved, settings(images={"postgres-17": "x"}))
    assert caught.value.reason is Reason.IMAGE_NOT_SET


def test_what_has_no_effect_is_not_said_to_be_in_force():
    resolved = resolve(an_rds_policy(), settings()).to_dict()
    assert "dump" not in resolved
    assert "scratch" not in resolved["job"]
    assert resolve(a_policy(), settings()).to_dict()["dump"]["format"] == "sql"


def test_the_job_has_the_task_and_the_secrets_that_the_policy_names():
    backup = begun(resolved=resolve(an_rds_policy(secretName="aws-credentials"), settings()))
    status = backup.status
    work = methods.of(OWNER, as_begun(status)).backup(backup.spec, [])
    job = jobs.backup_job("orders-1-backup-x", OWNER, 1, work, status.resolved, RUNNER)
    pod = job["spec"]["template"]["spec"]
    told = tasks_contract.parse(pod["containers"][0]["env"][0]["value"])
    assert isinstance(told, SnapshotTask)
    assert (told.instance.identifier, told.backup.uid) == ("orders", UID)
    mounts = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts == {paths.RUN, paths.DATABASE_SECRET}


def test_without_a_secret_the_jobs_own_identity_is_left_to_work():
    backup = begun()
    work = methods.of(OWNER, as_begun(backup.status)).backup(backup.spec, [])
    job = jobs.backup_job("orders-1-backup-x", OWNER, 1, work, backup.status.resolved, RUNNER)
    assert [volume["name"] for volume in job["spec"]["template"]["spec"]["volumes"]] == ["run"]


def test_the_cleanup_knows_the_snapshot_and_has_as_long_as_the_backup_had():
    backup = begun(resolved=resolve(an_rds_policy(secretName="aws-credentials"), settings()))
    work = methods.of(OWNER, as_begun(backup.status)).cleanup()
    assert isinstance(work, SnapshotCleanupTask)
    assert (work.backup_uid, work.backup_id) == (UID, backup.status.backup_id)
    assert work.deadline_seconds == 21600
    job = jobs.cleanup_job("orders-1-cleanup-x", OWNER, work, backup.status.resolved.job, RUNNER)
    volumes = job["spec"]["template"]["spec"]["volumes"]
    assert [volume["name"] for volume in volumes] == ["run", "database"]


def test_a_verification_has_the_secret_that_aws_is_asked_with_and_no_level():
    resolved = resolve(an_rds_policy(secretName="aws-credentials"), settings())
    run = VerificationRun(request="1", number=1, state="Running", job_name="orders-1-verify-x", started_at=NOW)
    status = begun(resolved=resolved).status.model_copy(update={"verification_run": run})
    work = methods.of(OWNER, as_begun(status)).verification(status.verification_run.level)
    job = jobs.verify_job("orders-1-verify", 1, OWNER, work, resolved, RUNNER)
    told = tasks_contract.parse(job["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"])
    assert isinstance(told, SnapshotVerifyTask)
    assert (told.backup_id, told.instance.identifier, told.level) == (status.backup_id, "orders", None)
    [secret] = [volume for volume in job["spec"]["template"]["spec"]["volumes"] if "secret" in volume]
    assert secret["secret"]["secretName"] == "aws-credentials"


@pytest.mark.parametrize(("report", "size", "sentence"), [
    pytest.param(a_snapshot_report(), "21 GB", "snapshot of orders (21 GB) available after 5m", id="instance"),
    pytest.param(a_snapshot_report(CLUSTER, None), None, "snapshot of orders available after 5m", id="cluster"),
    pytest.param(a_snapshot_report(found=True), "21 GB", "found and verified: snapshot of orders (21 GB)",
                 id="found again"),
])  # fmt: skip
def test_a_snapshot_succeeds_with_the_fields_of_a_dump(report, size, sentence):
    name = naming.snapshot_name("backup-20261122-084430", UID)
    taken = report.backup.snapshot
    named = taken.model_copy(update={"arn": taken.arn.replace("holdfast-backup-1", name)})
    report = report.model_copy(update={"backup": report.backup.model_copy(update={"snapshot": named})})
    pod = a_pod(exit_code=0, report=report)
    backup = begun(resolved=resolve(an_rds_policy(kind=taken.kind), settings()))
    seen = observed(backup, policy=an_rds_policy(), job=a_job(complete=True), pods=(pod,), pods_listed=True)
    status = decide(seen, settings(), NOW).status
    assert status is not None
    assert (status.phase, status.size, status.message) == (Phase.SUCCEEDED, size, sentence)
    assert (status.snapshot.to_dict(), status.expires) == (named.to_dict(), "2027-02-20")
    assert status.verification.integrity_check == "RDS says: available, encrypted"
    assert (status.sha256, status.compression_ratio) == (None, None)


def parameters(command):
    """Read `aws rds OPERATION --option value…` as the call that it makes, as RDS's own model knows it."""
    words = shlex.split(command)
    assert words[:2] == ["aws", "rds"]
    options, last = {}, ""
    for word in words[3:]:
        if word.startswith("--"):
            last = word
            options[last] = []
        else:
            options[last].append(word)
    model = botocore.session.Session().get_service_model("rds")
    name = next(each for each in model.operation_names if botocore.xform_name(each, "-") == words[2])
    shape = model.operation_model(name).input_shape
    known = {f"--{botocore.xform_name(member, '-')}": member for member in shape.members}
    assert options.pop("--no-publicly-accessible") == []
    assert "PubliclyAccessible" in shape.members
    found = {known[option]: value for option, value in options.items() if option not in ("--region", "--endpoint-url")}
    assert set(shape.required_members) <= set(found)
    return name, {member: value if len(value) > 1 else value[0] for member, value in found.items()}


def test_an_instance_is_restored_beside_the_old_one_by_a_call_that_rds_knows():
    text = restore_snapshot.restore_command("backup-1", SNAPSHOT, None)
    first, second = text.partition("\naws")[2].split(" &&\n")
    name, given_ = parameters("aws" + first)
    assert name == "RestoreDBInstanceFromDBSnapshot"
    assert given_ == {
        "DBSnapshotIdentifier": "holdfast-backup-1",
        "DBInstanceIdentifier": "${NEW_INSTANCE:?set it to the identifier of the new instance}",
        "DBSubnetGroupName": "my db group",
        "VpcSecurityGroupIds": ["sg-1", "sg-2"],
        "DBInstanceClass": "db.t4g.medium",
    }
    assert second.startswith("aws rds wait db-instance-available --region eu-central-1 ")


@pytest.mark.parametrize(("instance_class", "calls"), [
    pytest.param(None, ["RestoreDBClusterFromSnapshot", "CreateDBInstance"], id="aurora"),
    pytest.param("db.m6gd.large", ["RestoreDBClusterFromSnapshot"], id="multi-az"),
])  # fmt: skip
def test_a_cluster_is_restored_with_an_instance_in_it(instance_class, calls):
    text = restore_snapshot.restore_command(
        "backup-1", CLUSTER.model_copy(update={"instance_class": instance_class}), None
    )
    commands = ("aws" + text.partition("\naws")[2]).split(" &&\n")
    # Aurora's cluster is storage alone: whether it is reached from outside is its instance's matter
    private = [command for command in commands if "--no-publicly-accessible" in command]
    assert [parameters(command)[0] for command in private] == calls[-1:]
    assert [command.split()[2] for command in commands if " wait " not in command] == [
        botocore.xform_name(call, "-") for call in calls
    ]
    assert sum(" wait db-cluster-available " in command for command in commands) == 1


COPIED = SNAPSHOT.model_copy(
    update={
        "copy_in": SnapshotInRegion(arn=SNAPSHOT.arn.replace("central", "west"), region="eu-west-1", kms_key_id=None)
    }
)


def test_a_copy_is_restored_in_its_own_region_and_into_a_network_of_that_region(tmp_path):
    text = restore_snapshot.restore_command("backup-1", COPIED, None, elsewhere=True)
    assert "eu-central-1" not in text
    network = {"SUBNET_GROUP": "west group", "SECURITY_GROUPS": "sg-7 sg-8"}
    done = Room(tmp_path).paste(text, variables={"NEW_INSTANCE": "new"} | network)
    assert (done.code, done.strangers) == (0, [])
    made = done.calls[0]
    assert made[made.index("--region") + 1] == "eu-west-1"
    assert made[made.index("--db-subnet-group-name") + 1] == "west group"
    assert made[made.index("--vpc-security-group-ids") + 1 :][:2] == ["sg-7", "sg-8"]
    for missing in network:
        (tmp_path / missing).mkdir()
        done = Room(tmp_path / missing).paste(text, variables={"NEW_INSTANCE": "new"} | network | {missing: ""})
        assert f"{missing}: set it to" in done.said
        assert done.calls == []


def test_the_paste_does_nothing_before_a_name_is_given(tmp_path):
    text = restore_snapshot.restore_command(
        "backup-1", SNAPSHOT, RDSInstance(identifier="orders", region="eu-central-1", endpoint="http://x:1")
    )
    done = Room(tmp_path).paste(text)
    assert done.code != 0
    assert "NEW_INSTANCE: set it to the identifier of the new instance" in done.said
    assert done.calls == []
    assert "--endpoint-url http://x:1" in text


HOSTILE = st.sampled_from([
    "x\ntouch ran #", "x\n", "$(ran)", "`ran`", "'; ran; '", "x; ran", "--endpoint-url=http://x", "x y", "\x1b[2J",
    "x\u202e", "", "\x00", "<manifest>", "{}", "%s", "{identifier}", "é", "file:///etc/passwd",
]) | st.text(max_size=12)  # fmt: skip
UNSHRUNK = (HypothesisPhase.explicit, HypothesisPhase.reuse, HypothesisPhase.generate)
# whose words are in the commands, and in their comments
FIELDS = ("arn", "region", "source", "engine", "engine_version", "instance_class", "subnet_group")


@st.composite
def hostile_snapshots(draw):
    """A snapshot in which some fields are an endpoint's own idea; the ARN may only end so."""
    changes = {name: draw(HOSTILE) for name in draw(st.sets(st.sampled_from(FIELDS), max_size=3))}
    if draw(st.booleans()):
        changes["arn"] = SNAPSHOT.arn + draw(HOSTILE)
    if draw(st.booleans()):
        changes["security_groups"] = ["sg-1", draw(HOSTILE)]
    if draw(st.booleans()):
        changes["copy_in"] = SnapshotInRegion.model_construct(arn=SNAPSHOT.arn, region=draw(HOSTILE), kms_key_id=None)
    return draw(st.sampled_from([SNAPSHOT, CLUSTER])).model_copy(update=changes)


@pytest.fixture(scope="module")
def one_room(tmp_path_factory):
    """For all examples of a property: each finds it as if it were new."""
    return Room(tmp_path_factory.mktemp("room"))


@pytest.mark.timeout(180)
@given(
    snapshot=hostile_snapshots(),
    endpoint=st.just(None) | st.just("http://x:1") | HOSTILE.map("http://x/{}".format),
    typed=st.booleans(),
)
@settings_of_hypothesis(
    max_examples=examples(8, times=3), deadline=None, phases=UNSHRUNK, suppress_health_check=list(HealthCheck)
)
def test_nothing_that_an_endpoint_says_runs_when_the_commands_are_pasted(one_room, snapshot, endpoint, typed):
    instance = RDSInstance.model_construct(identifier="orders", region="eu-central-1", endpoint=endpoint)
    text = restore_snapshot.restore_command("backup-1", snapshot, instance)
    names = {"NEW_INSTANCE": "new", "NEW_CLUSTER": "new", "INSTANCE_CLASS": "db.t4g.medium"}
    done = one_room.paste(text, variables=names, typed=typed)
    assert (done.strangers, done.left, done.said) == ([], set(), "")
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    unfit = aws.strange_field(snapshot) or (endpoint and not re.fullmatch(SAFE_ENDPOINT, endpoint, re.ASCII))
    assert (done.code, done.calls) == (1, []) if unfit else (done.code, done.calls[0][:1]) == (0, ["rds"])
    assert unfit or {call[1] for call in done.calls} <= {
        "restore-db-instance-from-db-snapshot", "restore-db-cluster-from-snapshot", "wait", "create-db-instance",
    }  # fmt: skip


@pytest.mark.parametrize("endpoint", [
    "http://x\nran #", "http://x/$(ran)", "http://x/\x1b[2J", "http://x/a b", "http://x/'", "https://u:p@x",
    "ftp://x", "x",
], ids=repr)  # fmt: skip
def test_an_endpoint_that_is_no_url_of_host_port_and_path_leaves_the_commands_out(endpoint):
    instance = RDSInstance.model_construct(identifier="orders", region="eu-central-1", endpoint=endpoint)
    text = restore_snapshot.restore_command("backup-1", SNAPSHOT, instance)
    assert "the endpoint of its snapshot does not allow any" in text
    assert endpoint not in text
    assert not [line for line in text.splitlines()[:-1] if not line.startswith("#")]


@pytest.mark.parametrize(
    "endpoint", ["https://vpce-0a.rds.eu-central-1.vpce.amazonaws.com", "http://[fd00::1]:5000/a%20b"]
)
def test_an_endpoint_that_is_one_is_in_the_commands(endpoint):
    instance = RDSInstance(identifier="orders", region="eu-central-1", endpoint=endpoint)
    assert f"--endpoint-url {shlex.quote(endpoint)} " in restore_snapshot.restore_command("b", SNAPSHOT, instance) + " "


def test_a_line_break_in_an_arn_leaves_the_commands_out_and_says_why(tmp_path):
    arn = "arn:aws:rds:eu-central-1:000000000000:snapshot:x\ntouch /tmp/this-must-never-run #"
    text = restore_snapshot.restore_command("backup-1", SNAPSHOT.model_copy(update={"arn": arn}), None)
    assert "touch" not in text
    assert "arn of its snapshot does not allow any" in text
    done = Room(tmp_path).paste(text, variables={"NEW_INSTANCE": "x"})
    assert (done.code, done.calls, done.strangers) == (1, [], [])


@pytest.mark.parametrize("text", [
    "arn:aws:rds:eu-central-1:123456789012:snapshot:holdfast-backup-1",
    "arn:aws-us-gov:rds:us-gov-west-1:123456789012:cluster-snapshot:x",
    "arn:aws-iso-b:rds:us-isob-east-1:123456789012:snapshot:x",
])  # fmt: skip
def test_an_arn_of_every_partition_is_one(text):
    assert aws.Word.ARN.fits(text)


@pytest.mark.parametrize(("word", "text"), [
    (aws.Word.CLASS, "db.serverless"), (aws.Word.CLASS, "db.r5.12xlarge.tpc2.mem2x"),
    (aws.Word.VERSION, "8.0.mysql_aurora.3.05.2"), (aws.Word.VERSION, "19.0.0.0.ru-2024-01.rur-2024-01.r1"),
    (aws.Word.ENGINE, "custom-sqlserver-ee"), (aws.Word.SUBNET_GROUP, "default-vpc-0a1b"),
    (aws.Word.KMS_KEY, "arn:aws:kms:eu-central-1:123456789012:key/mrk-0f6bd1c4"), (aws.Word.STATE, "backing-up"),
    (aws.Word.STATE, "incompatible-network"), (aws.Word.SECURITY_GROUP, "sg-0123456789abcdef0"),
    (aws.Word.REGION, "ap-southeast-2"),
])  # fmt: skip
def test_what_aws_documents_is_taken(word, text):
    assert word.fits(text)


def test_without_a_record_of_the_snapshot_nothing_is_pasted_that_does_something():
    text = restore_snapshot.restore_command("backup-1", None, None)
    assert "no commands to restore backup-1: the record of its snapshot" in text
    assert text.endswith("\nfalse")
