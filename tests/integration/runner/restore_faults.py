"""Every fault of a restore, where it strikes, and what must come of it: behind test_restore_faults.py and a page."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from tests.integration.runner.restore_acts import (
    at,
    changed,
    crowded,
    elsewhere,
    flipped,
    hostile,
    identity,
    killed,
    locked,
    of_another,
    prepared,
    scratch,
    server_gone,
    standby,
    stays,
    store_does,
)
from tests.integration.runner.restore_scene import (
    FRESH,
    HEIR,
    IN_IT,
    IN_PART,
    MODES,
    PART,
    REFUSE,
    REPLACE,
    WHOLE,
    Fault,
)
from tests.integration.runner.servers import USER

# After which the dump is in the target, unless it goes beside it, and what a report says of it then.
FED = {"comparing": IN_IT, "giving": "all of the dump is in"}
OWNED = {"giving": {"owner": HEIR}}  # without it, there is nothing to give
HALF = 600_000  # bytes: of a megabyte
GONE = "the server is gone until the Pod has ended"
BACK = "the server is killed, and back at once"
COPY_TO = "COPY (SELECT 1) TO PROGRAM 'cat > /tmp/out';\n"
RUNS = (
    "CREATE FUNCTION public.f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'COPY (SELECT 1) TO PROGRAM ''id''';"
)
RUNS += " RETURN 1; END $$;\nALTER TABLE public.t ADD COLUMN more int DEFAULT public.f();\nSELECT public.f();\n"


def of_the_pod() -> Iterator[Fault]:
    """The runner is killed, or told to end, at each stage; another Pod follows."""
    for mode in MODES:
        for stage in ("validating", "checking", "restoring", "comparing", "giving", "switching"):
            if (mode, stage) == (REFUSE, "switching"):
                continue
            in_it = stage in FED and mode == REFUSE
            there: dict[str, Any] = {"target": WHOLE, "next": "TargetNotEmpty"} if in_it else {"next": WHOLE}
            fresh = {"left": FRESH} if mode == REPLACE and stage != "validating" else {}
            yield Fault(
                stage, "the runner is killed (SIGKILL)", mode, killed(stage, mode, "KILL", **OWNED.get(stage, {})), 137,
                **there, **fresh,
                cut=(mode, stage) in ((REPLACE, "restoring"), (REPLACE, "switching")),
            )  # fmt: skip
            if stage == "switching":
                yield Fault(
                    stage, "the Pod is deleted (SIGTERM)", mode, killed(stage, mode, "TERM"), 0, target=WHOLE,
                    next="found", cut=True,
                )  # fmt: skip
                continue
            yield Fault(
                stage, "the Pod is deleted (SIGTERM)", mode, killed(stage, mode, "TERM", **OWNED.get(stage, {})), 9,
                "Interrupted", FED[stage] if in_it else "SIGTERM", **there, cut=(mode, stage) == (REPLACE, "giving"),
            )  # fmt: skip


def of_the_server() -> Iterator[Fault]:
    """The target's server goes away at each stage."""
    failed = {
        "validating": (3, "HostNotFound"), "checking": (7, "RestoreFailed"), "restoring": (7, "RestoreFailed"),
        "comparing": (7, "RestoreFailed"), "giving": (7, "RestoreFailed"), "switching": (3, "SwitchFailed"),
    }  # fmt: skip
    for mode in MODES:
        for stage, (code, reason) in failed.items():
            if (mode, stage) == (REFUSE, "switching"):
                continue
            in_it = stage in FED and mode == REFUSE
            there: dict[str, Any] = {"target": WHOLE, "next": "TargetNotEmpty"} if in_it else {"next": WHOLE}
            says, owned = FED[stage] if in_it else "", OWNED.get(stage, {})
            fresh = {"left": FRESH} if mode == REPLACE and stage != "validating" else {}
            yield Fault(
                stage, GONE, mode, server_gone(stage, mode, back=False, **owned), code, reason, says, **there, **fresh,
            )  # fmt: skip
            if stage in ("restoring", "comparing", "giving", "switching"):
                yield Fault(
                    stage, BACK, mode, server_gone(stage, mode, back=True, **owned), code, reason, says, **there,
                    cut=(mode, stage) == (REFUSE, "restoring"),
                )  # fmt: skip
            elif stage == "checking":
                yield Fault(stage, BACK, mode, server_gone(stage, mode, back=True), 0, target=WHOLE)


