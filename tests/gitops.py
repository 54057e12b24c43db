"""How tools that apply from Git, and Helm, judge a resource: their own documented rules, on any manifest.

Neither Argo CD nor Flux runs here. Argo CD's health check is Lua, which a real Lua 5.1 runs with what Argo CD gives it;
Flux's are CEL, run by CEL's own implementation; and kstatus, which Flux and Helm 4 go by, is short enough to be written
down.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cel_expr_python import cel
from lupa import lua51

Manifest = Mapping[str, Any]
DOCS = Path(__file__).parents[1] / "docs"
HEALTH = DOCS / "argocd/health.lua"
# Argo CD opens the base and table libraries, and an os without harm: util/lua/lua.go. The rest is not there.
_NOT_IN_ARGO_CD = ("string", "math", "io", "debug", "coroutine", "os", "python", "require")


def kstatus(manifest: Manifest) -> str:
    """InProgress, Failed, Current or Terminating: the generic rules, which hold for every custom resource.

    https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md, pkg/kstatus/status/generic.go
    """
    meta, status = manifest["metadata"], manifest.get("status") or {}
    if meta.get("deletionTimestamp"):
        return "Terminating"
    if "generation" in meta and status.get("observedGeneration", meta["generation"]) != meta["generation"]:
        return "InProgress"
    for condition in status.get("conditions", []):
        if condition["status"] == "True" and condition["type"] in ("Reconciling", "Stalled"):
            return "InProgress" if condition["type"] == "Reconciling" else "Failed"
    return "Current"


def argo_cd(manifest: Manifest, script: str | None = None) -> tuple[str, str]:
    """Status and message that Argo CD shows of a resource by the health check in docs/argocd."""
    lua = lua51.LuaRuntime(register_eval=False, register_builtins=False)
    for name in _NOT_IN_ARGO_CD:
        lua.globals()[name] = None
    lua.globals().obj = lua.table_from(_plain(manifest), recursive=True)
    health = lua.execute(script or HEALTH.read_text())
    return health.status, health.message


def _plain(value: Any) -> Any:
    return {key: _plain(each) for key, each in value.items()} if isinstance(value, Mapping) else value


def flux(expressions: Mapping[str, str]) -> Callable[[Manifest], str]:
    """How Flux judges by the expressions of a `healthCheckExprs` entry: the first that is true, in this order.

    https://fluxcd.io/flux/components/kustomize/kustomizations/#health-check-expressions: where none is true, or one
    cannot be evaluated, it waits.
    """
    names = dict.fromkeys(("apiVersion", "kind", "metadata", "spec", "status"), cel.Type.DYN)
    environment = cel.NewEnv(variables=names)
    programs = {
        means: environment.compile(expressions[name])
        for name, means in (("inProgress", "InProgress"), ("failed", "Failed"), ("current", "Current"))
        if name in expressions
    }

    def judge(manifest: Manifest) -> str:
        there = {name: manifest[name] for name in names if name in manifest}
        for means, program in programs.items():
            if program.eval(data=there).value() is True:
                return means
        return "InProgress"

    return judge
