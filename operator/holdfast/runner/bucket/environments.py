"""Whether a backup may be restored as it is: the environment in its manifest says where its data are from."""

from collections.abc import Sequence

from holdfast.errors import HoldfastError, Reason


def require_masked(never: Sequence[str], source: str) -> None:
    """Raise MaskingMissing where the data would come down from a higher environment as they are."""
    if source in never:
        raise HoldfastError(
            Reason.MASKING_MISSING,
            f"the backup holds data of {source}, as its manifest says, which would come into a target of a lower "
            "environment as they are; nothing was restored",
            "set target.environment if the target is of that environment; if not, name a ConfigMap with SQL that masks "
            "the data, in spec.afterRestore.sqlConfigMapName, or set spec.maskingWaived to the reason why nothing need "
            "be masked; then create another DatabaseRestore",
        )