def of_several_sessions() -> Iterator[Fault]:
    """What is staged in the Pod and restored by several sessions, so not in one transaction."""
    for mode in MODES:
        four: dict[str, Any] = {"form": "directory"}
        three: dict[str, Any] = {"form": "custom", "jobs": 3, "scratch_bytes": 64 << 20}
        there = {"target": PART, "next": "TargetNotEmpty"} if mode == REFUSE else {"next": WHOLE}
        fresh = {"left": FRESH} if mode == REPLACE else {}
        in_part = IN_PART if mode == REFUSE else ""
        for sessions, how in ((four, "directory, 4 sessions"), (three, "custom, 3 sessions")):
            yield Fault(
                "restoring", f"{how}: the runner is killed (SIGKILL)", mode,
                killed("restoring", mode, "KILL", **sessions), 137, **there, **fresh,
            )  # fmt: skip
            yield Fault(
                "restoring", f"{how}: the Pod is deleted (SIGTERM)", mode,
                killed("restoring", mode, "TERM", **sessions), 9, "Interrupted", in_part, **there,
                cut=(mode, sessions) == (REFUSE, four),
            )  # fmt: skip
            yield Fault(
                "restoring", f"{how}: {GONE}", mode, server_gone("restoring", mode, back=False, **sessions), 7,
                "RestoreFailed", in_part, **there, **fresh,
            )  # fmt: skip
            yield Fault(
                "restoring", f"{how}: {BACK}", mode, server_gone("restoring", mode, back=True, **sessions), 7,
                "RestoreFailed", in_part, **there,
            )  # fmt: skip
            yield Fault(
                "checking", f"{how}: the scratch volume is too small", mode,
                scratch("1m", mode, filled=False, **sessions), 2, "ScratchTooSmall", "scratch volume", next=WHOLE,
            )  # fmt: skip
            yield Fault(
                "checking", f"{how}: somebody fills the scratch volume", mode,
                scratch("16m", mode, filled=True, **sessions), 2, "DiskFull", "scratch volume", next=WHOLE,
            )  # fmt: skip


