"""What a way of backing up gives to the verbs that all share: a dump and a snapshot each have a method, chosen in main.

tasks/ knows the order of a verification and of a cleanup; a method does in it what only it can. A backup has no order
that all share (a dump begins its tool before it looks into the bucket), so each method has a module of its own for it.
"""

from typing import TYPE_CHECKING, Protocol, TypeVar

from holdfast.contract.report import Verification
from holdfast.contract.task import AnyCleanup, AnyDeletion, AnyVerification, DeleteItem
from holdfast.runner.bucket.manifest_forms import M
from holdfast.runner.pod.context import Context

if TYPE_CHECKING:  # botocore is slow to import: each verb does it when it has to
    from holdfast.runner.bucket.store import Store

V_contra = TypeVar("V_contra", bound=AnyVerification, contravariant=True)
D_contra = TypeVar("D_contra", bound=AnyDeletion, contravariant=True)
C_contra = TypeVar("C_contra", bound=AnyCleanup, contravariant=True)


class Verifying(Protocol[V_contra, M]):
    """How a backup is verified again."""

    @property
    def manifest(self) -> type[M]:
        """The form of its manifest."""

    def verify(self, task: V_contra, opened: "Store", manifest: M, context: Context) -> Verification:
        """Compare the backup with its manifest. Raises HoldfastError: what is wrong, or kept it from being verified."""

    def left(self, task: V_contra, context: Context) -> bool:
        """Whether something of the backup is elsewhere than in its folder. Raises HoldfastError."""


class Cleaning(Protocol[C_contra, M]):
    """How what a killed Pod left is removed."""

    @property
    def manifest(self) -> type[M]:
        """The form of the manifest that would make it a backup."""

    def clean(self, task: C_contra, opened: "Store", manifest: M | None, context: Context) -> str:
        """Remove what is no backup, where a manifest says which is one; go on with the sentence: what was done."""


class Deleting(Protocol[D_contra, M]):
    """How the data of a backup is deleted, once its manifest is gone."""

    @property
    def manifest(self) -> type[M]:
        """The form of its manifest."""

    def require(self, task: D_contra, opened: "Store", manifest: M, context: Context) -> None:
        """Make sure that what the manifest names is there. Raises HoldfastError."""

    def delete(self, task: D_contra, item: DeleteItem, context: Context) -> None:
        """Delete what of it is elsewhere than in its folder. Raises HoldfastError."""
