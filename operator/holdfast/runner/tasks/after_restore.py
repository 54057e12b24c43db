"""Runs the SQL that a restore is to run in the restored database before it is used, as it masks one of production.

The SQL is read once, before anything is made, so that what is missing is told while nothing has happened.
"""

import hashlib

from holdfast.api.restoring import RestoreMode
from holdfast.contract.report import ScriptReport
from holdfast.contract.task import RestoreTask
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.engines.protocol import Source
from holdfast.runner.engines.scripts import Script
from holdfast.runner.pod.context import Context

MOST = 1 << 20  # bytes, as Kubernetes lets a ConfigMap have
PHASE = "afterRestore"


def read(task: RestoreTask, context: Context) -> Script | None:
    """Return the SQL; None where none is asked for. Raises AfterRestoreInvalid where there is none that can be run."""
    asked = task.after_restore
    if asked is None:
        return None
    folder, name = context.places.after_restore, f"key {asked.key} of ConfigMap {asked.config_map}"
    keys = sorted(path.name for path in folder.glob("*") if not path.name.startswith(".."))
    if not keys:
        raise _invalid(f"ConfigMap {asked.config_map} does not exist in this namespace, or is empty", "create it")
    if asked.key not in keys:
        raise _invalid(f"there is no {name}; it has {', '.join(keys[:8])}", "set spec.afterRestore.key")
    with (folder / asked.key).open("rb") as file:
        data = file.read(MOST + 1)
    if len(data) > MOST:
        raise _invalid(f"{name} has more than {MOST >> 20} MiB", "make it shorter")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _invalid(f"{name} is not UTF-8 text", "write it as UTF-8") from None
    if "\0" in text or not text.strip():
        raise _invalid(f"{name} {'has a NUL character' if text.strip() else 'is empty'}", "put SQL into it")
    return Script(name, text, hashlib.sha256(data).hexdigest())


def run(script: Script | None, target: Source, task: RestoreTask, context: Context) -> ScriptReport | None:
    """Run it, where there is one. Raises AfterRestoreFailed, which says what the target is left as."""
    if script is None:
        return None
    context.log.line("step", phase=PHASE)
    try:
        statements = target.run_script(script)
    except HoldfastError as error:
        left = "nothing was switched, and the target is as it was"
        if task.mode is not RestoreMode.REPLACE:
            left = "what was restored is in the target as it came from the backup: drop it, or mask it by hand"
        raise HoldfastError(
            Reason.AFTER_RESTORE_FAILED if error.reason in _ITS_OWN else error.reason,
            f"{script.name}, {error.message}; {left}",
            error.remedy,
        ) from error
    context.log.line("ran", script=script.name, statements=statements, sha256=script.sha256)
    return ScriptReport(statements=statements, sha256=script.sha256)


_ITS_OWN = (Reason.AFTER_RESTORE_FAILED, Reason.RESTORE_FAILED, Reason.DUMP_FAILED)


def _invalid(what: str, remedy: str) -> HoldfastError:
    return HoldfastError(
        Reason.AFTER_RESTORE_INVALID,
        f"{what}; nothing was restored",
        f"{remedy}, then create another DatabaseRestore",
    )
