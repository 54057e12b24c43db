"""What a snapshot is restored into: a new instance or cluster of Amazon RDS, never one that is there."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from holdfast.api.aws import Word
from holdfast.api.base import ObjectName, Rule, SpecModel, StatusModel, rules, says
from holdfast.api.rds import KEYS_OF_A_SECRET, EndpointURL, InstanceKind, Region
from holdfast.api.storage import S3SecretKeys

MAX_IDENTIFIER = 61
_WORD = r"^{}$"
_TAG_KEY = r"^[A-Za-z0-9_.:/=+@-][A-Za-z0-9 _.:/=+@-]{0,127}$"

_SecurityGroup = Annotated[
    str,
    Field(
        max_length=35,
        pattern=_WORD.format(Word.SECURITY_GROUP.value),
        json_schema_extra=says("must be the id of a VPC security group: sg-0a1b2c3d"),
    ),
]


class RDSTarget(SpecModel):
    """A new instance or cluster. What is left out is as it was with the one that the snapshot was taken of.

    A manifest in a bucket may be anybody's: it says which snapshot, and nothing of what costs money or opens a network.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.tags) || self.tags.all(key, !key.startsWith('aws:') && !key.startsWith('holdfast.dev/') && "
                f"key.matches('{_TAG_KEY}'))",
                "a tag's key has at most 128 letters, digits, spaces and _.:/=+@-, and begins neither with aws: nor "
                "with holdfast.dev/",
                field=".tags",
            ),
            KEYS_OF_A_SECRET,
        )
    )

    identifier: str = Field(
        min_length=1,
        max_length=MAX_IDENTIFIER,
        pattern=r"^[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*$",
        json_schema_extra=says(
            "must be the identifier of an RDS instance or cluster: letters, digits and single '-', a letter first"
        ),
        description="Identifier of the new instance or cluster. If one of that name exists, the restore fails and "
        "leaves it alone. At most 61 characters: the first instance of an Aurora cluster gets -1 behind it.",
    )
    region: Region | None = Field(
        None,
        description="AWS region in which to make it: that of the snapshot, or that of its copy. For the copy's region, "
        "set subnetGroup and securityGroups too: those of the source exist only in its own region. Default: the region "
        "of the snapshot. Required with source.bucket.",
    )
    kind: InstanceKind | None = Field(
        None,
        description="What the snapshot was taken of: instance or cluster. Only with source.bucket; a DatabaseBackup "
        "says it itself. Default: instance.",
    )
    instance_class: str | None = Field(
        None,
        max_length=64,
        pattern=_WORD.format(Word.CLASS.value),
        json_schema_extra=says("must be a class of RDS: db.t4g.medium"),
        description="Class, e.g. db.t4g.medium. Required for an Aurora cluster, whose snapshot does not have one: one "
        "instance of this class is made in it. Required with source.bucket. Default: that of the source.",
    )
    subnet_group: str | None = Field(
        None,
        max_length=255,
        pattern=_WORD.format(Word.SUBNET_GROUP.value),
        json_schema_extra=says("must be the name of a DB subnet group"),
        description="DB subnet group. Required with source.bucket. Default: that of the source.",
    )
    security_groups: list[_SecurityGroup] | None = Field(
        None,
        min_length=1,
        max_length=16,
        description="VPC security groups, e.g. sg-0a1b2c3d. Required with source.bucket. Default: those of the source.",
    )
    parameter_group: str | None = Field(
        None,
        max_length=255,
        pattern=r"^[A-Za-z][A-Za-z0-9.-]*$",
        json_schema_extra=says("must be the name of a parameter group: letters, digits, '.' and '-'"),
        description="DB parameter group, or of a cluster its cluster parameter group. Default: as RDS chooses, which "
        "is the engine's default.",
    )
    tags: dict[str, Annotated[str, Field(max_length=256)]] | None = Field(
        None, max_length=16, description="Tags of what is made, beside those that Holdfast knows it by. Default: none."
    )
    secret_name: ObjectName | None = Field(
        None,
        description="Name of a Secret in this namespace with AWS credentials that may restore. Default: that of the "
        "backup; with source.bucket, and if the backup has none, the identity of the Job's ServiceAccount.",
    )
    secret_keys: S3SecretKeys | None = Field(
        None,
        description="Names of the keys in the Secret. Default: accessKeyID, secretAccessKey and sessionToken.",
    )
    endpoint: EndpointURL | None = Field(
        None,
        description="URL of the RDS API instead of AWS's public one. Default: that of the backup; with source.bucket, "
        "AWS's public endpoint.",
    )


class RestoredInstance(StatusModel):
    """The instance or cluster that was made from a snapshot."""

    kind: Literal["instance", "cluster"] = Field(description="What was made: instance or cluster.")
    identifier: str = Field(max_length=255, description="Its identifier.")
    arn: str = Field(max_length=512, description="ARN of the instance or cluster.")
    address: str = Field(max_length=253, description="Host name to connect to; of a cluster, that of its writer.")
    port: int = Field(ge=1, le=65535, description="Port to connect to.")
    engine: str = Field(max_length=255, description="Database engine, as RDS names it.")
    engine_version: str = Field(max_length=255, description="Version of the database engine.")


def checked(made: RestoredInstance) -> RestoredInstance:
    """Return it. Raises ValueError where a field is not what AWS writes there."""
    words = (
        ("identifier", Word.IDENTIFIER, made.identifier), ("arn", Word.INSTANCE_ARN, made.arn),
        ("address", Word.ADDRESS, made.address), ("engine", Word.ENGINE, made.engine),
        ("engineVersion", Word.VERSION, made.engine_version),
    )  # fmt: skip
    strange = next((name for name, word, text in words if not word.fits(text)), None)
    if strange is not None:
        raise ValueError(f"{strange} is not what AWS writes there")
    return made


ReadInstance = Annotated[RestoredInstance, AfterValidator(checked)]
