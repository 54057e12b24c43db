"""Where backups are kept."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from holdfast.api import limits
from holdfast.api.base import DNS_LABEL, ENDPOINT, Authority, ObjectName, Rule, SecretKey, SpecModel, rules, says


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
        description="Algorithm of the encryption at rest: AES256 (SSE-S3, with the store's own keys) or aws:kms "
        "(SSE-KMS, with a key in a key management service)."
    )
    kms_key_id: str | None = Field(
        None,
        alias="kmsKeyID",
        min_length=1,
        max_length=2048,
        pattern=r"^[\x21-\x7e]+$",
        json_schema_extra=says("must be the id, ARN or alias of a key, without spaces"),
        description="KMS key for algorithm aws:kms: id, ARN or alias. Default: the default key of the bucket, else of "
        "the account.",
    )


class LockMode(StrEnum):
    """Who may still remove what Object Lock retains."""

    GOVERNANCE = "governance"
    COMPLIANCE = "compliance"


class ObjectLock(SpecModel):
    """Retention by the store itself."""

    mode: LockMode = Field(
        description="Mode of Object Lock: governance (users with s3:BypassGovernanceRetention may still delete the "
        "objects) or compliance (nobody may)."
    )


class Checksums(StrEnum):
    """How the Job makes sure that the store holds what was sent."""

    SHA256 = "sha256"
    READBACK = "readback"


class S3SecretKeys(SpecModel):
    """Which keys of the Secret hold the store's credentials."""

    access_key_id: SecretKey = Field(
        "accessKeyID",
        alias="accessKeyID",
        description="Key in the Secret that holds the access key ID. Default: accessKeyID.",
    )
    secret_access_key: SecretKey = Field(
        "secretAccessKey", description="Key in the Secret that holds the secret access key. Default: secretAccessKey."
    )
    session_token: SecretKey = Field(
        "sessionToken",
        description="Key in the Secret that holds the session token. The Secret may lack this key. Default: "
        "sessionToken.",
    )


TagValue = Annotated[
    str,
    Field(
        max_length=256,
        pattern=r"^[A-Za-z0-9 +=._:/@-]*$",
        json_schema_extra=says("the value of a tag may have letters, digits, spaces and any of + - = . _ : / @"),
    ),
]


class S3Storage(SpecModel):
    """A bucket on AWS S3 or on an S3-compatible store. Fields left out take the chart's defaults, if it has any."""

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
                "the CA certificate is in a Secret or in a ConfigMap: leave out caSecretName or caConfigMapName",
                field=".caConfigMapName",
            ),
            Rule(
                "!has(self.prefix) || !self.prefix.split('/').exists(part, part in ['.', '..'])",
                "prefix must not have the parts '.' or '..': keys in a bucket are not file paths",
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
                "objects in GLACIER and DEEP_ARCHIVE cannot be read at once, so a backup there could not be verified: "
                "use GLACIER_IR, or a lifecycle rule",
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
            "must be the name of a bucket: 3 to 63 lower-case letters, digits, '-' and '.', without s3:// and without "
            "a folder (set prefix for that)"
        ),
        description="Name of the bucket. The bucket must exist. Required here or in the chart's defaults, unless "
        "storage.store is set.",
    )
    prefix: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        pattern=r"^[A-Za-z0-9!_.*'()/=-]+$",
        json_schema_extra=says("must be a folder in the bucket: letters, digits, '/' and any of ! - _ . * ' ( ) ="),
        description="Folder in the bucket that holds all backups, e.g. eu-1/databases. A '/' at the start or end "
        "makes no difference. Default: none.",
    )
    region: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$",
        json_schema_extra=says("must be the name of a region: letters, digits and '-': eu-central-1"),
        description="Region of the bucket, e.g. eu-central-1. Default: us-east-1 if endpoint is set, else the region "
        "in the Job's environment.",
    )
    endpoint: str | None = Field(
        None,
        max_length=512,
        pattern=ENDPOINT,
        json_schema_extra=says("must be a URL without credentials: https://s3.example.com:8333"),
        description="URL of an S3-compatible store, e.g. https://s3.example.com:8333. Default: AWS S3.",
    )
    addressing_style: AddressingStyle | None = Field(
        None,
        description="How requests name the bucket: path, virtual (in the host name) or auto. Most S3-compatible "
        "stores need path. Default: auto.",
    )
    prune_secret_name: ObjectName | None = Field(
        None,
        description="Secret with the credentials of the Jobs that delete backups, under the same keys as in "
        "secretName. With this Secret, the credentials that write backups need no right to delete them. Default: "
        "secretName.",
    )
    secret_name: ObjectName | None = Field(
        None,
        description="Name of a Secret in this namespace with the store's credentials. Default: the Job uses the "
        "identity of its ServiceAccount, e.g. IAM roles for service accounts.",
    )
    secret_keys: S3SecretKeys | None = Field(
        None,
        description="Names of the keys in the Secret. Default: accessKeyID, secretAccessKey and sessionToken.",
    )
    ca_secret_name: ObjectName | None = Field(
        None,
        description="Name of a Secret in this namespace with the CA certificate of a private store, in PEM. Default: "
        "the public CAs in the runner's image.",
    )
    ca_secret_key: SecretKey | None = Field(
        None, description="Key in the Secret caSecretName that holds the CA certificate. Default: ca.crt."
    )
    ca_config_map_name: ObjectName | None = Field(
        None,
        description="Name of a ConfigMap in this namespace with the CA certificate in PEM, instead of a Secret. "
        "trust-manager writes such ConfigMaps.",
    )
    ca_config_map_key: SecretKey | None = Field(
        None, description="Key in the ConfigMap caConfigMapName that holds the CA certificate. Default: ca.crt."
    )
    server_side_encryption: ServerSideEncryption | None = Field(
        None,
        description="Server-side encryption that the Job requests for each object. Default: the bucket's default "
        "encryption.",
    )
    storage_class: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        pattern=r"^[A-Z0-9_]+$",
        json_schema_extra=says("must be a storage class in the store's own words: STANDARD_IA"),
        description="Storage class of artifact and manifest, e.g. STANDARD_IA. GLACIER and DEEP_ARCHIVE are refused, "
        "since their objects cannot be read at once. Default: the store's default class.",
    )
    tags: dict[str, TagValue] | None = Field(
        None,
        max_length=10,
        json_schema_extra=rules(
            Rule(
                "self.all(key, key.matches('^[A-Za-z0-9 +=._:/@-]{1,128}$'))",
                "the key of a tag must have 1 to 128 letters, digits, spaces and any of + - = . _ : / @",
            )
        ),
        description="Object tags of artifact and manifest, at most 10. The Job then needs the right "
        "s3:PutObjectTagging. Default: none.",
    )
    object_lock: ObjectLock | None = Field(
        None,
        description="Make the store protect artifact and manifest by Object Lock until the backup expires. The bucket "
        "must have Object Lock enabled; the Job needs the right s3:PutObjectRetention. Default: the bucket's own "
        "retention, if it has one.",
    )
    checksums: Checksums | None = Field(
        None,
        description="How the Job makes sure that the store holds what was sent: sha256 (the store checks and returns "
        "the SHA-256 of each part) or readback (for stores that refuse these checksums: the Job sends a Content-MD5 "
        "with each part and reads the whole artifact back). Default: sha256.",
    )

    def of_a_store(self) -> set[str]:
        """Return which of its fields are a store's to say."""
        return self.to_dict().keys() & OF_A_STORE

    def authority(self) -> Authority | None:
        """Return where the store's certificate authority is, if one is named."""
        return Authority.named(self.ca_secret_name, self.ca_secret_key, self.ca_config_map_name, self.ca_config_map_key)


