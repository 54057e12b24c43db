"""Migrations as somebody else's Jobs: what the gate holds, releases and rolls back, on a database of their own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.e2e.installation import RUNNER
from tests.e2e.world import BACKUPS, RESTORES, Manifest, World, until

GOOD = "alter table customers add column email text; update customers set email = name || '@example.com'"
BAD = "alter table customers drop column name; delete from customers where id > 100; select 1 / 0"


@dataclass(frozen=True)
class Shop:
    """A database with its policy, and what is asked about the Jobs that migrate it."""

    world: World
    namespace: str
    name: str  # of database and policy

    def job(self, name: str, sql: str, **annotations: str) -> Manifest:
        """A migration that runs these statements, one after the other as psql does, and asks for a backup first."""
        return migrates(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {
                    "name": name,
                    "namespace": self.namespace,
                    "labels": {"holdfast.dev/backup-first": self.name},
                    "annotations": {f"holdfast.dev/{key.replace('_', '-')}": said for key, said in annotations.items()},
                },
                "spec": {
                    "suspend": True,
                    "backoffLimit": 0,
                    "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "migrate"}]}},
                },
            },
            self.world.host, self.name, sql,
        )  # fmt: skip

    def seen(self, name: str) -> Manifest:
        return self.world.get("job", self.namespace, name)

    def suspended(self, name: str) -> bool:
        return bool(self.seen(name)["spec"].get("suspend"))

    def ends(self, name: str, how: str, timeout: float = 90) -> Manifest:
        """The Job once it is Complete or Failed."""
        self.world.kubectl(
            "wait", "-n", self.namespace, f"job/{name}", f"--for=condition={how}", f"--timeout={timeout:.0f}s",
            timeout=timeout + 10,
        )  # fmt: skip
        return self.seen(name)

    def told(self, name: str, reason: str, timeout: float = 60) -> str:
        """What an Event with this reason says of the Job, once there is one."""
        selector = f"involvedObject.kind=Job,involvedObject.name={name},reason={reason}"
        events = until(
            lambda: json.loads(
                self.world.kubectl("get", "events", "-n", self.namespace, "--field-selector", selector, "-o", "json")
            )["items"],
            lambda found: len(found) > 0, timeout,
        )  # fmt: skip
        return str(events[-1]["message"])

    def before(self, name: str, timeout: float = 60) -> Manifest:
        """The newest backup that was made for this Job, once there is one."""
        return self._newest(BACKUPS, name, timeout)

    def rollback(self, name: str, timeout: float = 120) -> Manifest:
        """The restore that was made for this Job, once there is one."""
        return self._newest(RESTORES, name, timeout)

    def _newest(self, kind: str, job: str, timeout: float) -> Manifest:
        selector = f"holdfast.dev/migration={job}"

        def found() -> list[Manifest]:
            text = self.world.kubectl("get", kind, "-n", self.namespace, "-l", selector, "-o", "json")
            return sorted(json.loads(text)["items"], key=lambda each: str(each["metadata"]["creationTimestamp"]))

        return dict(until(found, lambda items: len(items) > 0, timeout)[-1])


def a_shop(world: World, name: str, changes: Mapping[str, Any] | None = None) -> Shop:
    """A database with a few rows, and a policy of its own."""
    database = world.a_database(name)
    world.apply(world.policy(world.backups, name, {"database": {"name": database}} | dict(changes or {})))
    return Shop(world, world.backups, name)


def migrates(job: Manifest, host: str, database: str, sql: str) -> Manifest:
    """The Job, with an image that is on the nodes, and what it needs to run these statements there."""
    pod = job["spec"]["template"]["spec"]
    pod["securityContext"] = {
        "runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    pod["terminationGracePeriodSeconds"] = 1
    (container,) = pod["containers"]
    container |= {
        "image": RUNNER,
        "imagePullPolicy": "IfNotPresent",
        "command": ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", database, *_each(sql)],
        "env": [
            {"name": "PGHOST", "value": host},
            {"name": "PGUSER", "value": "orders"},
            {"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": "orders-db", "key": "password"}}},
        ],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return job


def _each(sql: str) -> list[str]:
    """Each statement as a transaction of its own: what a migration that fails leaves half done."""
    return [part for each in sql.split("; ") for part in ("-c", each)]
