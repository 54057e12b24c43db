"""The failures that the operator itself finds, each with its remedy; those of a runner come with its report. Pure."""

from holdfast.api.backup import Failure
from holdfast.contract.report import Report
from holdfast.errors import HoldfastError, Reason


def failure_of(error: HoldfastError) -> Failure:
    """Turn an error of ours into what the status says."""
    return Failure(reason=error.reason, message=error.message, remedy=error.remedy)


def failure_in(report: Report | None) -> Failure:
    """Turn the failure that a report tells into what the status says."""
    if report is None or report.failure is None:
        return Failure(
            reason=Reason.REPORT_MISSING,
            message="the runner's report has neither a result nor a failure",
            remedy="use runner images of the operator's own release",
        )
    told = report.failure
    return Failure(reason=told.reason, exit_code=told.exit_code, message=told.message, remedy=told.remedy)


def job_name_taken(name: str) -> Failure:
    """Somebody else's Job bears the name that ours would have."""
    return Failure(
        reason=Reason.JOB_NAME_TAKEN,
        message=f"a Job named {name} already exists and does not belong to this resource",
        remedy="find out who created that Job, delete it, then create another backup",
    )


def given_up(failure: Failure, seconds: int) -> Failure:
    """What was waited for did not come."""
    return failure.model_copy(update={"message": f"{failure.message} (given up after {seconds} s)"})


def job_overdue(name: str) -> Failure:
    """The Job should have been ended by the cluster long ago, and was not."""
    return Failure(
        reason=Reason.DEADLINE_EXCEEDED,
        message=f"the deadline of Job {name} passed long ago, and the cluster has not ended the Job",
        remedy="find the Job's Pod, which still exists: either its node does not answer, or a finalizer keeps the Pod",
    )


def job_refused(sentence: str) -> Failure:
    """The API server does not accept the Job."""
    return Failure(
        reason=Reason.JOB_REFUSED,
        message=f"the API server refuses the Job: {sentence}",
        remedy="correct what the message names: an admission policy, a quota or the operator's role",
    )


def report_contradicted(attempts: int) -> Failure:
    """Job after Job failed, though a Pod of each reported success."""
    return Failure(
        reason=Reason.REPORT_IMPLAUSIBLE,
        message=f"{attempts} Jobs failed although their Pods report a success, so Holdfast does not trust the reports",
        remedy="find out who creates or changes Pods in this namespace, and look for manifest.json in "
        "status.location: the bucket may hold the backup",
    )


_MAY_BE_THERE = "look for manifest.json in status.location: the bucket may hold the backup"


def report_implausible(what: str, then: str = _MAY_BE_THERE) -> Failure:
    """A report does not fit what was asked for; `then`: where to look for what was really done."""
    return Failure(
        reason=Reason.REPORT_IMPLAUSIBLE,
        message=f"the Job's report is not plausible: {what}",
        remedy="use runner images of the operator's own release, find out who else creates Pods in this namespace, "
        f"and {then}",
    )


def report_lost(attempts: int) -> Failure:
    """Job after Job ended well and left no report that could be read."""
    return Failure(
        reason=Reason.REPORT_MISSING,
        message=f"{attempts} Jobs ended, and none left a readable report",
        remedy="find out who deletes finished Pods in this namespace, and look for manifest.json in status.location: "
        "the bucket may hold the backup",
    )
