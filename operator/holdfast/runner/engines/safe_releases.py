r"""Which releases of the dump tools are known to be safe: an older one backs up, and the report warns.

A dump tool reads what a server says, and a restore tool reads what a dump says; both may be hostile. The table is
shown in docs/how-to/back-up-postgresql.md. Source: each project's release notes and security page.

PostgreSQL's are the releases of 12 November 2026. They mend CVE-2026-116314: a crafted custom or directory archive has
`pg_restore` run code, and every such backup is read through by it. They contain what was mended before:
CVE-2026-18408 (`\unrestrict` in a plain script gets around the next one's fix), CVE-2026-6477 (a hostile server
overwrites pg_dump's stack), CVE-2025-8714 and 8715 (a hostile server has psql run commands at restore),
CVE-2024-7348 (a hostile user of the database has pg_dump run SQL).
"""

import re

Release = tuple[int, ...]

# For each tool: the first safe release of each major version that its project still mends.
SAFE: dict[str, list[Release]] = {
    "pg_dump": [(14, 25), (15, 20), (16, 16), (17, 12), (18, 7)],
}


def warnings(tool: str, version: str) -> list[str]:
    """Return what is worth knowing of a tool's version, such as `pg_dump 17.5`; nothing when it is safe."""
    safe = SAFE.get(tool, [])
    found = re.search(r"\d+(?:\.\d+)+", version)
    if not safe or found is None:
        return []
    release = tuple(map(int, found[0].split(".")))
    if release[0] < safe[0][0]:
        return [f"{tool} {found[0]} no longer gets security fixes: use a runner image with a newer client"]
    least = next((one for one in safe if one[0] == release[0]), None)
    if least is None or release >= least:
        return []
    mended = ".".join(map(str, least))
    remedy = "use a newer build of the runner image"
    return [f"{tool} {found[0]} has known security faults, which are fixed in {mended}: {remedy}"]
