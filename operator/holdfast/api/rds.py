"""A database instance or cluster of Amazon RDS, of which AWS itself takes a snapshot."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from holdfast.api.base import ObjectName, Rule, SpecModel, rules, says
from holdfast.api.storage import S3SecretKeys

# No character that means something to a shell: the commands that restore a snapshot have it.
SAFE_ENDPOINT = r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/%-]*)?$"

Region = Annotated[
    str,
    Field(
        max_length=32,
        pattern=r"^[a-z]{2,}(-[a-z]+)+-[0-9]+$",
        json_schema_extra=says("must be the name of an AWS region: eu-central-1"),
    ),
]
EndpointURL = Annotated[
    str,
    Field(
        max_length=512,
        pattern=SAFE_ENDPOINT,
        json_schema_extra=says("must be a URL of host, port and path, without credentials: https://rds.example.com"),
    ),
]


KEYS_OF_A_SECRET = Rule(
    "!has(self.secretKeys) || has(self.secretName)", "secretKeys has no effect without secretName", field=".secretKeys"
)


class InstanceKind(StrEnum):
    """What a snapshot is taken of."""

    INSTANCE = "instance"
    CLUSTER = "cluster"


class SnapshotCopy(SpecModel):
    """A second copy of the snapshot, in another region."""

    region: Region = Field(description="AWS region to copy the finished snapshot to, e.g. eu-west-1.")
    kms_key_id: str | None = Field(
        None,
        alias="kmsKeyID",
        min_length=1,
        max_length=2048,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9:/_-]*$",
        json_schema_extra=says("must be the id, the ARN or the alias of a KMS key: alias/backups"),
        description="KMS key in the copy's region that encrypts the copy: id, ARN or alias. AWS requires a key if the "
        "snapshot is encrypted. Default: none.",
    )


class RDSInstance(SpecModel):
    """An instance or a cluster of Amazon RDS, and who may take a snapshot of it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.copyTo) || self.copyTo.region != self.region",
                "copyTo.region must differ from the instance's own region",
                field=".copyTo.region",
            ),
            KEYS_OF_A_SECRET,
        )
    )

    identifier: str = Field(
        min_length=1,
        max_length=63,
        pattern=r"^[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*$",
        json_schema_extra=says(
            "must be the identifier of an RDS instance or cluster: letters, digits and single '-', a letter first"
        ),
        description="Identifier of the instance or cluster, as the RDS console shows it. At most 63 characters.",
    )
    kind: InstanceKind = Field(
        InstanceKind.INSTANCE,
        description="What to take a snapshot of: instance or cluster. Use cluster for Aurora and for Multi-AZ DB "
        "clusters: RDS takes a snapshot of the whole cluster. Default: instance.",
    )
    region: Region = Field(description="AWS region of the instance or cluster, e.g. eu-central-1.")
    copy_to: SnapshotCopy | None = Field(
        None,
        description="Also copy the snapshot to another region. The backup succeeds when snapshot and copy are "
        "available. Default: no copy.",
    )
    secret_name: ObjectName | None = Field(
        None,
        description="Name of a Secret in this namespace with AWS credentials. Default: the Job uses the identity of "
        "its ServiceAccount, e.g. IAM roles for service accounts.",
    )
    secret_keys: S3SecretKeys | None = Field(
        None,
        description="Names of the keys in the Secret. Default: accessKeyID, secretAccessKey and sessionToken.",
    )
    endpoint: EndpointURL | None = Field(
        None,
        description="URL of the RDS API, used for all regions, instead of AWS's public one: a VPC endpoint, or a "
        "stand-in for tests. Default: AWS's public endpoints.",
    )
