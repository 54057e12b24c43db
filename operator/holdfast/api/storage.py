"""Where backups are kept."""

from enum import StrEnum

from pydantic import Field

from holdfast.api.base import ObjectName, SecretKey, SpecModel


class AddressingStyle(StrEnum):
    """How a bucket is named in a request: in the path, or in the host name."""

    AUTO = "auto"
    PATH = "path"
    VIRTUAL = "virtual"


class S3SecretKeys(SpecModel):
    """Which keys of the Secret hold the store's credentials."""

    access_key_id: SecretKey = Field("accessKeyID", alias="accessKeyID", description="Key of the access key's id.")
    secret_access_key: SecretKey = Field("secretAccessKey", description="Key of the secret access key.")
    session_token: SecretKey = Field("sessionToken", description="Key of the session token; may be absent.")


class S3Storage(SpecModel):
    """A bucket on AWS S3 or on a compatible store. Fields left out are the chart's defaults, where it has them."""

    bucket: str | None = Field(
        None,
        min_length=3,
        max_length=63,
        pattern=r"^[a-z0-9][a-z0-9.-]+[a-z0-9]$",
        description="Name of the bucket. It must exist. Required here or in the chart's defaults.",
    )
    prefix: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        pattern=r"^[A-Za-z0-9!_.*'()/=-]+$",
        description="Folder in the bucket under which everything is kept.",
    )
    region: str | None = Field(
        None, min_length=1, max_length=64, description="Region of the bucket, e.g. eu-central-1."
    )
    endpoint: str | None = Field(
        None,
        max_length=512,
        pattern=r"^https?://[^\s@/]+(/.*)?$",
        description="URL of an S3-compatible store, e.g. https://s3.example.com:8333. Default: AWS.",
    )
    addressing_style: AddressingStyle | None = Field(
        None, description="path, virtual or auto (the default). Most compatible stores want path."
    )
    secret_name: ObjectName | None = Field(
        None,
        description="Secret of this namespace with the store's credentials. Without one, the Job's own identity is "
        "used (for instance IAM roles for service accounts).",
    )
    secret_keys: S3SecretKeys | None = Field(None, description="Names of the keys in that Secret.")
    ca_secret_name: ObjectName | None = Field(
        None, description="Secret of this namespace with the certificate authority of a private store, PEM."
    )
    ca_secret_key: SecretKey | None = Field(None, description="Key in that Secret. Default: ca.crt.")


class Storage(SpecModel):
    """Where backups are kept."""

    s3: S3Storage = Field(S3Storage(), description="An S3 bucket.")
