"""Every kind of Job that the operator builds, by its own builders: what the admission policy must allow.

Some are of owners that have no Job yet: the policy is ready for them.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests import yaml_text
from tests.builders import NOW, UID, a_begun_backup, a_policy, a_sqlite_policy, an_rds_policy, as_begun, settings
from tests.chart.rendering import CHART

from holdfast import naming
from holdfast.api.backup import DatabaseBackupStatus, VerificationRun
from holdfast.api.masking import AfterRestore
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.rds_target import RDSTarget
from holdfast.api.restore_status import Artifact, Chosen, ResolvedRestore
from holdfast.api.restoring import RestoreMode
from holdfast.decide.resolve import image_of, resolve
from holdfast.decide.restore import impact
from holdfast.manifests import jobs, methods, restore_jobs, tasks
from holdfast.settings import Settings

Job = dict[str, Any]
PROXY = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".svc"}
PROXY_VALUES = {"httpsProxy": PROXY["HTTPS_PROXY"], "noProxy": PROXY["NO_PROXY"]}
IMAGES = yaml_text.load((CHART / "values.yaml").read_text())["runner"]["images"]
SETTINGS = settings(images=IMAGES, proxy=PROXY)
KEY = "age1zd5883cj64l8849f66m3724fpavwzaq3pau92lr5fvsgwauxt9lq4px9ek"
NODE = "node-b"
OPERATOR = "system:serviceaccount:holdfast:hf-holdfast"  # as the API server calls it

S3 = {"bucket": "backups", "secretName": "s3", "endpoint": "https://s3:8333", "caSecretName": "s3-ca"}
ENCRYPTED = {"storage": {"s3": S3, "encryption": {"age": {"recipients": [KEY]}}},
             "verification": {"level": "readback", "identitySecretName": "keys"}}  # fmt: skip
PLACED = {
    "serviceAccountName": "backup",
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "db", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]
            }
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}}
            ]
        },
    },
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "zone",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"a": "b"}},
        }
    ],
    "priorityClassName": "backups",
    "podLabels": {"team": "data"},
    "podAnnotations": {"example.com/a": "1", "kubernetes.io/egress-bandwidth": "10M"},
    "imagePullSecrets": [{"name": "pull"}],
    "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi", "ephemeral-storage": "4Gi"}},
    "scratch": {"sizeLimit": "20Gi"},
    "startTimeoutSeconds": 86400,
    "activeDeadlineSeconds": 604800,
    "backoffLimit": 10,
}  # fmt: skip


TRUSTED = {"s3": {"bucket": "backups", "secretName": "s3", "caConfigMapName": "trust", "caConfigMapKey": "root.pem"}}


def a_server(engine: str, **authority: str) -> dict[str, Any]:
    tls = {"mode": "verify-full"} | (authority or {"caSecretName": "db-ca"})
    return {"engine": engine, "name": "orders", "connection": {"host": "db", "secretName": "db", "tls": tls}}


def policies() -> dict[str, BackupPolicySpec]:
    """One policy for each way in which a Job may look."""
    formats = {f"postgresql, {form}": a_policy(dump={"format": form}) for form in ("sql", "custom", "directory")}
    servers = {engine: a_policy(database=a_server(engine)) for engine in ("postgresql", "mysql", "mariadb")}
    return {
        **formats,
        **servers,
        "authorities in a ConfigMap": a_policy(database=a_server("mysql", caConfigMapName="trust"), storage=TRUSTED),
        "encrypted": a_policy(**ENCRYPTED),
        "encrypted, directory": a_policy(dump={"format": "directory"}, **ENCRYPTED),
        "placed": a_policy(job=PLACED, dump={"format": "directory"}),
        "sqlite": a_sqlite_policy(job=PLACED),
        "rds": an_rds_policy(secretName="aws"),
        "rds, as the Pod itself": an_rds_policy(),
    }


def every_job(
    namespace: str = "shop", chart: Settings = SETTINGS, operator: str = OPERATOR
) -> Iterator[tuple[str, Job]]:
    """Yield each Job with what it is: of each policy the backup, the cleanup, the verifications and the deletions."""
    for name, policy in policies().items():
        begun = a_begun_backup()
        status = begun.status.model_copy(update={"resolved": resolve(policy, chart), "sha256": "a" * 64})
        owner = jobs.Owner("DatabaseBackup", namespace, "orders-1", UID, "orders")
        for kind, job in (*_of(owner, status, begun.spec, chart), *_deletions(owner, status, chart, operator)):
            yield f"{name}: {kind}", job
    yield from of_restores(namespace, chart)
    yield from jobs_to_come(namespace, chart)


RESTORES, POLICYS, DELETION = (
    "restore, encrypted directory",
    "of a BackupPolicy",
    "postgresql, sql: deletion, of nobody",
)


def of_restores(namespace: str, chart: Settings) -> Iterator[tuple[str, Job]]:
    """Yield the Jobs of DatabaseRestores: the restore itself, the way back, and what removes what was replaced."""
    owner = jobs.Owner(naming.RESTORE_KIND, namespace, "orders-back", UID, None)
    source = Chosen(uid=UID, backup_id="backup-20261122-084500", because="it was named")
    yield "restore, aws-rds", of_a_snapshot(owner, source, chart, "arn")
    yield "restore, aws-rds from a bucket", of_a_snapshot(owner, Chosen(because="it was named"), chart, None)
    for name, policy in (
        (RESTORES, a_policy(dump={"format": "directory"}, job=PLACED, **ENCRYPTED)),
        ("restore, sqlite", a_sqlite_policy(job=PLACED)),
    ):
        resolved, sqlite = resolve(policy, chart), policy.database.volume is not None
        fixed = ResolvedRestore(
            s3=resolved.storage.s3, folder="shop/orders/x/", database=resolved.database, mode=RestoreMode.REPLACE,
            fresh="a", old="b", job=resolved.job, identity_secret=None if sqlite else "keys",
            artifact=Artifact(format="sqlite" if sqlite else "directory"),
            after_restore=AfterRestore(sql_config_map_name="mask"),
        )  # fmt: skip
        _, image = image_of(resolved, chart)
        runner = jobs.Runner(image, chart.image_pull_policy, chart.proxy, chart.own_user)
        there = restore_jobs.Restore(owner, source, fixed, runner)
        back = replace(there, resolved=fixed.model_copy(update={"kept": "c", "fresh": None}))
        yield name, restore_jobs.restore_job("orders-back-restore", there, fixed.job)
        yield f"{name}: back", restore_jobs.restore_job("orders-back-undo", back, fixed.job)
        for of, known in ((there, "check"), (back, "check before it is put back")):
            yield f"{name}: {known}", restore_jobs.check_job("orders-back-check", of, impact.template(of.resolved))
        yield f"{name}: drop", restore_jobs.drop_job("orders-back-drop", there, ["b"])


def of_a_snapshot(owner: jobs.Owner, source: Chosen, chart: Settings, arn: str | None) -> Job:
    """Build the Job that makes a new instance of RDS; without the ARN, from what the bucket alone knows."""
    resolved = resolve(an_rds_policy(secretName="aws"), chart)
    fixed = ResolvedRestore(
        s3=resolved.storage.s3, folder="shop/orders/x/", database=resolved.database, mode=RestoreMode.REFUSE,
        rds=RDSTarget(identifier="new"), snapshot_arn=arn, job=resolved.job,
    )  # fmt: skip
    _, image = image_of(resolved, chart)
    runner = jobs.Runner(image, chart.image_pull_policy, chart.proxy, chart.own_user)
    there = restore_jobs.Restore(owner, source, fixed, runner)
    return restore_jobs.restore_job("orders-back-restore", there, fixed.job)


def jobs_to_come(namespace: str, chart: Settings) -> Iterator[tuple[str, Job]]:
    """Yield the Job of which no builder makes one yet: a policy's own, and the same Pod."""
    begun = a_begun_backup()
    status = begun.status.model_copy(update={"resolved": resolve(a_policy(**ENCRYPTED), chart), "sha256": "a" * 64})
    owner = jobs.Owner(naming.POLICY_KIND, namespace, "orders", UID, "orders")
    yield POLICYS, dict(_of(owner, status, begun.spec, chart))["backup"]


