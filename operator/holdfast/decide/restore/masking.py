"""Whether a backup's data may come into a target as they are: those of a higher environment are masked first. Pure.

Where only the bucket knows of the backup, the runner asks the same of its manifest.
"""

from holdfast.api.masking import above
from holdfast.api.policy import Environment
from holdfast.api.restore import DatabaseRestoreSpec
from holdfast.api.restore_status import ResolvedRestore
from holdfast.api.restoring import Content
from holdfast.errors import HoldfastError, Reason

REMEDY = (
    "name a ConfigMap with SQL that masks them, in spec.afterRestore.sqlConfigMapName, or set spec.maskingWaived to "
    "the reason why they need not be masked; then create another DatabaseRestore"
)


def never_unmasked(spec: DatabaseRestoreSpec, environment: Environment | None, content: Content) -> list[Environment]:
    """Return the environments whose data may not come into a target of this one as they are."""
    if spec.after_restore is not None or spec.masking_waived is not None or content is Content.SCHEMA:
        return []
    return above(environment)


def require(resolved: ResolvedRestore) -> None:
    """Raise MaskingMissing where data would come down as they are."""
    source = resolved.source_environment
    if source not in resolved.never_unmasked_of:
        return
    target = (
        f"a target of {resolved.environment}" if resolved.environment else ("a target whose environment is not known")
    )
    raise HoldfastError(
        Reason.MASKING_MISSING,
        f"the backup has data of {source}, which would come unmasked into {target}; nothing was restored",
        REMEDY if resolved.environment else f"if the target is of {source}, set target.environment; if not, {REMEDY}",
    )
