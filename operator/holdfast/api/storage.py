"""Where backups are kept."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from holdfast.api import limits
from holdfast.api.base import ENDPOINT, Authority, ObjectName, Rule, SecretKey, SpecModel, rules, says


class AddressingStyle(StrEnum):
    """How a bucket is named in a request: in the path, or in the host name."""

    AUTO = "auto"
    PATH = "path"
    VIRTUAL = "virtual"


class EncryptionAlgorithm(StrEnum):
    """How the store encrypts what it keeps; the words are S3's."""

    SSE_S3 = "AES256"
    SSE_KMS = "aws:kms"


class ServerSideEncryption(SpecModel):
    """Encryption at rest by the store itself."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.kmsKeyID) || self.algorithm == 'aws:kms'",
                "kmsKeyID has no effect unless the algorithm is aws:kms: set algorithm, or leave it out",
                field=".kmsKeyID",
            )
        )
    )

    algorithm: EncryptionAlgorithm = Field(
        description="AES256 (SSE-S3: keys of the store's own) or aws:kms (SSE-KMS: a key in a key management service)."
    )
    kms_key_id: str | None = Field(
        None,
        alias="kmsKeyID",
        min_length=1,
        max_length=2048,
        pattern=r"^[\x21-\x7e]+$",
        json_schema_extra=says("must be the id, ARN or alias of a key, without spaces"),
        description="Key of aws:kms: its id, ARN or alias. Default: the bucket's or the account's own.",
    )


class LockMode(StrEnum):
    """Who may still remove what Object Lock retains."""

    GOVERNANCE = "governance"
    COMPLIANCE = "compliance"


class ObjectLock(SpecModel):
    """Retention by the store itself."""

    mode: LockMode = Field(
        description="governance (who has s3:BypassGovernanceRetention may still remove it) or compliance (nobody may)."
    )


class Checksums(StrEnum):
    """How it is made sure that the store holds what was sent."""

    SHA256 = "sha256"
    READBACK = "readback"


class S3SecretKeys(SpecModel):
    """Which keys of the Secret hold the store's credentials."""

    access_key_id: SecretKey = Field(
        "accessKeyID", alias="accessKeyID", description="Key of the access key's id. Default: accessKeyID."
    )
    secret_access_key: SecretKey = Field(
        "secretAccessKey", description="Key of the secret access key. Default: secretAccessKey."
    )
    session_token: SecretKey = Field(
        "sessionToken",
        description="Key of the session token; the Secret need not have it. Default: sessionToken.",
    )


TagValue = Annotated[
    str,
    Field(
        max_length=256,
        pattern=r"^[A-Za-z0-9 +=._:/@-]*$",
        json_schema_extra=says("the value of a tag has letters, digits, spaces and any of + - = . _ : / @"),
    ),
]


