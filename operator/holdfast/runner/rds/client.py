"""RDS's API in one region, as few acts as a snapshot needs, with errors mapped.

Instances and clusters have different names for the same acts; `_WORDS` is the only place that knows them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from holdfast.api.aws import Word
from holdfast.api.rds import InstanceKind, RDSInstance
from holdfast.errors import HoldfastError, Reason
from holdfast.runner.bucket.credentials import credentials
from holdfast.runner.pod.context import Places
from holdfast.runner.rds.answers import Answer, Reading, unreadable
from holdfast.runner.rds.errors import code_of, rds_error

GIB = 1 << 30
MAX_BYTES = 1 << 60  # more than any database has: above it, a number is no size
AVAILABLE = "available"


@dataclass(frozen=True)
class Words:
    """How one kind's acts and fields are called."""

    instances: str  # what a list of them is called, and in the singular what its operations are
    snapshots: str
    instance_status: str
    encrypted: str

    @property
    def instance_id(self) -> str:
        """What names one."""
        return f"{self.instances[:-1]}Identifier"

    @property
    def snapshot(self) -> str:
        """What a snapshot of one is called."""
        return self.snapshots[:-1]

    @property
    def snapshot_id(self) -> str:
        """What names a snapshot."""
        return f"{self.snapshot}Identifier"


_WORDS = {
    InstanceKind.INSTANCE: Words("DBInstances", "DBSnapshots", "DBInstanceStatus", "Encrypted"),
    InstanceKind.CLUSTER: Words("DBClusters", "DBClusterSnapshots", "Status", "StorageEncrypted"),
}


@dataclass(frozen=True)
class Source:
    """The instance or cluster, as far as it matters for a snapshot and for restoring that."""

    status: str
    engine: str
    cluster: str | None  # that an instance is a member of
    instance_class: str | None
    subnet_group: str | None
    security_groups: list[str]


@dataclass(frozen=True)
class Taken:
    """A snapshot, as RDS describes it now."""

    identifier: str
    arn: str
    status: str
    percent: int | None
    engine: str
    engine_version: str
    allocated_gib: int
    full_bytes: int | None
    encrypted: bool
    kms_key_id: str | None
    tags: dict[str, str] = field(default_factory=dict)


