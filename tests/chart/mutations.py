"""Every way to make another Job of one: each field of the API server's schema added, each value changed or left out."""

import copy
import re
from collections.abc import Iterator
from typing import Any

Job = dict[str, Any]
Schema = dict[str, Any]
Path = tuple[str | int, ...]

COMMAND = {"exec": {"command": ["sh"]}}
REFERENCE = {"name": "a", "key": "b"}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
# Values that the API server takes, where the schema does not say which: so that it is the policy that refuses them.
SAMPLES: dict[str, Any] = {
    "appArmorProfile": {"type": "Unconfined"},
    "azureDisk": {"diskName": "a", "diskURI": "https://a.blob.core.windows.net/a/a.vhd"},
    "completionMode": "Indexed",
    "completions": 2,
    "configMap": {"name": "a"},
    "configMapKeyRef": REFERENCE,
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "deletionTimestamp": "2026-01-01T00:00:00Z",
    "dnsConfig": {"nameservers": ["10.0.0.1"]},
    "dnsPolicy": "Default",
    "ephemeral": {"volumeClaimTemplate": {"spec": CLAIM}},
    "fc": {"targetWWNs": ["a"], "lun": 0},
    "finalizers": ["example.com/a"],
    "fsGroupChangePolicy": "Always",
    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}],
    "image": {"reference": "a"},
    "initContainers": [{"name": "other", "image": "alpine"}],
    "iscsi": {"targetPortal": "a", "iqn": "iqn.2001-04.com.example:a", "lun": 0},
    "lifecycle": {"preStop": COMMAND},
    "livenessProbe": COMMAND,
    "managedBy": "example.com/a",
    "manualSelector": True,
    "mountPropagation": "HostToContainer",
    "nfs": {"server": "a", "path": "/a"},
    "onExitCodes": {"operator": "In", "values": [1]},
    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    "os": {"name": "linux"},
    "overhead": {"cpu": "1"},
    "parallelism": 1000,
    "preemptionPolicy": "Never",
    "procMount": "Default",
    "quobyte": {"registry": "a:1", "volume": "a"},
    "rbd": {"monitors": ["a"], "image": "a"},
    "readinessProbe": COMMAND,
    "recursiveReadOnly": "Disabled",
    "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
    "resourceClaims": [{"name": "a", "resourceClaimName": "a"}],
    "resourceFieldRef": {"resource": "limits.cpu"},
    "resources": {"limits": {"cpu": "1"}},
    "scaleIO": {"gateway": "a", "system": "a", "secretRef": {"name": "a"}, "volumeName": "a"},
    "seLinuxChangePolicy": "Recursive",
    "seccompProfile": {"type": "Unconfined"},
    "secret": {"secretName": "a"},
    "secretKeyRef": REFERENCE,
    "startupProbe": COMMAND,
    "storageos": {"volumeName": "a"},
    "supplementalGroupsPolicy": "Merge",
    "terminationMessagePolicy": "FallbackToLogsOnError",
    "valueFrom": {"secretKeyRef": REFERENCE},
}
# What the API server takes such a field only together with, in the same object.
INDEXED = {"completionMode": "Indexed", "completions": 2}
TOGETHER: dict[str, Any] = {
    "backoffLimitPerIndex": INDEXED,
    "completionMode": INDEXED,
    "localhostProfile": {"type": "Localhost"},
    "manualSelector": {"selector": {"matchLabels": {"app.kubernetes.io/managed-by": "holdfast"}}},
    "maxFailedIndexes": {**INDEXED, "backoffLimitPerIndex": 1},
    "privileged": {"allowPrivilegeEscalation": True},
    "successPolicy": INDEXED,
}
# Of which an object has one at a time: the new one takes the place of the others.
ONE_OF = (
    {"value", "valueFrom"},
    {"fieldRef", "configMapKeyRef", "secretKeyRef", "resourceFieldRef", "fileKeyRef"},
    {"onExitCodes", "onPodConditions"},
)
# What the API server refuses in every such Job, or what names something that is nowhere in it.
NEVER_TAKEN = {"ephemeralContainers", "claims", "volumeDevices", "podReplacementPolicy", "selector", "fileKeyRef",
               "resourceVersion", "apiVersion"}  # fmt: skip
ASKED_BEFORE = {"containerName", "restartPolicy"}
# By which a request finds its way; another one would be asked elsewhere.
IDENTITY = {("apiVersion",), ("kind",), ("metadata",), ("spec",), ("metadata", "name"), ("metadata", "namespace")}
# Another value that the API server takes as well.
OTHERS = {"Never": "OnFailure", "RuntimeDefault": "Unconfined", "IfNotPresent": "Always", "Ignore": "Count",
          "FailJob": "Count", "True": "False", "In": "NotIn", "metadata.uid": "metadata.name", "ALL": "NET_RAW",
          "NoSchedule": "NoExecute", "Exists": "DoesNotExist"}  # fmt: skip
POD: Path = ("spec", "template", "spec")