class S3Storage(SpecModel):
    """A bucket on AWS S3 or on a compatible store. Fields left out are the chart's defaults, where it has them."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.caSecretName) || !has(self.endpoint) || self.endpoint.startsWith('https://')",
                "caSecretName has no effect on an http:// endpoint: use https://, or leave it out",
                field=".caSecretName",
            ),
            Rule(
                "!has(self.caConfigMapName) || !has(self.endpoint) || self.endpoint.startsWith('https://')",
                "caConfigMapName has no effect on an http:// endpoint: use https://, or leave it out",
                field=".caConfigMapName",
            ),
            Rule(
                "!has(self.caConfigMapName) || !has(self.caSecretName)",
                "the authority is in a Secret or in a ConfigMap: leave out caSecretName or caConfigMapName",
                field=".caConfigMapName",
            ),
            Rule(
                "!has(self.prefix) || !self.prefix.split('/').exists(part, part in ['.', '..'])",
                "prefix has no parts '.' or '..': a key in a bucket is no path",
                field=".prefix",
            ),
            limits.NO_EMPTY_PARTS,
            Rule(
                "!has(self.bucket) || !self.bucket.contains('..')",
                "bucket must not contain '..'",
                field=".bucket",
            ),
            Rule(
                "!has(self.storageClass) || !(self.storageClass in ['GLACIER', 'DEEP_ARCHIVE'])",
                "what lies in GLACIER or DEEP_ARCHIVE can neither be verified nor restored at once: use GLACIER_IR "
                "or a lifecycle rule",
                field=".storageClass",
            ),
        )
    )

    bucket: str | None = Field(
        None,
        min_length=3,
        max_length=63,
        pattern=r"^[a-z0-9][a-z0-9.-]+[a-z0-9]$",
        json_schema_extra=says(
            "must be the name of a bucket: 3 to 63 lower-case letters, digits, '-' and '.', without s3:// or a folder "
            "(that is prefix)"
        ),
        description="Name of the bucket, which must exist. Required here or in the chart's defaults.",
    )
    prefix: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        pattern=r"^[A-Za-z0-9!_.*'()/=-]+$",
        json_schema_extra=says("must be a folder in the bucket: letters, digits, '/' and any of ! - _ . * ' ( ) ="),
        description="Folder in the bucket under which everything is kept, e.g. eu-1/databases. A '/' at either end "
        "makes no difference. Default: none.",
    )
    region: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$",
        json_schema_extra=says("must be the name of a region: letters, digits and '-': eu-central-1"),
        description="Region of the bucket, e.g. eu-central-1. Default: us-east-1 where there is an endpoint, else what "
        "the Job's environment says.",
    )
    endpoint: str | None = Field(
        None,
        max_length=512,
        pattern=ENDPOINT,
        json_schema_extra=says("must be a URL without credentials: https://s3.example.com:8333"),
        description="URL of an S3-compatible store, e.g. https://s3.example.com:8333. Default: AWS.",
    )
    addressing_style: AddressingStyle | None = Field(
        None,
        description="How requests name the bucket: path, virtual (in the host name) or auto. Most compatible stores "
        "want path. Default: auto.",
    )
    secret_name: ObjectName | None = Field(
        None,
        description="Name of a Secret in this namespace with the store's credentials. Without one, the Job's own "
        "identity is used, for instance IAM roles for service accounts.",
    )
    secret_keys: S3SecretKeys | None = Field(
        None,
        description="Names of the keys in that Secret. Default: accessKeyID, secretAccessKey and sessionToken.",
    )
    ca_secret_name: ObjectName | None = Field(
        None,
        description="Name of a Secret in this namespace with the certificate authority of a private store, PEM. "
        "Default: the public authorities that the runner's image knows.",
    )
    ca_secret_key: SecretKey | None = Field(
        None, description="Key of the certificate authority in that Secret. Default: ca.crt."
    )
    ca_config_map_name: ObjectName | None = Field(
        None,
        description="Name of a ConfigMap in this namespace with the certificate authority, PEM, in place of a Secret: "
        "as trust-manager writes it.",
    )
    ca_config_map_key: SecretKey | None = Field(
        None, description="Key of the certificate authority in that ConfigMap. Default: ca.crt."
    )
    server_side_encryption: ServerSideEncryption | None = Field(
        None, description="Encryption at rest by the store, asked for with each object. Default: the bucket's own."
    )
    storage_class: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        pattern=r"^[A-Z0-9_]+$",
        json_schema_extra=says("must be a storage class in the store's own words: STANDARD_IA"),
        description="Storage class of artifact and manifest, e.g. STANDARD_IA. Classes that cannot be read at once "
        "(GLACIER, DEEP_ARCHIVE) are refused. Default: the store's own.",
    )
    tags: dict[str, TagValue] | None = Field(
        None,
        max_length=10,
        json_schema_extra=rules(
            Rule(
                "self.all(key, key.matches('^[A-Za-z0-9 +=._:/@-]{1,128}$'))",
                "the key of a tag has 1 to 128 letters, digits, spaces and any of + - = . _ : / @",
            )
        ),
        description="Tags of artifact and manifest, at most 10. The Job then needs s3:PutObjectTagging.",
    )
    object_lock: ObjectLock | None = Field(
        None,
        description="Have the store retain artifact and manifest until the backup expires. The bucket must have Object "
        "Lock; the Job then needs s3:PutObjectRetention. Default: the bucket's own retention, if it has one.",
    )
    checksums: Checksums | None = Field(
        None,
        description="sha256 (the store checks the SHA-256 of each part, and what it states is compared) or readback "
        "(for stores that refuse such: each part carries a Content-MD5, and the artifact is read back whole). Default: "
        "sha256.",
    )

    def authority(self) -> Authority | None:
        """Return where the store's certificate authority is, if one is named."""
        return Authority.named(self.ca_secret_name, self.ca_secret_key, self.ca_config_map_name, self.ca_config_map_key)


Recipient = Annotated[
    str,
    Field(
        max_length=62,
        pattern=r"^age1[02-9ac-hj-np-z]{58}$",
        json_schema_extra=says(
            "must be a public key of age: age1 and 58 lower-case letters and digits, as age-keygen prints it"
        ),
    ),
]


class Age(SpecModel):
    """Encryption by age (https://age-encryption.org)."""

    recipients: list[Recipient] = Field(
        min_length=1,
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "set"},
        description="Public keys, age1…, 1 to 16: whoever has the identity of any one of them can read the backup. "
        "Keep the identities outside of the cluster: nothing here needs them, except a restore.",
    )


class Encryption(SpecModel):
    """How an artifact is encrypted before it leaves the Job."""

    age: Age = Field(description="By age, to public keys: the cluster can write what it cannot read.")


class Storage(SpecModel):
    """Where backups are kept, and who can read them."""

    s3: S3Storage = Field(
        S3Storage(),
        description="A bucket on AWS S3 or on a compatible store. Fields left out are the chart's defaults, where it "
        "has them.",
    )
    encryption: Encryption | None = Field(
        None,
        description="Encrypt the artifact to public keys before it leaves the Job; the manifest beside it stays "
        "readable. Default: the bucket's own encryption alone.",
    )
