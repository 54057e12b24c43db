"""What a claim's access modes and holders mean for a Job that is to mount it too. Pure.

ReadWriteOnce is for one node, whatever the number of Pods there; ReadWriteOncePod is for one Pod in the whole cluster.
https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes
"""

from holdfast.api.backup import Failure
from holdfast.decide.views import ClaimView
from holdfast.errors import Reason


def node(claim: ClaimView | None) -> str | None:
    """Return the node that the Job's Pod must run on: where a Pod has the claim mounted; None where none has.

    A volume that can be mounted anywhere makes no difference: only on one node do the processes that have an SQLite
    file open share its locks and the memory of its write-ahead log (https://www.sqlite.org/wal.html).
    """
    return claim.holders[0][1] if claim and claim.holders else None


def missing(name: str, claim: ClaimView | None) -> Failure | None:
    """Say that the claim is not there; None where it is."""
    if claim is None or claim.access_modes is not None:
        return None
    return Failure(
        reason=Reason.CLAIM_NOT_FOUND,
        message=f"PersistentVolumeClaim {name} does not exist in this namespace, and Holdfast waits for it",
        remedy=(
            "correct database.volume.claimName, or create the claim in this namespace: Holdfast never uses claims of "
            "other namespaces"
        ),
    )


def in_use(name: str, claim: ClaimView | None) -> Failure | None:
    """Say that nobody but the Pod that has it can mount the claim; None where a Job can."""
    if claim is None or not claim.holders or "ReadWriteOncePod" not in (claim.access_modes or ()):
        return None
    pod, where = claim.holders[0]
    return Failure(
        reason=Reason.CLAIM_IN_USE,
        message=f"PersistentVolumeClaim {name} is ReadWriteOncePod, and Pod {pod} on node {where} uses it: no other "
        "Pod can mount it, not even on the same node",
        remedy="use a claim with ReadWriteOnce, or stop that Pod; then create another backup",
    )