def of_the_store() -> Iterator[Fault]:
    """What is in the bucket is not what was put there, or the store goes away."""
    for mode in MODES:
        for stage in ("checking", "restoring"):
            yield Fault(
                stage, "the store is gone from then on", mode, store_does(stage, mode, do="gone"), 6,
                "StorageUnavailable", next=WHOLE,
            )  # fmt: skip
            for after, where in ((0, "before its first byte"), (1, "after one byte"), (HALF, "in the midst"),
                                 (-1, "before its last byte")):  # fmt: skip
                yield Fault(
                    stage, f"the download breaks off {where}, and goes on", mode,
                    store_does(stage, mode, do="break", after=after, times=1), 0, says="resuming", target=WHOLE,
                    cut=(mode, stage, after) == (REPLACE, "restoring", HALF),
                )  # fmt: skip
            for times, says in ((2, ""), (5, "resuming")):
                yield Fault(
                    stage, f"the store says 503 SlowDown {times} times, and is back", mode,
                    store_does(stage, mode, do="status", code="SlowDown", status=503, times=times), 0, says=says,
                    target=WHOLE,
                )  # fmt: skip
            yield Fault(
                stage, "the store resets 9 connections, and is back", mode,
                store_does(stage, mode, do="reset", times=9), 0, says="resuming", target=WHOLE,
            )  # fmt: skip
        for tenth in range(10) if mode == REPLACE else (4,):
            yield Fault(
                "checking", f"one bit of the artifact is flipped, {tenth + 1} of 10 places", mode,
                changed(partial(flipped, tenth), mode, encrypted=tenth % 2 == 1), 5, "ChecksumMismatch",
                cut=(mode, tenth) == (REPLACE, 3),
            )  # fmt: skip
        yield Fault(
            "checking", "the artifact ends too early", mode, changed(lambda data: data[: len(data) // 2], mode),
            5, "ChecksumMismatch",
        )  # fmt: skip
        yield Fault(
            "checking", "the artifact is another backup's", mode, of_another(mode), 5, "ChecksumMismatch",
            cut=mode == REPLACE,
        )  # fmt: skip
        tampered = partial(changed, mode=mode, manifest=True)
        yield Fault(
            "validating", "the manifest ends too early", mode, tampered(lambda data: data[: len(data) // 2]),
            5, "ManifestConflict",
        )  # fmt: skip
        yield Fault(
            "validating", "the manifest's key points elsewhere", mode,
            tampered(lambda data: data.replace(b'"key":"it/', b'"key":"other/').replace(b'"key": "it/', b'"key": "x/')),
            5, "ManifestConflict", cut=mode == REFUSE,
        )  # fmt: skip


def of_who_asks() -> Iterator[Fault]:
    """An identity that does not fit."""
    import pyrage

    for mode in MODES:
        yield Fault("validating", "no identity is there", mode, identity(None, mode), 1, "SecretMissing")
        yield Fault(
            "validating", "the identity is none", mode, identity({"key.txt": "AGE-SECRET-KEY-1WRONG\n"}, mode), 1,
            "SecretInvalid",
        )  # fmt: skip
        yield Fault(
            "validating", "the identity is of no recipient", mode,
            identity({"key.txt": f"{pyrage.x25519.Identity.generate()}\n"}, mode), 1, "IdentityMismatch",
            cut=mode == REPLACE,
        )  # fmt: skip


def of_the_target() -> Iterator[Fault]:
    """A target that is not as it must be, or whose server lets nobody in."""
    validating = "validating"
    yield Fault(
        validating, "the target is not empty", REFUSE, prepared("", "", REFUSE, live=True), 1, "TargetNotEmpty",
        "live", cut=True,
    )  # fmt: skip
    for mode in MODES:
        yield Fault(
            validating, "the server is older than the dump", mode, elsewhere("old", mode), 1, "TargetNotReady",
            "PostgreSQL 15",
        )  # fmt: skip
        yield Fault(
            validating, "the server only follows another one", mode, standby(mode), 1, "TargetNotReady", "replica",
            cut=mode == REFUSE,
        )  # fmt: skip
        yield Fault(
            validating, "the whole server is set read-only", mode,
            prepared(
                "alter system set default_transaction_read_only = on;\nselect pg_reload_conf();\nselect pg_sleep(0.5);",
                "set default_transaction_read_only = off;\nalter system reset default_transaction_read_only;\n"
                "select pg_reload_conf();\nselect pg_sleep(0.5);",
                mode,
            ),
            1, "TargetNotReady", "read-only", cut=mode == REPLACE,
        )  # fmt: skip
        yield Fault(
            validating, "the role is set read-only", mode,
            prepared(
                f"alter role {USER} set default_transaction_read_only = on",
                f"alter role {USER} reset default_transaction_read_only",
                mode,
            ),
            0, target=WHOLE,
        )  # fmt: skip
        yield Fault(
            validating, "the role may have no more connections", mode,
            prepared(f"alter role {USER} connection limit 0", f"alter role {USER} connection limit -1", mode), 3,
            "ConnectionFailed", "too many connections for role",
        )  # fmt: skip
        full = "remaining connection slots are reserved"
        yield Fault(
            validating, "the server may have no more connections", mode, crowded(validating, mode), 3,
            "ConnectionFailed", full, next=WHOLE,
        )  # fmt: skip
        yield Fault(
            "restoring", "the server may have no more connections by then", mode, crowded("checking", mode), 7,
            "RestoreFailed", full, next=WHOLE, left=FRESH if mode == REPLACE else "nothing",
        )  # fmt: skip
        in_it: dict[str, Any] = {"target": WHOLE} if mode == REFUSE else {}
        yield Fault(
            "giving", "the role that is to own everything is gone", mode,
            at("comparing", f"alter role {HEIR} rename to late", f"alter role late rename to {HEIR}", mode, owner=HEIR),
            7, "RestoreFailed", f"the role {HEIR}", **in_it, next="TargetNotEmpty" if in_it else WHOLE,
        )  # fmt: skip
        yield Fault(
            "restoring", "the disk of the server is full", mode,
            elsewhere("small", mode, tablespace="for_two" if mode == REPLACE else "for_one"), 2, "DiskFull",
            cut=mode == REPLACE,
        )  # fmt: skip
    yield Fault(
        validating, "the database may have no more connections", REFUSE,
        prepared("alter database {} connection limit 0", "alter database {} connection limit -1", REFUSE), 3,
        "ConnectionFailed", "too many connections for database",
    )  # fmt: skip
    yield Fault(
        validating, "the disk of the server has no room for another database", REPLACE,
        elsewhere("small", REPLACE, tablespace="for_no_more"), 2, "DiskFull",
    )  # fmt: skip
    yield Fault(
        "restoring", "the role may have no more connections by then", REFUSE,
        at("checking", f"alter role {USER} connection limit 0", f"alter role {USER} connection limit -1", REFUSE), 7,
        "RestoreFailed", "too many connections for role", next=WHOLE,
    )  # fmt: skip
    yield Fault(
        "switching", "somebody keeps a lock on the database", REPLACE,
        locked, 3, "SwitchFailed", "nothing was switched", cut=True,
    )  # fmt: skip
    yield Fault("switching", "a superuser's session stays", REPLACE, stays, 3, "SwitchFailed", "of postgres")


def of_a_hostile_dump() -> Iterator[Fault]:
    """What somebody put into a dump's place."""
    for mode in MODES:
        for what, script, says in (
            ("a shell command for psql", "\\! touch /tmp/out\n", "has the command"),
            ("psql is sent to another database", "\\connect postgres\n", "has the command"),
            ("COPY TO PROGRAM", COPY_TO, "COPY that does not read rows"),
            ("a function that runs on restore starts a program", RUNS, "permission denied"),
        ):
            yield Fault(
                "restoring", f"in the dump's place: {what}", mode, hostile(script, mode), 7, "RestoreFailed", says,
                cut=(mode, script) == (REPLACE, RUNS),
            )  # fmt: skip


FAULTS: Sequence[Fault] = (
    *of_the_pod(), *of_the_server(), *of_several_sessions(), *of_the_store(), *of_who_asks(), *of_the_target(),
    *of_a_hostile_dump(),
)  # fmt: skip
