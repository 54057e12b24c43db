"""Whether a restore into production may go on: somebody has repeated the name of the database. Pure.

A name that was there when the resource was created is a line of a file that somebody copied, and no answer: it counts
only where the spec says why nobody is asked. The chart has the API server refuse it; here it is refused again, by the
generation, for a cluster where that is switched off.
"""

import re
from datetime import datetime

from holdfast import naming
from holdfast.api.guard import Confirmation
from holdfast.api.policy import Environment
from holdfast.api.restore_status import Phase, ResolvedRestore
from holdfast.decide.decision import Announcement, Write
from holdfast.decide.restore import impact, statuses, waits
from holdfast.decide.restore.observation import Decision, Observation

AWAITING = "AwaitingConfirmation"
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # what may stand in a command that people paste


def asked(o: Observation, resolved: ResolvedRestore, now: datetime) -> Decision | None:
    """Wait for the confirmation, or write down that it is there; None where nothing is left to ask."""
    if resolved.environment is not Environment.PRODUCTION:
        return None
    name = resolved.rds.identifier if resolved.rds else resolved.database.name or ""
    because = resolved.environment_because or "the target is a production database"
    if (missing := _missing(o, name)) is not None:
        known = impact.told(o.restore.status)
        sentence = "; ".join(filter(None, [because, known, missing]))
        status = statuses.awaiting(o.restore, now, AWAITING, sentence, Confirmation(because=because))
        return waits.told(o, status, AWAITING, sentence, None, quiet=False)
    told = o.restore.status.confirmation
    if told is not None and told.confirmed_at is not None and o.restore.status.phase is not Phase.AWAITING_CONFIRMATION:
        return None
    return _confirmed(o, because, now)


def _missing(o: Observation, name: str) -> str | None:
    """Say what is missing; None where it is confirmed."""
    spec, command = o.restore.spec, _command(o, name)
    if spec.confirm is None:
        return f"the restore waits until somebody confirms it: {command}"
    if spec.confirm != name:
        return f"spec.confirm is not the name of the target: {command}"
    if o.restore.generation <= 1 and spec.unattended is None:
        return (
            f"spec.confirm was set at creation without spec.unattended, so it does not count: remove it, then {command}"
        )
    return None


def _command(o: Observation, name: str) -> str:
    if _WORD.fullmatch(name) is None:
        return "set spec.confirm to the name of the target database, exactly"
    patch = f'{{"spec":{{"confirm":"{name}"}}}}'
    what = f"databaserestores.{naming.GROUP} {o.restore.name}"
    return f"kubectl -n {o.restore.namespace} patch {what} --type=merge -p '{patch}'"


def _confirmed(o: Observation, because: str, now: datetime) -> Decision:
    """Write down when it was seen to be confirmed; and, of what nobody was asked about, why."""
    unattended = o.restore.spec.unattended
    why = unattended.reason if unattended else None
    sentence = "somebody has confirmed the restore into production"
    if why is not None:
        sentence = f"nobody is asked to confirm this restore into production: {why}"
    status = statuses.waiting(o.restore, now, "Confirmed", sentence)
    confirmation = Confirmation(because=because, confirmed_at=now, unattended=why)
    return Write(
        status.model_copy(update={"confirmation": confirmation}),
        Announcement(why is not None, "Confirmed", sentence),
        due=now,
    )