class Rds:
    """One instance or cluster, seen in one region: to take a snapshot of it, or to make it from one."""

    def __init__(
        self,
        instance: RDSInstance,
        region: str,
        client: Any,  # noqa: ANN401 - made at run time
        *,
        restores: bool = False,
    ) -> None:
        self.region = region
        self._restores = restores
        self.instance = instance
        self._client = client
        self.words = _WORDS[instance.kind]

    def source(self) -> Source:
        """Describe the instance or cluster. Raises InstanceNotFound and what else AWS says."""
        words = self.words
        answer = self.call(f"Describe{words.instances}", {words.instance_id: self.instance.identifier})
        found = Reading(answer, self.who).only(words.instances)
        member = self.instance.kind is InstanceKind.INSTANCE
        return Source(
            status=found.word(words.instance_status, Word.STATE),
            engine=found.word("Engine", Word.ENGINE),
            cluster=found.word_if_any("DBClusterIdentifier", Word.IDENTIFIER) if member else None,
            instance_class=found.word_if_any("DBInstanceClass", Word.CLASS)
            or found.word_if_any("DBClusterInstanceClass", Word.CLASS),
            subnet_group=found.subnet_group(),
            security_groups=found.words_of("VpcSecurityGroups", "VpcSecurityGroupId", Word.SECURITY_GROUP),
        )

    def find(self, identifier: str) -> Taken | None:
        """Describe a snapshot; None when there is none of that name."""
        words = self.words
        try:
            answer = self.call(
                f"Describe{words.snapshots}", {words.snapshot_id: identifier}, f"{words.snapshot}NotFound"
            )
        except Said:
            return None
        if answer.get(words.snapshots) == []:
            return None
        return self._taken(Reading(answer, self.who).only(words.snapshots), identifier)

    def create(self, identifier: str, tags: Mapping[str, str]) -> bool:
        """Ask for a snapshot; False when there is one of that name already."""
        words = self.words
        parameters = {words.snapshot_id: identifier, words.instance_id: self.instance.identifier, "Tags": listed(tags)}
        return self._begun(f"Create{words.snapshot}", parameters)

    def copy(
        self, arn: str, source_region: str, identifier: str, kms_key_id: str | None, tags: Mapping[str, str]
    ) -> bool:
        """Ask for a copy into this region; False when there is one of that name already."""
        words = self.words
        parameters = {
            f"Source{words.snapshot_id}": arn, f"Target{words.snapshot_id}": identifier, "SourceRegion": source_region,
            "Tags": listed(tags), **({"KmsKeyId": kms_key_id} if kms_key_id else {}),
        }  # fmt: skip
        return self._begun(f"Copy{words.snapshot}", parameters)

    def delete(self, identifier: str) -> bool:
        """Delete a snapshot; False when its state forbids that as yet. It is no error when it is gone already."""
        words = self.words
        # of a cluster's snapshot in a wrong state, the reference has a code of its own; AWS shares the first
        passed = (f"{words.snapshot}NotFound", "InvalidDBSnapshotState", f"Invalid{words.snapshot}State")
        try:
            self.call(f"Delete{words.snapshot}", {words.snapshot_id: identifier}, *passed)
        except Said as said:
            return said.code == passed[0]
        return True

    def _begun(self, operation: str, parameters: Answer) -> bool:
        try:
            self.call(operation, parameters, f"{self.words.snapshot}AlreadyExists")
        except Said:
            return False
        return True

    def call(self, operation: str, parameters: Answer, *expected: str) -> Answer:
        """Call the API. Raises Said for an expected code, HoldfastError for everything else: never botocore's own."""
        try:
            answer: Answer = getattr(self._client, xform_name(operation))(**parameters)
        except ClientError as error:
            if code_of(error) in expected:
                raise Said(code_of(error)) from error
            raise rds_error(error, operation, self.instance, self.region, restores=self._restores) from error
        except BotoCoreError as error:
            raise rds_error(error, operation, self.instance, self.region, restores=self._restores) from error
        except (ResponseParserError, ValueError, OverflowError) as error:  # botocore could not read it
            raise unreadable(self.who, operation, error) from error
        return answer

    @property
    def who(self) -> str:
        """Who answers, as people are told."""
        return f"{self.instance.endpoint or 'AWS'}, asked about {self.region},"

    def _taken(self, found: Reading, identifier: str) -> Taken:
        words = self.words
        encrypted = found.flag(words.encrypted)
        arn = found.word(f"{words.snapshot}Arn", Word.ARN)
        if not arn.endswith(f":{identifier}") or f":rds:{self.region}:" not in arn:
            raise found.strange(f"{words.snapshot}Arn", arn)
        return Taken(
            identifier=identifier,
            arn=arn,
            status=found.word("Status", Word.STATE),
            percent=found.number("PercentProgress", 100),
            engine=found.word("Engine", Word.ENGINE),
            engine_version=found.word("EngineVersion", Word.VERSION),
            allocated_gib=found.number("AllocatedStorage", MAX_BYTES // GIB) or 0,
            full_bytes=found.number("FullSnapshotSizeInBytes", MAX_BYTES),
            encrypted=encrypted,
            kms_key_id=found.word_if_any("KmsKeyId", Word.KMS_KEY) if encrypted else None,
            tags=found.tags(),
        )


def listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Write tags as RDS takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


class Said(Exception):  # noqa: N818 - an answer that was expected, not an error
    """AWS answered with a code that the caller knows what to do about."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def connect(instance: RDSInstance, region: str, places: Places, *, restores: bool = False) -> Rds:
    """Make the client; nothing is sent yet. Raises SecretMissing, SecretKeyMissing, SnapshotFailed or RestoreFailed.

    The timeouts bound what a stop has to wait for; what is throttled is tried again by botocore, with backoff, and
    then by the task.
    """
    config = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 4})
    keys = credentials(instance.secret_name, instance.secret_keys, places.database_secret)
    try:
        client = botocore.session.Session().create_client(
            "rds", region_name=region, endpoint_url=instance.endpoint, config=config,
            aws_access_key_id=keys.identifier, aws_secret_access_key=keys.secret, aws_session_token=keys.token,
        )  # fmt: skip
    except (BotoCoreError, ValueError) as error:
        reason, field = Reason.SNAPSHOT_FAILED, "database.instance"
        if restores:
            reason, field = Reason.RESTORE_FAILED, "target.rds"
        raise HoldfastError(
            reason, f"the settings of {field} cannot be used: {error}", f"check {field}.endpoint and region"
        ) from error
    return Rds(instance, region, client, restores=restores)
