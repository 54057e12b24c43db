"""Which reports of a success a restore believes: those of what it asked for, and of no other time."""

from datetime import timedelta
from typing import Any

import pytest
from tests.builders import NOW, a_policy, ago, settings

from holdfast.api.database import Database
from holdfast.api.masking import AfterRestore
from holdfast.api.rds import RDSInstance
from holdfast.api.rds_target import RDSTarget
from holdfast.api.restore_status import Chosen, ResolvedRestore
from holdfast.api.restoring import RestoreMode
from holdfast.contract.report import Report, RestoreReport, ScriptReport
from holdfast.decide.resolve import resolve
from holdfast.decide.restore import plausible

POSTGRES = resolve(a_policy(), settings())
DUMP = ResolvedRestore(database=POSTGRES.database, mode=RestoreMode.REFUSE, job=POSTGRES.job)
REPLACES = DUMP.model_copy(update={"mode": RestoreMode.REPLACE, "old": "orders_before"})
PUTS_BACK = REPLACES.model_copy(update={"kept": "orders_kept"})
MASKED = DUMP.model_copy(update={"after_restore": AfterRestore(sql_config_map_name="masks")})
RUN = ScriptReport(statements=4, sha256="b" * 64)
NEW = {"identifier": "Orders-Restored", "kind": "instance", "region": "eu-central-1"}
RDS = DUMP.model_copy(
    update={"rds": RDSTarget.model_validate(NEW), "database": Database(instance=RDSInstance.model_validate(NEW))}
)
CLUSTER = NEW | {"kind": "cluster"}
OF_A_CLUSTER = RDS.model_copy(
    update={
        "rds": RDSTarget.model_validate(CLUSTER),
        "database": Database(instance=RDSInstance.model_validate(CLUSTER)),
    }
)
MADE = {
    "kind": "instance", "identifier": "orders-restored", "address": "orders-restored.x.eu-central-1.rds.amazonaws.com",
    "arn": "arn:aws:rds:eu-central-1:123456789012:db:orders-restored", "port": 5432, "engine": "postgres",
    "engineVersion": "17.4",
}  # fmt: skip
MADE_CLUSTER = MADE | {"kind": "cluster", "arn": "arn:aws:rds:eu-central-1:123456789012:cluster:orders-restored"}
BACKUP = Chosen(backup="first", uid="u", backup_id="backup-1", because="it is named")
FOLDER = Chosen(backup_id="backup-1", because="a folder")
UNNAMED = Chosen(because="a folder")
FORMER = Chosen(restore="former", because="it replaced")
STARTED = ago(100)


def wrong(
    result: dict[str, Any], resolved: ResolvedRestore, source: Chosen, kind: str = "restore", completed: Any = NOW
) -> str | None:
    report = Report(
        kind=kind, outcome="Succeeded", started_at=ago(90), completed_at=completed, duration_seconds=5,
        restore=RestoreReport.model_validate({"backupID": "backup-1"} | result),
    )  # fmt: skip
    assert report.restore is not None
    return plausible.wrong(report, report.restore, source, resolved, STARTED, NOW)


