"""The Job of each role of a backup is built of what the status has fixed."""

from tests.builders import UID, a_begun_backup, observed, settings

from holdfast import naming
from holdfast.api.backup import Cleanup, Phase
from holdfast.contract.paths import TASK_VARIABLE
from holdfast.contract.task import CleanupTask, parse
from holdfast.decide.backup.observation import BACKUP, CLEANUP, DELETION, VERIFY
from holdfast.reconcile.kinds.backup_jobs import BUILDERS


def test_each_role_has_a_job() -> None:
    assert set(BUILDERS) == {BACKUP, CLEANUP, VERIFY, DELETION}


def test_the_job_that_cleans_up_is_the_backups_own_and_is_told_its_folder() -> None:
    backup = a_begun_backup(cleanup=Cleanup(job_name="orders-1-cleanup", state="Running"), phase=Phase.FAILED)
    job = BUILDERS[CLEANUP](observed(backup), settings())
    assert (job["metadata"]["namespace"], job["metadata"]["name"]) == ("shop", "orders-1-cleanup")
    assert [owner["uid"] for owner in job["metadata"]["ownerReferences"]] == [UID]
    assert job["metadata"]["labels"][naming.LABEL_POLICY] == "orders"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "holdfast-runner-postgres:17"
    task = parse(next(each["value"] for each in container["env"] if each["name"] == TASK_VARIABLE))
    assert isinstance(task, CleanupTask)
    assert backup.status.location == f"s3://backups/{task.key_prefix}"