class Known:
    """The schema of a Job, as the API server publishes it."""

    def __init__(self, document: Schema) -> None:
        self._all: dict[str, Schema] = document["components"]["schemas"]
        self.job = self._all["io.k8s.api.batch.v1.Job"]

    def resolved(self, schema: Schema) -> Schema:
        """Follow a reference, which the API server writes as an `allOf` of one."""
        while "allOf" in schema or "$ref" in schema:
            reference = schema.get("$ref") or schema["allOf"][0]["$ref"]
            schema = self._all[reference.rsplit("/", 1)[-1]]
        return schema

    def value(self, name: str, schema: Schema, depth: int = 0) -> Any:
        """Make up a value of a field: a sample where there is one, else the least that the schema allows."""
        if name in SAMPLES:
            return SAMPLES[name]
        schema = self.resolved(schema)
        if "oneOf" in schema or "anyOf" in schema:
            return "1"  # a quantity, or a number or text
        match schema.get("type"):
            case "boolean":
                return True
            case "integer" | "number":
                return 1
            case "array":
                return [self.value("", schema["items"], depth + 1)]
            case "object":
                if "additionalProperties" in schema:
                    return {"a": self.value("", schema["additionalProperties"], depth + 1)}
                fields = schema.get("properties", {})
                named = schema.get("required") or list(fields)[:1]
                return {each: self.value(each, fields[each], depth + 1) for each in named}
        return "a"


def additions(job: Job, known: Known) -> Iterator[tuple[Path, Job]]:
    """Yield the Job once for each field that the schema has and it has not, at every object that is in it."""
    for path, fields in list(_objects(job, known.job, known, ())):
        here = at(job, path)
        for name, schema in fields.items():
            if name in here:
                continue
            changed = copy.deepcopy(job)
            _add(at(changed, path), name, known.value(name, schema), is_volume=path[-2:-1] == ("volumes",))
            yield (*path, name), changed


def _add(target: dict[str, Any], name: str, value: Any, *, is_volume: bool) -> None:
    others = next((fields for fields in ONE_OF if name in fields), set(target) - {"name"} if is_volume else set())
    for other in others & target.keys():
        del target[other]
    target |= TOGETHER.get(name, {}) | {name: value}


def _objects(value: Any, schema: Schema, known: Known, path: Path) -> Iterator[tuple[Path, dict[str, Schema]]]:
    schema = known.resolved(schema)
    if isinstance(value, dict) and "properties" in schema:
        yield path, schema["properties"]
        for name, below in value.items():
            yield from _objects(below, schema["properties"][name], known, (*path, name))
    elif isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from _objects(item, schema["items"], known, (*path, number))


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def changes(job: Job) -> Iterator[tuple[Path, Job]]:
    """Yield the Job once for each value in it, changed to another that the API server takes."""
    for path in [each for each in _leaves(job, ()) if each not in IDENTITY]:
        if path[-3:-2] == ("volumeMounts",) and path[-1] == "name" and len(at(job, POD)["volumes"]) == 1:
            continue  # there is no other volume to mount
        changed = copy.deepcopy(job)
        if path[-2] == "values":  # which are in order, and none is there twice
            del at(changed, path[:-1])[path[-1]]
        else:
            at(changed, path[:-1])[path[-1]] = _another(at(job, path), path, job)
            _follow(changed, path, at(job, path))
        yield path, changed


def _another(value: Any, path: Path, job: Job) -> Any:
    if path[-3:-2] == ("volumeMounts",) and path[-1] == "name":
        volumes = [volume["name"] for volume in at(job, POD)["volumes"]]
        return volumes[volumes.index(value) - 1]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value - 1
    if isinstance(value, str):
        return "3Gi" if re.fullmatch(r"\d+[MG]i|\d+m|\d", value) else OTHERS.get(value, f"{value}x")
    return value


def _follow(changed: Job, path: Path, was: Any) -> None:
    """Change what repeats a name with it: a Job that is at odds with itself is refused before the policy is asked."""
    pod = at(changed, POD)
    if path[-1] != "name" or len(path) != len(POD) + 3:
        return
    name = at(changed, path)
    if path[-3] == "volumes":
        for mount in pod["containers"][0]["volumeMounts"]:
            mount["name"] = name if mount["name"] == was else mount["name"]
    if path[-3] == "containers":
        changed["spec"]["podFailurePolicy"]["rules"][1]["onExitCodes"]["containerName"] = name


def omissions(job: Job) -> Iterator[tuple[Path, Job]]:
    """Yield the Job once for each field in it, without that."""
    for path in [each for each in _fields(job, ()) if each not in IDENTITY]:
        changed = copy.deepcopy(job)
        del at(changed, path[:-1])[path[-1]]
        yield path, changed


def _leaves(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict) and value:
        for name, below in value.items():
            yield from _leaves(below, (*path, name))
    elif isinstance(value, list) and value:
        for number, below in enumerate(value):
            yield from _leaves(below, (*path, number))
    else:
        yield path


def _fields(value: Any, path: Path) -> Iterator[Path]:
    for name, below in value.items() if isinstance(value, dict) else ():
        yield (*path, name)
        yield from _fields(below, (*path, name))
    for number, item in enumerate(value) if isinstance(value, list) else ():
        yield from _fields(item, (*path, number))
