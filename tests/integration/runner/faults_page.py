"""The tables of faults as the pages that the docs show, written by `make generate`, held fresh by `make check`."""

import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from tests.integration.runner import faults, mysql_faults, restore_faults_page
from tests.integration.runner.faults import Fault
from tests.integration.runner.returns import RETURNS

from holdfast.api import generated

PAGE = Path("docs/reference/faults.md")
EVERY: Sequence[Fault] = (*faults.FAULTS, *mysql_faults.FAULTS)

HEAD = """\
<!-- Generated from faults.py and mysql_faults.py in tests/integration/runner; do not edit: run `make generate`. -->
# Faults

What comes of a backup when something breaks: each fault is injected at each stage into the real runner's image, with a
real PostgreSQL and a real S3 store; what depends on the engine, with a real MySQL and a real MariaDB as well. After
each, one function checks the whole outcome: the exit code; the reason and a remedy, the same in report and log; no
manifest, and nothing in the bucket, neither an object nor an upload, or just the one that the table names; no secret in
log and report, nor in arguments and environment of the container and of the processes that are in it when a phase
begins (looked at from beside it, so one that ends at once may be missed; where a process is to be killed, all are seen
just before). `make test` takes a cut in which every stage and every kind of fault comes; `make matrix` runs all, and
writes [what it found](../matrix.md).

Exit code 0 is a finished backup in spite of the fault: one manifest, the one artifact that it names, nothing else.
137 is a container that was killed, which leaves no report. Where the Pod cannot remove something, since the store or
the Pod itself is gone, the report says so (`clean` is false, or there is none), and the operator's cleanup Job does it:
the suite runs it, and then nothing may be left. The reasons are explained in [Failures](failures.md).

Numbers that these faults meet:

- **Silence**: when the dump tool has written nothing for 5 minutes, the server is asked, over a new connection, what
  the dump's sessions do. Where it answers that one is active, or waits for a lock, the log says so and the dump goes
  on, until `job.activeDeadlineSeconds` end it: a scan of a table full of dead rows is silent and well. Else the reason
  is `DumpStalled`; so it is when a MySQL or MariaDB server has been writing for 15 minutes what does not arrive. A
  server that takes a connection and does not answer the questions before the dump is given up after 60 seconds.
- **Bytes**: a stream is limited by the deadline, and by what S3 takes: 10,000 parts, of which the runner never needs
  more for 5 TiB. What is staged is limited by the scratch volume. No ratio to the database's size is a limit: the
  server states that itself, and text that compresses well is dumped at a hundred times its size. What MySQL and
  MariaDB answer to the questions before the dump may be 32 MiB.
- **A name that does not resolve**, a refused connection: tried again for 15 seconds, for the database and for the store
  at the start. Each request to the store is tried four times.
- **Two Pods of one Job at once**: each writes under a key with its own uid, and looks for a manifest before it begins
  and again before it writes one. The manifest is created only where none is (`If-None-Match: *`), then read back: whose
  it is, is the winner. The other removes its own artifact and nothing else, verifies the winner's and reports that.
  *Without conditional writes* (a store that refuses the header is asked again without; one that passes over it cannot
  be told from another) the later of two manifests replaces the earlier. So whoever reads back its own looks whether
  another Pod's artifact lies beside it: that Pod may be about to write. It waits up to 10 seconds until that one has
  given way, or until the manifest is that one's: then it gives way itself. So the manifest in force names the whole
  artifact of the Pod that wrote last. What remains: a Pod that finds no manifest, and then stands still for longer than
  10 seconds before it writes its own, replaces that of a Pod which has ended well. Both report a backup, and each says,
  with `clean` false and a warning, that the other's artifact was beside it; the operator's cleanup Job removes the one
  that the manifest does not name. `status.location` may be that one; restores and verifications go by the manifest. And
  where something on the way delivers a write a second time, after its Pod has given way, the manifest in force names an
  artifact that is gone: a verification tells (`BackupNotFound`), and another backup is to be created.

"""

RETURNING = """
## On the way back

Somebody who may write to the bucket puts something else into a dump's place, and adapts the manifest. Each is restored
by the real runner, from a real store, with a real server as its target: nothing runs, nothing is in the target
afterwards, and no Secret is in the log.

| In the dump's place | Exit code | Reason | It says |
|---|---:|---|---|
"""


def page() -> str:
    """Return the page."""
    parts = [
        HEAD + f"{len(EVERY)} faults, of which `make test` takes {sum(fault.cut for fault in EVERY)} (marked •).\n"
    ]
    for stage, group in groupby(sorted(EVERY, key=_order), key=lambda fault: fault.stage):
        parts.append(f"\n## {stage[0].upper()}{stage[1:]}\n\n| | Fault | Exit code | Reason | Left to the cleanup |\n")
        parts.append("|---|---|---:|---|---|\n")
        parts += [_row(fault) for fault in group]
    parts.append(RETURNING)
    parts += [f"| {case.what} | {case.code} | `{case.reason}` | {case.says} |\n" for case in RETURNS]
    return "".join(parts)


def _order(fault: Fault) -> int:
    stages = list(dict.fromkeys(each.stage for each in EVERY))
    begins = [stage for stage in stages if stage.startswith(("validating", "looking", "beginning"))]
    return [*begins, *(stage for stage in stages if stage not in begins)].index(fault.stage)


def _row(fault: Fault) -> str:
    reason = f"`{fault.reason}`" if fault.reason else "none: a backup" if fault.code == 0 else "none: no report"
    return f"| {'•' if fault.cut else ''} | {fault.what} | {fault.code} | {reason} | {fault.left} |\n"


if __name__ == "__main__":
    pages = {PAGE: page(), restore_faults_page.PAGE: restore_faults_page.page()}
    sys.exit(generated.main("tests.integration.runner.faults_page", pages, None))