def _deletions(
    owner: jobs.Owner, status: DatabaseBackupStatus, chart: Settings, operator: str
) -> Iterator[tuple[str, Job]]:
    """Yield the Job of a policy's sweep, and the one that outlives its resource."""
    begun = as_begun(status)
    work = methods.of(owner, begun).deletion([tasks.deletion_item(owner, begun)], [])
    runner = jobs.Runner(image_of(begun.resolved, chart)[1], chart.image_pull_policy, chart.proxy, chart.own_user)
    policy = jobs.Owner(naming.POLICY_KIND, owner.namespace, "orders", UID, "orders")
    for kind, whose, maker in (("deletion, of a policy", policy, None), ("deletion, of nobody", owner, operator)):
        job = jobs.deletion_job("orders-delete-1", whose, maker, 1, work, begun.resolved.job, runner)
        yield kind, job


def _of(owner: jobs.Owner, status: DatabaseBackupStatus, spec: Any, chart: Settings) -> Iterator[tuple[str, Job]]:
    resolved = as_begun(status).resolved
    runner = jobs.Runner(image_of(resolved, chart)[1], chart.image_pull_policy, chart.proxy, chart.own_user)
    node = NODE if resolved.database.volume else None
    work = methods.of(owner, as_begun(status)).backup(spec, [])
    yield "backup", jobs.backup_job("orders-1-backup", owner, 1, work, resolved, runner, node)
    clean = methods.of(owner, as_begun(status)).cleanup()
    yield "cleanup", jobs.cleanup_job("orders-1-cleanup", owner, clean, resolved.job, runner)
    for level in ("checksum", "readback"):
        run = VerificationRun(request="1", number=1, state="Running", level=level, job_name="orders-1-verify",
                              started_at=NOW)  # fmt: skip
        asked = status.model_copy(update={"verification_run": run})
        work = methods.of(owner, as_begun(asked)).verification(run.level)
        yield f"verify, {level}", jobs.verify_job("orders-1-verify", 1, owner, work, resolved, runner)
