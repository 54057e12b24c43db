"""Whatever becomes of Jobs, Pods and Events, and whenever the operator looks: what it says of a backup is true.

A small cluster (Job controller, kubelet, garbage collector, quota) and people in it who delete, drain and forge take
turns with an operator whose cache may be behind and which remembers nothing. After each of its words the cluster itself
is asked.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from tests.budget import examples
from tests.builders import BACKUP_REF, NOW, a_begun_backup, a_failure, a_success, observed, settings

from holdfast.api.backup import Phase
from holdfast.contract.report import Report
from holdfast.decide import job_end
from holdfast.decide.backup import ending
from holdfast.decide.backup.observation import BACKUP, CLEANUP, BackupView, Observation
from holdfast.decide.backup.steps import decide
from holdfast.decide.decision import Act, Create, Delete, Expire, Learn, What
from holdfast.decide.starting import latest
from holdfast.decide.views import JobView, OwnerRef, PodView, Terminated
from holdfast.errors import FINAL_EXIT_CODES, ExitCode, Reason
from holdfast.sentences import shorten

START, DEADLINE, BACKOFF_LIMIT = 600, 7200, 2
STRANGER = "somebody-else"
LONGEST_WORK = timedelta(seconds=START + 21_600) + job_end.OVERDUE  # the node ends a Pod before


@dataclass
class Event:
    """An Event of the Job controller."""

    seen: datetime
    message: str = "exceeded quota: pods"


@dataclass
class Cluster:
    """What there is; whoever copies it has a cache."""

    jobs: dict[str, JobView] = field(default_factory=dict)
    pods: dict[str, PodView] = field(default_factory=dict)
    events: list[tuple[str, Event]] = field(default_factory=list)  # by the Job's uid

    def copy(self) -> "Cluster":
        return Cluster(dict(self.jobs), dict(self.pods), list(self.events))


class History(RuleBasedStateMachine):
    """One backup, from its id to its end."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.cluster, self.cache = Cluster(), Cluster()
        self.refusals_read: datetime | None = None
        self.backup: BackupView = a_begun_backup()
        self.quota = False
        self.published = False
        self.numbers = 0
        self.lost: set[str] = set()  # Pods on nodes that do not answer
        self.counted: set[str] = set()  # Pods that the Job controller has counted
        self.not_before = NOW
        self.seen_running = NOW - timedelta(days=1)  # when the operator last could see that a Pod of its Job runs

    # the cluster

    def own(self) -> list[JobView]:
        return [job for job in self.cluster.jobs.values() if job.controller == BACKUP_REF]

    def pods_of(self, job: JobView) -> list[PodView]:
        return [pod for pod in self.cluster.pods.values() if pod.controller == job.uid]

    def change_pod(self, pod: PodView, **changes: object) -> None:
        self.cluster.pods[pod.uid] = replace(pod, **changes)

    def change_job(self, job: JobView, **changes: object) -> None:
        self.cluster.jobs[job.name] = replace(job, **changes)

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def make_job(self, name: str, controller: OwnerRef | None) -> None:
        if name not in self.cluster.jobs:
            self.cluster.jobs[name] = JobView(
                namespace="shop", name=name, uid=f"job-{self.number()}", resource_version="1", labelled=BACKUP_REF,
                controller=controller, created=self.now, deleting=False, failed_pods=0, complete=False,
                failed_reason=None, failed_message="", ttl_set=False,
            )  # fmt: skip

    def make_pod(self, job_name: str, controller: str | None, phase: str = "Pending") -> PodView:
        uid = f"pod-{self.number()}"
        pod = PodView(
            namespace="shop", name=uid, uid=uid, resource_version="1", labelled=BACKUP_REF, job_name=job_name,
            controller=controller, created=self.now, deleting=False, phase=phase, reason="", message="", disrupted=None,
            unschedulable=None, waiting_reason="", waiting_message="", started=phase != "Pending", terminated=None,
        )  # fmt: skip
        self.cluster.pods[uid] = pod
        return pod

    def end_runner(self, pod: PodView, code: int, report: Report | None, beside: bool = False) -> None:
        ended = Terminated(code, "Error", report.to_bytes().decode() if report else "", self.now)
        phase = "Running" if beside else "Failed" if code else "Succeeded"
        self.change_pod(pod, started=True, phase=phase, terminated=ended)

    def report(self, pod: PodView) -> Report:
        """What the Pod's runner says of a good end: of the task that its Job has."""
        if pod.job_name == (self.backup.status.cleanup and self.backup.status.cleanup.job_name):
            return a_success().model_copy(update={"kind": "cleanup", "backup": None, "message": "removed"})
        return a_success()

    def running(self) -> list[PodView]:
        uids = {job.uid for job in self.own()} | self.former_uids
        return [pod for pod in self.cluster.pods.values() if pod.controller in uids and not pod.ended]

    @property
    def former_uids(self) -> set[str]:
        return {pod.controller for pod in self.cluster.pods.values() if pod.controller not in (None, STRANGER)}

    def alive(self) -> list[PodView]:
        return [pod for pod in self.cluster.pods.values() if pod.phase == "Running" and pod.uid not in self.lost]

    @rule(seconds=st.sampled_from([1, 5, 30, 61, 200, 601]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def job_controller(self) -> None:
        for job in self.own():
            if not job.deleting and not (job.complete or job.failed_reason):
                self._sync(job)

    def _sync(self, job: JobView) -> None:
        job, pods = self._count(job), self.pods_of(job)
        over = all(pod.over for pod in pods)
        if any(pod.phase == "Succeeded" for pod in pods):
            job = replace(job, complete=True)
        elif job.failed_pods > BACKOFF_LIMIT and over:
            job = replace(job, failed_reason="BackoffLimitExceeded")
        elif self.now > job.created + timedelta(seconds=DEADLINE):
            for pod in pods:
                self.change_pod(pod, deleting=pod.deleting or not pod.over)
            job = replace(job, failed_reason="DeadlineExceeded" if over else None)
        elif job.failed_reason is None and over and self.now >= self.not_before:
            self._want_a_pod(job)
        self.change_job(job)

    def _want_a_pod(self, job: JobView) -> None:
        if self.quota:
            self.cluster.events.append((job.uid, Event(self.now)))
        else:
            self.make_pod(job.name, job.uid)

    def _count(self, job: JobView) -> JobView:
        """Count the Pods that have failed; some codes are final."""
        for pod in self.pods_of(job):
            if pod.phase == "Failed" and pod.uid not in self.counted:
                self.counted.add(pod.uid)
                job = replace(job, failed_pods=job.failed_pods + 1)
                self.not_before = self.now + timedelta(seconds=10 * 2**job.failed_pods)
                if pod.terminated and pod.terminated.exit_code in FINAL_EXIT_CODES:
                    job = replace(job, failed_reason="PodFailurePolicy")
        return job

    @rule()
    def kubelet(self) -> None:
        for pod in list(self.cluster.pods.values()):
            if pod.uid in self.lost:
                continue
            if pod.deleting and not pod.over:
                code = pod.terminated.exit_code if pod.terminated else int(ExitCode.INTERRUPTED)
                self.change_pod(
                    pod, phase="Failed",
                    terminated=pod.terminated or Terminated(code, "Error", "", self.now),
                )  # fmt: skip
                job = next((job for job in self.own() if job.uid == pod.controller), None)
                if job is not None and pod.uid not in self.counted:
                    self.counted.add(pod.uid)
                    self.change_job(job, failed_pods=job.failed_pods + 1)
            elif pod.deleting:
                del self.cluster.pods[pod.uid]
            elif pod.phase == "Pending":
                self.change_pod(pod, phase="Running", started=True)

    @rule()
    def garbage_collector(self) -> None:
        for job in list(self.cluster.jobs.values()):
            if job.deleting:
                for pod in self.pods_of(job):
                    self.change_pod(pod, deleting=True)
                if not self.pods_of(job):
                    del self.cluster.jobs[job.name]
        there = {job.uid for job in self.cluster.jobs.values()}
        for pod in list(self.cluster.pods.values()):
            if pod.controller not in (None, STRANGER) and pod.controller not in there:
                self.change_pod(pod, deleting=True)

    # what runs

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), beside=st.booleans())
    def a_runner_succeeds(self, data: st.DataObject, beside: bool) -> None:
        pod = data.draw(st.sampled_from(self.alive()))
        if pod.terminated is None and pod.controller not in (None, STRANGER):
            report = self.report(pod)
            self.published = self.published or report.backup is not None
            self.end_runner(pod, 0, report, beside)

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), code=st.sampled_from([3, 9, 137]), beside=st.booleans())
    def a_runner_fails(self, data: st.DataObject, code: int, beside: bool) -> None:
        pod = data.draw(st.sampled_from(self.alive()))
        if pod.terminated is None:
            reason = {3: Reason.AUTHENTICATION_FAILED, 9: Reason.INTERRUPTED}.get(code)
            self.end_runner(pod, code, a_failure(reason) if reason else None, beside)

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), code=st.sampled_from([0, 1]))
    def a_sidecar_ends(self, data: st.DataObject, code: int) -> None:
        pod = data.draw(st.sampled_from(self.alive()))
        if pod.terminated is not None:
            failed = code or pod.terminated.exit_code
            self.change_pod(pod, phase="Failed" if failed else "Succeeded")

    # people

    @rule(on=st.booleans())
    def quota_is_set(self, on: bool) -> None:
        self.quota = on

    @precondition(lambda self: self.cluster.pods)
    @rule(data=st.data(), what=st.sampled_from(["deleted", "drained", "lost"]))
    def a_pod_is(self, data: st.DataObject, what: str) -> None:
        pod = data.draw(st.sampled_from(list(self.cluster.pods.values())))
        if what == "lost":
            self.lost.add(pod.uid)
        if what == "drained":
            self.counted.add(pod.uid)  # a disruption is ignored by the Job
        self.change_pod(pod, deleting=True)

    @precondition(lambda self: self.own())
    @rule(data=st.data(), foreground=st.booleans())
    def a_job_is_deleted_by_somebody(self, data: st.DataObject, foreground: bool) -> None:
        job = data.draw(st.sampled_from(self.own()))
        if foreground:
            self.change_job(job, deleting=True)
        else:
            del self.cluster.jobs[job.name]

    @rule(code=st.sampled_from([None, 0, 3]), controller=st.sampled_from([None, STRANGER]))
    def a_stranger_makes_a_pod_like_ours(self, code: int | None, controller: str | None) -> None:
        pod = self.make_pod(self.backup.status.job_name or "", controller, "Running")
        if code is not None:
            self.end_runner(pod, code, a_success() if code == 0 else a_failure())

    @rule(which=st.sampled_from(["job_name", "cleanup"]), finished=st.booleans())
    def a_stranger_takes_the_name_of_a_job(self, which: str, finished: bool) -> None:
        cleanup = self.backup.status.cleanup
        name = self.backup.status.job_name if which == "job_name" else cleanup and cleanup.job_name
        if name and name not in self.cluster.jobs:
            self.make_job(name, OwnerRef("DatabaseBackup", STRANGER))
            self.change_job(self.cluster.jobs[name], complete=finished)

    @precondition(lambda self: self.own())
    @rule(seconds=st.sampled_from([-3600, -10, 10**8]))
    def a_stranger_writes_an_event(self, seconds: int) -> None:
        self.cluster.events.append((self.own()[0].uid, Event(self.now + timedelta(seconds=seconds))))

    # the operator

    @rule(jobs=st.booleans(), pods=st.booleans())
    def the_cache_gets(self, jobs: bool, pods: bool) -> None:
        there = self.cluster.copy()
        self.cache = Cluster(
            there.jobs if jobs else self.cache.jobs, there.pods if pods else self.cache.pods, there.events
        )

    @rule()
    def the_operator_looks(self) -> None:
        listed = False
        job = self.cache.jobs.get(self.backup.status.job_name or "")
        if any(job and pod.controller == job.uid and pod.started and not pod.ended for pod in self.cache.pods.values()):
            self.seen_running = self.now
        for _ in range(10):
            before = self.backup.status
            o = self.observe(listed)
            decision = decide(o, settings(), self.now)
            if decision.status is not None and decision.status != before:
                self.backup = replace(self.backup, status=decision.status)
                self.hold_the_word_to_the_cluster(before.phase)
                continue
            if decision.act == Learn(What.PODS):
                listed, self.cache.pods = True, dict(self.cluster.pods)
                continue
            if decision.act == Learn(What.EVENTS):
                self.refusals_read, self.cache.events = self.now, list(self.cluster.events)
                continue
            if decision.act is not None:
                self.act(decision.act)
            return
        raise AssertionError("no rest after 10 steps")

    def observe(self, listed: bool) -> Observation:
        status, cache = self.backup.status, self.cache
        cleanup_name = status.cleanup.job_name if status.cleanup else ""
        job = cache.jobs.get(status.job_name or "")
        refusal = latest([event for uid, event in cache.events if job and uid == job.uid], self.now)
        return observed(
            self.backup, job=job, pods=self.named(status.job_name or ""), pods_listed=listed,
            refusals_read=self.refusals_read, refusal=refusal.message if refusal else None,
            refused_at=refusal.seen if refusal else None,
            cleanup_job=cache.jobs.get(cleanup_name), cleanup_pods=self.named(cleanup_name),
        )  # fmt: skip

    def named(self, job_name: str) -> tuple[PodView, ...]:
        found = [pod for pod in self.cache.pods.values() if pod.job_name == job_name]
        return tuple(sorted(found, key=lambda pod: (pod.created, int(pod.uid.partition("-")[2]))))

    def act(self, act: Act) -> None:
        status = self.backup.status
        if isinstance(act, Create):
            name = status.job_name if act.role == BACKUP else status.cleanup and status.cleanup.job_name
            if act.role == CLEANUP:
                working = [
                    pod for pod in self.running()
                    if pod.job_name == status.job_name and self.now < pod.created + LONGEST_WORK
                ]  # fmt: skip
                assert not working, "a cleanup begins when the last Pod is gone"
            self.make_job(name or "", BACKUP_REF)
            self.cache.jobs[name or ""] = self.cluster.jobs[name or ""]
            return
        assert isinstance(act, Delete | Expire)
        held = self.cluster.jobs.get(act.job.name)
        if held is None or held.uid != act.job.uid:
            self.cache.jobs.pop(act.job.name, None)
            return
        assert held.controller == BACKUP_REF, "a stranger's Job is never touched"
        if isinstance(act, Delete):
            self.change_job(held, deleting=True)
        else:
            self.change_job(held, ttl_set=True)
            self.cache.jobs[act.job.name] = self.cluster.jobs[act.job.name]

    def hold_the_word_to_the_cluster(self, before: Phase | None) -> None:
        status = self.backup.status
        if before is not None and before.is_final:
            assert status.phase is before
            return
        if status.failure is not None and f"after {START} s)" in status.failure.message:
            assert self.now - self.seen_running >= timedelta(seconds=START), "it had its time to start"
        if status.phase is Phase.SUCCEEDED:
            assert self.published, "nothing but a runner of ours publishes"
        if status.phase is not Phase.FAILED:
            return
        told = [pod for pod in self.cluster.pods.values() if pod.controller in {job.uid for job in self.own()}]
        good = [
            pod for pod in told if pod.terminated and pod.terminated.exit_code == 0 and pod.job_name == status.job_name
        ]
        assert not (self.published and good), "the backup is there, and a Pod of ours says so"
        given_up = status.ending is not None and self.now >= status.ending.since + ending.LONGEST
        if given_up and (self.running() or self.own()):
            assert "after the operator ended" in status.failure.message
            return
        assert not self.running(), "what is called Failed has nothing that runs"
        assert all(job.complete or job.failed_reason for job in self.own() if job.name == status.job_name)

    def teardown(self) -> None:
        """Let everything go its way: the story ends."""
        self.quota = False
        for _ in range(400):
            status = self.backup.status
            if status.phase and status.phase.is_final and (not status.cleanup or status.cleanup.state != "Running"):
                return
            self.now += timedelta(seconds=90)
            self.job_controller()
            self.kubelet()
            self.garbage_collector()
            for pod in self.alive():
                if pod.terminated is None and pod.controller not in (None, STRANGER):
                    report = self.report(pod)
                    self.published = self.published or report.backup is not None
                    self.end_runner(pod, 0, report)
            self.cache = self.cluster.copy()
            self.the_operator_looks()
            held = [pod for pod in self.running() if pod.uid in self.lost]
            if status.cleanup and status.phase.is_final and held:
                assert "has not ended" in status.cleanup.message
                return
        raise AssertionError(f"no end: {shorten(repr(self.backup.status), 2000)}")


TestHistories = History.TestCase
TestHistories.settings = hypothesis_settings(max_examples=examples(25, times=6), stateful_step_count=40, deadline=None)