@pytest.mark.parametrize(
    ("result", "resolved", "source", "kind"),
    [
        pytest.param({}, DUMP, BACKUP, "restore", id="of the very backup"),
        pytest.param({"backupID": "backup-2"}, DUMP, FOLDER, "restore", id="of a dump's folder, whatever its name"),
        pytest.param({"backupID": None}, PUTS_BACK, FORMER, "swap-back", id="of what is put back, which is no backup"),
        pytest.param({"replaced": "orders_before"}, PUTS_BACK, FORMER, "swap-back", id="of what is put back, in place"),
        pytest.param({"instance": MADE}, RDS, BACKUP, "rds-restore", id="of a snapshot"),
        pytest.param({"instance": MADE_CLUSTER}, OF_A_CLUSTER, BACKUP, "rds-restore", id="of a cluster's snapshot"),
        pytest.param({"instance": MADE}, RDS, FOLDER, "rds-restore", id="of a snapshot in a folder of that name"),
        pytest.param({"instance": MADE, "backupID": "backup-2"}, RDS, UNNAMED, "rds-restore",
                     id="of a snapshot in a folder that bears no id"),
        pytest.param({"replaced": "orders_before"}, REPLACES, BACKUP, "restore", id="that gives the old one its name"),
        pytest.param({}, REPLACES, BACKUP, "restore", id="that found nothing to replace"),
        pytest.param({"script": RUN}, MASKED, BACKUP, "restore", id="that ran the SQL"),
        pytest.param({"found": True}, MASKED, BACKUP, "restore", id="that found all of it done by an earlier Pod"),
    ],
)  # fmt: skip
def test_a_report_is_believed(result: Any, resolved: ResolvedRestore, source: Chosen, kind: str):
    assert wrong(result, resolved, source, kind) is None


@pytest.mark.parametrize(
    ("result", "resolved", "source", "kind", "says"),
    [
        pytest.param({}, DUMP, BACKUP, "swap-back", "it is about another task, swap-back", id="another task"),
        pytest.param({}, PUTS_BACK, FORMER, "restore", "it is about another task, restore",
                     id="a backup, where one is put back"),
        pytest.param({"instance": MADE}, RDS, BACKUP, "restore", "it is about another task, restore",
                     id="a dump, where a snapshot is restored"),
        pytest.param({"backupID": "backup-2"}, DUMP, BACKUP, "restore", "it is about another backup, backup-2",
                     id="another backup"),
        pytest.param({"backupID": None}, DUMP, BACKUP, "restore", "it is about another backup, None", id="no backup"),
        pytest.param({"instance": MADE, "backupID": "backup-2"}, RDS, FOLDER, "rds-restore",
                     "it is about another backup, backup-2", id="the snapshot of another folder"),
        pytest.param({}, RDS, BACKUP, "rds-restore", "it names no instance that was made", id="no instance"),
        pytest.param({"instance": MADE | {"identifier": "other"}}, RDS, BACKUP, "rds-restore",
                     f"it is about another instance, {MADE['arn']}", id="another instance"),
        pytest.param({"instance": MADE_CLUSTER}, RDS, BACKUP, "rds-restore",
                     f"it is about another instance, {MADE_CLUSTER['arn']}", id="a cluster, not an instance"),
        pytest.param({}, MASKED, BACKUP, "restore", "it does not say that the SQL of afterRestore has run",
                     id="no SQL, where it was to mask"),
        pytest.param({"replaced": "orders_before"}, DUMP, BACKUP, "restore",
                     "it says that a database was replaced, but the mode is not Replace", id="a replaced database"),
        pytest.param({"replaced": "payroll"}, REPLACES, BACKUP, "restore",
                     "it gives the replaced database another name, payroll", id="another replaced database"),
    ],
)  # fmt: skip
def test_a_report_is_not_believed_that_tells_of(
    result: Any, resolved: ResolvedRestore, source: Chosen, kind: str, says: str
):
    assert wrong(result, resolved, source, kind) == says


MINUTES = timedelta(minutes=5)  # by which two clocks may differ


@pytest.mark.parametrize(
    ("completed", "believed"),
    [
        pytest.param(STARTED - MINUTES, True, id="by a clock that is five minutes behind"),
        pytest.param(STARTED - MINUTES - timedelta(seconds=1), False, id="before the restore began"),
        pytest.param(NOW + MINUTES, True, id="by a clock that is five minutes ahead"),
        pytest.param(NOW + MINUTES + timedelta(seconds=1), False, id="in the future"),
    ],
)
def test_an_end_is_of_the_restore_s_own_time(completed: Any, believed: bool):
    said = None if believed else "the Job ended before the restore began, or in the future"
    assert wrong({}, DUMP, BACKUP, completed=completed) == said
