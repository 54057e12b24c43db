"""How a person is told of a migration Job: by an Event, since it has no status of ours. Pure."""

from datetime import datetime

from holdfast.decide.decision import Announcement, Do, Tell
from holdfast.decide.migrations import MigrationJob
from holdfast.sentences import EVENT_BYTES, cut


def tell(job: MigrationJob, warning: bool, reason: str, sentence: str, due: datetime | None = None) -> Do:
    """Tell it, unless that was told last; look again when it is due."""
    return Do(Tell(job, Announcement(warning, reason, cut(sentence, EVENT_BYTES))), due)