Recipient = Annotated[
    str,
    Field(
        max_length=62,
        pattern=r"^age1[02-9ac-hj-np-z]{58}$",
        json_schema_extra=says(
            "must be a public key of age, as age-keygen prints it: age1 and 58 lower-case letters and digits"
        ),
    ),
]


class Age(SpecModel):
    """Encryption by age (https://age-encryption.org)."""

    recipients: list[Recipient] = Field(
        min_length=1,
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "set"},
        description="Public keys of age (age1...), 1 to 16. The identity of any one of them decrypts the backup. Keep "
        "the identities outside the cluster: only a restore, or a readback of the content, needs one.",
    )


class Encryption(SpecModel):
    """How an artifact is encrypted before it leaves the Job."""

    age: Age = Field(
        description="Encrypt with age (https://age-encryption.org) to public keys, so that the cluster cannot read "
        "what it writes."
    )


OF_A_STORE = (
    "bucket", "region", "endpoint", "addressingStyle", "caSecretName", "caSecretKey", "caConfigMapName",
    "caConfigMapKey", "checksums",
)  # fmt: skip
"""What of `s3` says which store it is, and how one talks to it: a store that is named by its key says all of it."""

_OF_A_STORE_GIVEN = " || ".join(f"has(self.s3.{field})" for field in OF_A_STORE)
STORE_SAYS = (
    f"a store of the chart says {', '.join(OF_A_STORE[:-1])} and {OF_A_STORE[-1]} itself: leave these out of s3, or "
    "leave out store"
)

StoreName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=63,
        pattern=DNS_LABEL,
        json_schema_extra=says("must be the key of a store: at most 63 lower-case letters, digits and '-'"),
    ),
]


class Storage(SpecModel):
    """Where backups are kept, and who can read them."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(f"!has(self.store) || !has(self.s3) || !({_OF_A_STORE_GIVEN})", STORE_SAYS, field=".store")
        )
    )

    store: StoreName | None = Field(
        None,
        description="Key of a store in the chart's value stores, e.g. eu. The chart then says where the bucket is and "
        "how to reach it, so s3 may set only the other fields: prefix, secretName, secretKeys, pruneSecretName, "
        "serverSideEncryption, storageClass, tags and objectLock. The Secrets that the store names must be in this "
        "namespace. Default: s3 alone says where the bucket is.",
    )
    s3: S3Storage = Field(
        S3Storage(),
        description="A bucket on AWS S3 or on an S3-compatible store. Fields left out take those of the store that "
        "store names, else the chart's defaults, if the chart has any.",
    )
    encryption: Encryption | None = Field(
        None,
        description="Encrypt the artifact to public keys before it leaves the Job. The manifest stays readable. "
        "Default: only the store's encryption.",
    )
