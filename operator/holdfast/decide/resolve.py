"""What is in force for one backup: the policy, the chart's defaults, and Holdfast's own, in that order.

The result stands in `status.resolved` from the moment the backup begins; later edits of the policy change nothing.
"""

import re
from collections.abc import Mapping
from typing import Any

from holdfast.api import limits
from holdfast.api.database import Engine
from holdfast.api.policy import Algorithm, BackupPolicySpec, Format, Level, Method
from holdfast.errors import HoldfastError, Reason
from holdfast.settings import Settings

BUILT_IN: dict[str, Any] = {
    "storage": {"s3": {"addressingStyle": "auto", "secretKeys": {}, "caSecretKey": "ca.crt", "checksums": "sha256"}},
    "job": {
        "serviceAccountName": "default",
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "scratch": {"sizeLimit": "10Gi"},
        "startTimeoutSeconds": 600,
        "activeDeadlineSeconds": 21600,
        "backoffLimit": 2,
    },
}
DIRECTORY_JOBS = 4
# Taken whole from whoever gives them: mixing two sets of these would be nobody's intent.
_WHOLE = {"resources", "nodeSelector", "affinity", "serverSideEncryption", "tags"}

_AWS_IMAGE = "aws"  # RDS's API has no versions that an image would have to fit
_IMAGE_FAMILY = {
    Engine.POSTGRESQL: "postgres",
    Engine.MYSQL: "mysql",
    Engine.MARIADB: "mariadb",
    Engine.SQLITE: "sqlite",
}
_EXAMPLE = {
    Engine.POSTGRESQL: "postgres-17",
    Engine.MYSQL: "mysql-9",
    Engine.MARIADB: "mariadb-11",
    Engine.SQLITE: "sqlite-3",
}


def resolve(policy: BackupPolicySpec, settings: Settings) -> BackupPolicySpec:
    """Fill in every default. Raises HoldfastError: StorageNotSet where nobody names a bucket, InvalidSpec."""
    merged = policy.to_dict()
    for layer in (settings.defaults.to_dict(), BUILT_IN):
        merged = _under(merged, _without_another_authority(layer, merged))
    if policy.method is Method.DUMP:
        merged["dump"] = _with_level(merged.get("dump", {}))
        if merged["dump"].get("format") == Format.DIRECTORY:
            merged["dump"].setdefault("jobs", DIRECTORY_JOBS)
    else:
        merged["job"] = {key: value for key, value in merged["job"].items() if key != "scratch"}
        merged["storage"].pop("encryption", None)  # a snapshot is encrypted by AWS, or not at all
    if policy.database.volume is not None:
        volume = merged["database"]["volume"]
        volume.setdefault("runAsGroup", volume["runAsUser"])
        merged["dump"]["format"] = Format.SQLITE  # its only one
    merged["retention"] = {"days": policy.retention.days or policy.environment.retention_days}
    resolved = BackupPolicySpec.model_validate(merged)
    if resolved.storage.s3.bucket is None:
        raise HoldfastError(
            Reason.STORAGE_NOT_SET,
            "no bucket: spec.storage.s3.bucket is not set, and the chart has no default for it",
            "name the bucket in the policy, or set defaults.storage.s3.bucket in the chart's values",
        )
    if error := out_of_limits(resolved):
        raise error
    return resolved


def out_of_limits(resolved: BackupPolicySpec) -> HoldfastError | None:
    """Return what is to be said of a value that the API server refuses by now, but took once, or never saw."""
    found = limits.trouble(resolved.storage, resolved.job)
    if found is None:
        return None
    path, sentence = found
    return HoldfastError(
        Reason.INVALID_SPEC,
        f"spec.{path} {sentence}",
        "correct it in the policy, or in the chart's defaults where the policy has none, and create another backup",
    )


def _without_another_authority(layer: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Leave out the store's authority of a lower layer where a higher one names another, of whichever kind."""
    names = ("caSecretName", "caConfigMapName")
    if not any(name in over.get("storage", {}).get("s3", {}) for name in names):
        return layer
    s3 = {key: value for key, value in layer.get("storage", {}).get("s3", {}).items() if key not in names}
    return {**layer, "storage": {**layer.get("storage", {}), "s3": s3}}


def _with_level(dump: dict[str, Any]) -> dict[str, Any]:
    if dump.get("compression", {}).get("algorithm") == Algorithm.NONE:
        return dump
    return _under(dump, {"compression": {"level": Level.FAST.value}})


def image_of(resolved: BackupPolicySpec, settings: Settings, server_major: int | None = None) -> tuple[str, str]:
    """Return (key, image) of the runner that takes such a backup. Raises HoldfastError(ImageNotSet)."""
    if resolved.method is Method.DUMP:
        assert resolved.database.engine is not None  # the API server asks for it
        return runner_image(resolved.database.engine, settings, server_major)
    if _AWS_IMAGE not in settings.images:
        raise HoldfastError(
            Reason.IMAGE_NOT_SET,
            f"no runner image for {resolved.method}: the chart's runner.images has no key {_AWS_IMAGE}",
            f"add {_AWS_IMAGE} to runner.images in the chart's values",
        )
    return _AWS_IMAGE, settings.images[_AWS_IMAGE]


def no_image(resolved: BackupPolicySpec, settings: Settings) -> HoldfastError | None:
    """Return what is to be said where no runner takes such a backup, for instance since the chart's images changed."""
    try:
        image_of(resolved, settings)
    except HoldfastError as error:
        return error
    return None


def runner_image(engine: Engine, settings: Settings, server_major: int | None = None) -> tuple[str, str]:
    """Return (key, image) of the runner for a server: the one that fits it, else the newest.

    Raises HoldfastError(ImageNotSet) where the engine has none at all.
    """
    keys = _keys(engine, settings)
    if not keys:
        family = _IMAGE_FAMILY[engine]
        raise HoldfastError(
            Reason.IMAGE_NOT_SET,
            f"no runner image for {engine}: the chart's runner.images has no key {family}-<version>",
            f"add one to the chart's values, for instance {_EXAMPLE[engine]}",
        )
    key = fitting_key(engine, settings, server_major) or keys[max(keys)]
    return key, settings.images[key]


def fitting_key(engine: Engine, settings: Settings, server_major: int | None) -> str | None:
    """Return the key of the image whose tools fit a server: its own major version, else the next newer one.

    None where all are older than the server, or its version is not known.
    """
    keys = _keys(engine, settings)
    return (
        None if server_major is None else next((keys[major] for major in sorted(keys) if major >= server_major), None)
    )


def other_majors(engine: Engine, settings: Settings, server_major: int | None) -> list[int]:
    """Return the major versions that have an image of their own besides the one that `runner_image` returns."""
    taken, _ = runner_image(engine, settings, server_major)
    return sorted(major for major, key in _keys(engine, settings).items() if key != taken)


def _keys(engine: Engine, settings: Settings) -> dict[int, str]:
    """Return the engine's keys in the map of images, by major version."""
    pattern = re.compile(rf"{re.escape(_IMAGE_FAMILY[engine])}-(\d+)")
    return {int(match[1]): key for key in settings.images if (match := pattern.fullmatch(key))}


def _under(over: Mapping[str, Any], under: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `over` upon `under`, object by object; lists and plain values are taken whole."""
    result = dict(under)
    for key, value in over.items():
        below = under.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping) and key not in _WHOLE:
            result[key] = _under(value, below)
        else:
            result[key] = value
    return result
