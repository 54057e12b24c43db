"""What every step of a task shares: where files lie, when to stop, where to log, and who this Pod is."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from holdfast.contract import paths
from holdfast.runner.pod.log import Log
from holdfast.runner.pod.stop import Stop


@dataclass(frozen=True)
class Places:
    """Where things lie; the defaults are the contract's, tests give their own."""

    database_secret: Path = Path(paths.DATABASE_SECRET)
    database_ca: Path = Path(paths.DATABASE_CA)
    storage_secret: Path = Path(paths.STORAGE_SECRET)
    storage_ca: Path = Path(paths.STORAGE_CA)
    age_identity: Path = Path(paths.AGE_IDENTITY)
    after_restore: Path = Path(paths.AFTER_RESTORE)
    run: Path = Path(paths.RUN)
    scratch: Path = Path(paths.SCRATCH)
    spool: Path = Path(paths.SPOOL)
    volume: Path = Path(paths.VOLUME)
    termination_log: Path = Path(paths.TERMINATION_LOG)

    def secrets(self) -> tuple[Path, ...]:
        """Return the folders of all mounted Secrets."""
        return (self.database_secret, self.database_ca, self.storage_secret, self.storage_ca, self.age_identity)


@dataclass(frozen=True)
class Context:
    """One run of the runner."""

    places: Places
    stop: Stop
    log: Log
    pod_uid: str
    started: datetime
