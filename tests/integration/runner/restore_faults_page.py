"""The table of a restore's faults as the page that the docs show; faults_page.py writes it and holds it fresh."""

from itertools import groupby
from pathlib import Path

from tests.integration.runner.restore_faults import FAULTS
from tests.integration.runner.restore_scene import WHOLE, Fault

PAGE = Path("docs/reference/restore-faults.md")
STAGES = ("validating", "checking", "restoring", "comparing", "giving", "switching")

HEAD = """\
<!-- Generated from restore_faults.py in tests/integration/runner; do not edit: run `make generate`. -->
# Faults of a restore

What comes of a restore when something breaks: each fault is injected into the real runner's image, with a real
PostgreSQL and a real S3 store. The restore stands still at that stage when the fault strikes. In
[mode](../how-to/restore.md#what-may-be-in-the-target) `Refuse` the target is empty and the backup a script; in mode
`Replace` it has content, settings and a comment of its own, and the backup is a `custom` archive.

After each, one function checks the whole outcome: the exit code; the reason and a remedy in a restore's words, the
same in report and log; the target, by a hash of each table and each definition, and by its properties; what is beside
it; no secret and no identity in log and report, nor in arguments and environment of the processes.

- **As before**: content and properties are the same, and nothing is beside it but what the table names: a report names
  it as well, and says how to drop it.
- **Whole**: the content is the backup's. In mode Replace it has the properties that the target had, and what was there
  before is beside it, whole as well.
- **Filled in part**: several sessions restore without one transaction for all of them, so of a restore into an empty
  target that breaks off, a part stays. A report says so, and what to do first. In mode Replace it never comes to this.
- **The next Pod** follows where the Job makes another, or you create the restore again. It brings the restore to its
  end (whole), finds that this is done (found), or says why not. In mode Refuse the dump is in the target before it is
  compared and before its owner is given: whoever ends the Pod in that moment leaves a target that is whole, but that
  nobody has compared, or that still belongs to who restored it; a report says so.

The reasons are explained in [Failures](failures.md); the faults of a backup are on [a page of their own](faults.md).
137 is a container that was killed, which leaves no report.

"""

ELSEWHERE = """
## Tested elsewhere

| What | Where, in tests/integration/runner |
|---|---|
| A download that breaks off goes on from there, and not for ever | test_broken_downloads.py |
| Rows that differ from the manifest: `RestoreDiffers`, nothing is switched | test_replace.py |
| An application that connects again and again, and keeps a table locked, during the switch | test_replace.py |
| Rights that are lacking are told before anything is done | test_replace.py, test_needs.py |
| Scripts of MySQL's and MariaDB's with commands for the client | test_hostile_dumps.py |
| MySQL and MariaDB: killed, or the server gone, at each stage; a kept lock, a flipped bit | test_mysql_replace.py |
| SQLite: a changed artifact, a file that is there, a folder that is closed | test_sqlite.py |
"""


def page() -> str:
    """Return the page."""
    cut = sum(fault.cut for fault in FAULTS)
    parts = [HEAD + f"{len(FAULTS)} faults, of which `make test` takes {cut} (marked •), and `make matrix` all.\n"]
    for stage, group in groupby(sorted(FAULTS, key=_order), key=lambda fault: fault.stage):
        parts.append(f"\n## {stage.capitalize()}\n\n")
        parts.append("| | Fault | Mode | Exit code | Reason | The target is | Left | The next Pod |\n")
        parts.append("|---|---|---|---:|---|---|---|---|\n")
        parts += [_row(fault) for fault in group]
    return "".join(parts) + ELSEWHERE


def _order(fault: Fault) -> int:
    return STAGES.index(fault.stage)


def _row(fault: Fault) -> str:
    done = "none: restored" if fault.code == 0 else "none: no report"
    reason = f"`{fault.reason}`" if fault.reason else done
    following = fault.next if fault.next in ("", WHOLE, "found") else f"`{fault.next}`"
    cells = [
        "•" if fault.cut else "", fault.what, fault.mode, str(fault.code), reason, fault.target, fault.left, following
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |\n"
