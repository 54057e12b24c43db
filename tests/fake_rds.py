"""An account of RDS in memory, behind botocore's own client: its parameters are checked, nothing is sent.

What moto's server answers to the same calls, the integration suite of snapshots asks; here are the short ways.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import botocore.session

from holdfast.api.rds import RDSInstance
from holdfast.runner.pod.context import Places
from holdfast.runner.rds.client import Rds

Answer = dict[str, Any]
ACCOUNT = "123456789012"
# One for all: each new one would read the same megabytes of descriptions again.
_SESSION = botocore.session.Session()


class _Http:
    def __init__(self, status: int) -> None:
        self.status_code = status


class FakeRDS:
    """Instances and snapshots of all regions. `says` answers a call first, where it returns something."""

    def __init__(self) -> None:
        self.instances: dict[str, Answer] = {}
        self.snapshots: dict[tuple[str, str], Answer] = {}  # by region and name
        self.calls: list[tuple[str, str]] = []  # region and operation
        self.says: dict[str, Callable[[Answer], Answer | str | None]] = {}  # an answer, or an error's code
        self.states: list[str] = []  # of a snapshot, look by look; then it is available
        self._clients: dict[str, Any] = {}
        self.given: dict[str, Answer] = {}

    def instance(self, name: str, **facts: Any) -> None:
        self.instances[name] = {
            "DBInstanceIdentifier": name, "DBInstanceStatus": "available", "Engine": "postgres",
            "DBInstanceClass": "db.t4g.medium", "DBSubnetGroup": {"DBSubnetGroupName": "default"},
            "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-0a1b2c3d", "Status": "active"}], "StorageEncrypted": False,
        } | facts  # fmt: skip

    def connect(self, instance: RDSInstance, region: str, _: Places, *, restores: bool = False) -> Rds:
        """Stand for `holdfast.runner.rds.client.connect`."""
        if region not in self._clients:
            self._clients[region] = self._client(region)
        return Rds(instance, region, self._clients[region], restores=restores)

    def operations(self, *kinds: str) -> list[str]:
        return [operation for _, operation in self.calls if operation.startswith(kinds or ("",))]

    def _client(self, region: str) -> Any:
        client = _SESSION.create_client(
            "rds", region_name=region, endpoint_url="http://127.0.0.1:9", aws_access_key_id="test",
            aws_secret_access_key="test",
        )  # fmt: skip
        events = client.meta.events
        events.register("provide-client-params.rds", lambda params, model, **_: self.given.update({model.name: params}))
        # instead of the request: copies to another region are signed beforehand, and only then sent
        events.register("before-call.rds", lambda model, **_: self._answered(region, model.name))
        return client

    def _remember(self, operation: str, parameters: Answer) -> None:
        self.given[operation] = parameters

    def _answered(self, region: str, operation: str) -> tuple[_Http, Answer]:
        asked = self.given[operation]
        self.calls.append((region, operation))
        special = self.says[operation](asked) if operation in self.says else None
        answer = special if special is not None else getattr(self, f"_{operation}")(region, asked)
        if isinstance(answer, str):
            error = {"Error": {"Code": answer, "Message": "as asked"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
            return _Http(400), error
        return _Http(200), deepcopy(answer) | {"ResponseMetadata": {"HTTPStatusCode": 200}}

    def _DescribeDBInstances(self, _: str, asked: Answer) -> Answer | str:  # noqa: N802 - the names are RDS's
        found = self.instances.get(asked["DBInstanceIdentifier"])
        return {"DBInstances": [found]} if found else "DBInstanceNotFound"

    def _DescribeDBSnapshots(self, region: str, asked: Answer) -> Answer | str:  # noqa: N802
        found = self.snapshots.get((region, asked["DBSnapshotIdentifier"]))
        if found is None:
            return "DBSnapshotNotFound"
        if found["Status"] == "creating":
            found["Status"] = self.states.pop(0) if self.states else "available"
        return {"DBSnapshots": [found]}

    def _CreateDBSnapshot(self, region: str, asked: Answer) -> Answer | str:  # noqa: N802
        source = self.instances[asked["DBInstanceIdentifier"]]
        return self._made(region, asked["DBSnapshotIdentifier"], asked["Tags"], source["StorageEncrypted"])

    def _CopyDBSnapshot(self, region: str, asked: Answer) -> Answer | str:  # noqa: N802
        return self._made(region, asked["TargetDBSnapshotIdentifier"], asked["Tags"], "KmsKeyId" in asked)

    def _RestoreDBInstanceFromDBSnapshot(self, region: str, asked: Answer) -> Answer | str:  # noqa: N802
        if (region, asked["DBSnapshotIdentifier"]) not in self.snapshots:
            return "DBSnapshotNotFound"
        name = asked["DBInstanceIdentifier"]
        if name in self.instances:
            return "DBInstanceAlreadyExists"
        self.new_instance(name, region, asked["Tags"], DBInstanceClass=asked.get("DBInstanceClass"))
        return {"DBInstance": self.instances[name]}

    def new_instance(self, name: str, region: str, tags: list[Answer], **facts: Any) -> None:
        """One that has just been made, and of which all is told."""
        self.instance(
            name, DBInstanceArn=f"arn:aws:rds:{region}:{ACCOUNT}:db:{name}", EngineVersion="17.4", TagList=tags,
            Endpoint={"Address": f"{name}.x.{region}.rds.amazonaws.com", "Port": 5432}, **facts,
        )  # fmt: skip

    def _DeleteDBSnapshot(self, region: str, asked: Answer) -> Answer | str:  # noqa: N802
        gone = self.snapshots.pop((region, asked["DBSnapshotIdentifier"]), None)
        return {"DBSnapshot": gone} if gone else "DBSnapshotNotFound"

    def _made(self, region: str, name: str, tags: list[Answer], encrypted: bool) -> Answer | str:
        if (region, name) in self.snapshots:
            return "DBSnapshotAlreadyExists"
        key = {"KmsKeyId": f"arn:aws:kms:{region}:{ACCOUNT}:key/0f6b"} if encrypted else {}
        self.snapshots[region, name] = {
            "DBSnapshotIdentifier": name, "DBSnapshotArn": f"arn:aws:rds:{region}:{ACCOUNT}:snapshot:{name}",
            "Status": "creating", "PercentProgress": 0, "Engine": "postgres", "EngineVersion": "17.4",
            "AllocatedStorage": 20, "Encrypted": encrypted, "TagList": tags,
        } | key  # fmt: skip
        return {"DBSnapshot": self.snapshots[region, name]}
