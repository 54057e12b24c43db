"""What is in force for one backup: the policy, the chart's store or defaults, and Holdfast's own, in that order.

The result stands in `status.resolved` from the moment the backup begins; later edits of the policy change nothing.
"""

from collections.abc import Mapping
from typing import Any

from holdfast.api import beyond
from holdfast.api.policy import BackupPolicySpec
from holdfast.api.storage import S3Storage
from holdfast.decide.methods.choose import METHODS
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
# Taken whole from whoever gives them: mixing two sets of these would be nobody's intent.
_WHOLE = {"resources", "nodeSelector", "affinity", "serverSideEncryption", "tags"}


def resolve(policy: BackupPolicySpec, settings: Settings) -> BackupPolicySpec:
    """Fill in every default, and what the store is that is named.

    Raises HoldfastError: StorageNotSet where nobody names a bucket, StoreNotFound where the store is none, InvalidSpec.
    """
    merged = policy.to_dict()
    merged.pop("schedule", None)  # it says when, and nothing of the backup itself
    for layer in (_defaults(policy, settings), BUILT_IN):
        merged = _under(merged, _without_another_authority(layer, merged))
    merged = METHODS[policy.method].filled(merged)
    merged["retention"] = policy.retention.to_dict() | {"days": policy.days_kept}
    resolved = BackupPolicySpec.model_validate(merged)
    if resolved.storage.s3.bucket is None:
        raise HoldfastError(
            Reason.STORAGE_NOT_SET,
            "no bucket is named: the policy does not set spec.storage.s3.bucket, and the chart has no default",
            "set storage.s3.bucket or storage.store in the policy, or defaults.storage.s3.bucket in the chart's values",
        )
    if error := out_of_limits(resolved):
        raise error
    return resolved


def _defaults(policy: BackupPolicySpec, settings: Settings) -> dict[str, Any]:
    """Return the chart's defaults, with the store that the policy names, or that they name, as the bucket.

    A policy that names a store takes nothing of `defaults.storage.s3`: it is about another bucket. One that says
    itself where its bucket is, has a default store's fields only as defaults, and no store.
    """
    layer = settings.defaults.to_dict()
    own, default = policy.storage.store, settings.defaults.storage.store
    if (key := own or default) is None:
        return layer
    store = _store(key, settings).to_dict()
    if own is not None:
        return {**layer, "storage": {**layer["storage"], "s3": store}}
    s3 = _under(layer["storage"]["s3"], store)
    recorded = None if policy.storage.s3.of_a_store() else default
    return {**layer, "storage": {**layer["storage"], "store": recorded, "s3": s3}}


def _store(key: str, settings: Settings) -> S3Storage:
    """Return what the chart's values say of a store now."""
    if key in settings.stores:
        return settings.stores[key]
    there = f"they name {', '.join(sorted(settings.stores))}" if settings.stores else "they name no store"
    raise HoldfastError(
        Reason.STORE_NOT_FOUND,
        f"spec.storage.store names the store {key}, which is not in the chart's values: {there}",
        f"set storage.store to a store of the chart, or add stores.{key} to the chart's values; existing backups in "
        "this store stay as they are, since their status.resolved describes it",
    )


def out_of_limits(resolved: BackupPolicySpec) -> HoldfastError | None:
    """Return what is to be said of a value that the API server refuses by now, but took once, or never saw."""
    found = beyond.trouble(resolved.storage, resolved.job)
    if found is None:
        return None
    path, sentence = found
    return HoldfastError(
        Reason.INVALID_SPEC,
        f"spec.{path} {sentence}",
        "correct the field in the policy, or in the chart's defaults if the policy does not set it; then create "
        "another backup",
    )


def _without_another_authority(layer: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Leave out the store's authority of a lower layer where a higher one names another, of whichever kind."""
    names = ("caSecretName", "caConfigMapName")
    if not any(name in over.get("storage", {}).get("s3", {}) for name in names):
        return layer
    s3 = {key: value for key, value in layer.get("storage", {}).get("s3", {}).items() if key not in names}
    return {**layer, "storage": {**layer.get("storage", {}), "s3": s3}}


def image_of(resolved: BackupPolicySpec, settings: Settings, server_major: int | None = None) -> tuple[str, str]:
    """Return (key, image) of the runner that takes such a backup. Raises HoldfastError(ImageNotSet)."""
    return METHODS[resolved.method].image(resolved, settings, server_major)


def no_image(resolved: BackupPolicySpec, settings: Settings) -> HoldfastError | None:
    """Return what is to be said where no runner takes such a backup, for instance since the chart's images changed."""
    try:
        image_of(resolved, settings)
    except HoldfastError as error:
        return error
    return None


def _under(over: Mapping[str, Any], under: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `over` upon `under`, object by object; lists and plain values are taken whole."""
    result = dict(under)
    for key, value in over.items():
        below = under.get(key)
        if isinstance(below, Mapping) and key not in _WHOLE:
            result[key] = _under(value, below)
        else:
            result[key] = value
    return result
