"""The shape that the admission policy allows, held against the Jobs that the operator builds.

A field that a builder gains must be let through by the policy, too: charts/holdfast/files/job-shape.yaml says what it
may be, `make generate` writes the policy's rules from it, and tests/chart/test_admission.py asks a cluster.
"""

import copy

import pytest
from tests.chart import shape
from tests.chart.every_job import every_job

from holdfast.api.job import JobTemplate
from holdfast.manifests import jobs

EVERY_JOB = dict(every_job())
WHERE = "say what it may be in charts/holdfast/files/job-shape.yaml, and run make generate"


@pytest.mark.parametrize("name", EVERY_JOB)
def test_the_admission_policy_knows_every_field_of_a_job_and_each_constant(name: str):
    assert shape.strange(EVERY_JOB[name]) == [], WHERE


def test_every_builder_of_jobs_is_tried():
    """Another one has to be added to tests/chart/every_job.py, or the cluster would be the first to refuse its Jobs."""
    builders = {name for name in vars(jobs) if name.endswith("_job") and not name.startswith("_")}
    assert builders == {"backup_job", "cleanup_job", "verify_job", "deletion_job"}


def test_a_new_field_and_another_constant_are_named():
    job = copy.deepcopy(EVERY_JOB["postgresql, sql: backup"])
    pod = job["spec"]["template"]["spec"]
    pod["containers"][0]["tty"] = True
    pod["restartPolicy"] = "OnFailure"
    del pod["automountServiceAccountToken"]

    assert sorted(shape.strange(job)) == [
        "spec.template.spec.automountServiceAccountToken is missing",
        "spec.template.spec.containers[0].tty is no field of it",
        "spec.template.spec.restartPolicy is 'OnFailure', and not 'Never'",
    ]


def test_every_field_of_a_policys_job_section_reaches_a_job_that_is_tried():
    """So that what a tenant's policy may set is not refused by the cluster when somebody first sets it."""
    placed = EVERY_JOB["placed: backup"]["spec"]["template"]
    taken = {*placed["spec"], *placed["spec"]["containers"][0], *EVERY_JOB["placed: backup"]["spec"]}
    elsewhere = {"podLabels", "podAnnotations", "scratch", "startTimeoutSeconds"}  # in metadata, volumes and deadlines
    fields = {field.alias for field in JobTemplate.model_fields.values()}

    assert fields - elsewhere <= taken


def test_no_validation_asks_more_than_the_api_server_reads():
    """Its limits, which a new list of fields should not meet unseen: the size of an expression, of a whole object."""
    written = shape.validations()

    assert all(len(each["expression"]) < 4_000 for each in written)
    assert len(shape.validations_text()) < 100_000
