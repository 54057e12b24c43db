"""A backup that was being deleted when its policy went: nobody finishes that, so it is looked for. Pure.

The policy's Job goes with the policy, wherever it was. Only the store knows what it had done by then: a verification
asks, and the backup is called what is found: good, damaged, or gone.
"""

from datetime import datetime, timedelta

from holdfast.api.job import LOG_SECONDS
from holdfast.decide import job_life
from holdfast.decide.backup import verify
from holdfast.decide.backup.observation import VERIFY, Decision, Observation
from holdfast.decide.decision import Rest

ENDING = timedelta(seconds=30)  # until the policy's Job is looked for again
AGAIN = timedelta(hours=1)  # until what could not be found out is asked again


def step(o: Observation, now: datetime) -> Decision:
    """Return what is to be done about one that no page names."""
    if o.policy is not None:
        return Rest()  # which takes it into its next page
    if o.swept:
        return Rest(now + ENDING)
    if tidied := job_life.tidied(o.of(VERIFY), o.backup.ref, LOG_SECONDS):
        return tidied
    run = o.backup.status.verification_run
    if run is not None and run.completed_at is not None and now < run.completed_at + AGAIN:
        return Rest(run.completed_at + AGAIN)
    return verify.look(o, now)
