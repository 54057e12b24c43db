"""What is pasted, run by a real shell in an empty room: only kubectl and aws are stand-ins, which write down each call.

A scene is what the cluster looks like at each look that the commands take: at the first the first, and so on.
"""

import json
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.patience import ENOUGH

TOOLS = ("cat", "sed", "tail", "tr")  # all that the commands need besides kubectl, and all that there is
CANARIES = ("id", "touch", "curl", "ran")  # what a stranger's text would run

_KUBECTL = r"""#!/bin/sh
cd "$ROOM" || exit 9
{ printf '%s\037' "$@"; echo; } >> calls
look() { n=$(tail -n 1 look); while [ "$n" -gt 0 ] && [ ! -e "looks/$n" ]; do n=$((n - 1)); done
  cat "looks/$n/$1" 2> /dev/null; }
case "$*" in
*" create "*) cat > job.json; if [ -e refused ]; then cat refused >&2; exit 1; fi; echo job.batch/restore-x ;;
*" get job/"*Failed*) look job_failed ;;
*" get job/"*) echo $(($(tail -n 1 look) + 1)) > look; look lost >&2 && exit 1; look ends ;;
*" get pods "*startedAt*) look pod ;;
*" get pods "*waiting*) look waiting ;;
*" get pods "*PodScheduled*) look unscheduled ;;
*" get pods "*terminated.message*) look report ;;
*" get pods "*terminated.reason*) look reason ;;
*" get events "*) look event ;;
*" logs "*) look log ;;
*) echo "not foreseen: $*" >&2; exit 9 ;;
esac
exit 0
"""
_CANARY = '#!/bin/sh\necho "$0" "$@" >> "$ROOM/strangers"\n'
_AWS = '#!/bin/sh\n{ printf \'%s\\037\' "$@"; echo; } >> "$ROOM/calls"\n'

DONE = {"ends": "SuccessCriteriaMet Complete", "pod": "restore-x-1 Succeeded/0/", "log": '{"event":"ended"}\n'}


@dataclass
class Pasted:
    """What came of it."""

    code: int
    said: str
    calls: list[list[str]]
    strangers: list[str]
    left: set[str] = field(default_factory=set)
    job: dict[str, Any] | None = None

    @property
    def lines(self) -> list[str]:
        return self.said.splitlines()


class Room:
    """A folder that is all of the PATH, and what the stand-ins answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        tools = folder / "bin"
        tools.mkdir()
        for name in TOOLS:
            found = shutil.which(name)
            assert found
            (tools / name).symlink_to(found)
        stand_ins = {"kubectl": _KUBECTL, "aws": _AWS, "sleep": "#!/bin/sh\n"}
        for name, text in (stand_ins | dict.fromkeys(CANARIES, _CANARY)).items():
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)

    def paste(
        self,
        commands: str,
        looks: list[dict[str, str]] | None = None,
        refused: str | None = None,
        variables: dict[str, str] | None = None,
        shell: str = "bash",
        typed: bool = False,
    ) -> Pasted:
        """Run the commands, as a file or (`typed`) as a shell reads them from its standard input."""
        self.prepare(looks or [DONE], refused)
        arguments = [str(shutil.which(shell))] if typed else [str(shutil.which(shell)), "-c", commands]
        done = subprocess.run(
            arguments, input=commands if typed else "", env=self.environment(variables), cwd=self.folder / "cwd",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=ENOUGH, check=False,
        )  # fmt: skip
        return self.result(done.returncode, done.stdout)

    def environment(self, variables: dict[str, str] | None = None) -> dict[str, str]:
        return {"PATH": str(self.folder / "bin"), "ROOM": str(self.folder), **(variables or {})}

    def prepare(self, looks: list[dict[str, str]], refused: str | None = None) -> None:
        for each in ("looks", "cwd"):
            shutil.rmtree(self.folder / each, ignore_errors=True)
            (self.folder / each).mkdir()
        for each in ("calls", "job.json", "strangers", "refused"):
            (self.folder / each).unlink(missing_ok=True)
        (self.folder / "look").write_text("0\n")
        for number, look in enumerate(looks, 1):
            (self.folder / "looks" / str(number)).mkdir()
            for name, text in look.items():
                (self.folder / "looks" / str(number) / name).write_text(text)
        if refused is not None:
            (self.folder / "refused").write_text(refused)

    def result(self, code: int, said: str) -> Pasted:
        def read(name: str) -> str:
            path = self.folder / name
            return path.read_text() if path.exists() else ""

        calls = [call.split("\037") for call in read("calls").split("\037\n") if call]
        job = read("job.json")
        return Pasted(
            code=code, said=said, calls=calls, strangers=read("strangers").splitlines(),
            left={each.name for each in (self.folder / "cwd").iterdir()}, job=json.loads(job) if job else None,
        )  # fmt: skip
