"""What the demo shows of its results: what kubectl says, a whole status, what lies in the bucket, what to try next."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from tests.demo.narrator import Narrator
from tests.demo.scene import EMPTY_DATABASE, SCHEDULED, Scene
from tests.stack import keys_in_bucket, kubectl, s3_client

from holdfast.units import size_for_people


def result(scene: Scene, name: str, status: dict[str, Any], narrator: Narrator) -> None:
    listing = ("get", "databasebackups", "-n", scene.namespace, "-o", "wide")
    narrator.heading(f"$ kubectl {' '.join(listing)}")
    narrator.block(kubectl(*listing).rstrip())
    narrator.heading(f"The status of {name}")
    narrator.block(yaml.safe_dump(status, sort_keys=False, allow_unicode=True, width=110).rstrip(), "yaml")
    narrator.heading("What lies in the bucket `backups`")
    narrator.block("\n".join(lines(objects(scene))))


def what_next(scene: Scene, name: str, narrator: Narrator) -> None:
    narrator.heading("What to try next: each block can be pasted")
    narrator.block("\n\n".join(str(block) for block in next_commands(scene, name)), "bash")


@dataclass(frozen=True)
class Block:
    """Commands to paste, with what they are for. `watch` is a last one that runs until somebody ends it."""

    what: str
    commands: str
    watch: str = ""

    def __str__(self) -> str:
        return "\n".join(filter(None, [f"# {self.what}", self.commands, self.watch]))


def objects(scene: Scene) -> dict[str, int]:
    """Each object that the store lists, with its size."""
    with s3_client(scene.namespace) as client:
        return keys_in_bucket(client)


def lines(found: Mapping[str, int]) -> list[str]:
    """Objects as they are printed, a line each."""
    return [f"{size_for_people(size):>8}  {key}" for key, size in found.items()]


def next_commands(scene: Scene, name: str) -> list[Block]:
    """For a fresh shell: the first block points kubectl at the cluster, each other one stands alone after it."""
    kubectl = f"kubectl -n {scene.namespace}"
    tools = scene.cluster.environment["PATH"].partition(os.pathsep)[0]
    point = f'{_kubeconfig(scene)}\nexport PATH={shlex.quote(tools)}:"$PATH"'
    psql = "psql -U orders -c 'select * from revenue_by_month order by 1, 2 limit 5'"
    return [
        Block("First, in the shell that you will use:", point),
        Block("Read it as a person would:", f"{kubectl} describe databasebackup {name}"),
        Block(
            f"Restore it into the empty database server {EMPTY_DATABASE}, and look at what came back:",
            _create(kubectl, _ELSEWHERE.format(backup=name, server=EMPTY_DATABASE)).replace(" create -f", " apply -f")
            + f"\n{kubectl} wait databaserestores.holdfast.dev/{name}-copy --for=condition=Finished --timeout=5m\n"
            f"{kubectl} get databaserestores.holdfast.dev {name}-copy\n"
            f"{kubectl} exec deployment/{EMPTY_DATABASE} -- {psql}",
        ),
        Block(
            "Take another backup, and watch it:", _create(kubectl, _ANOTHER), f"{kubectl} get databasebackups --watch"
        ),
        Block(
            "Give a wrong password, and see how a failure reads:",
            f"{kubectl} create secret generic wrong --from-literal=username=orders --from-literal=password=guessed\n"
            + _create(kubectl, _WRONG),
            f"{kubectl} get databasebackups --watch -o wide",
        ),
        Block(
            "Let the schedule go on, each minute, and read what its policy says of the last minutes:",
            f"{kubectl} patch backuppolicy {SCHEDULED} --type merge -p '{_GO_ON}'\n"
            f"{kubectl} describe backuppolicy {SCHEDULED}",
        ),
        Block("What a field means:", "kubectl explain databasebackup.spec"),
        Block(
            "What the operator says:",
            f"kubectl -n {scene.release} logs deployment/{scene.release} --all-pods --prefix",
        ),
    ]


def _kubeconfig(scene: Scene) -> str:
    """Of a cluster that is not ours, a copy, in which the named context is the current one."""
    path = shlex.quote(str(scene.cluster.kubeconfig))
    if scene.cluster.kind:
        return f"export KUBECONFIG={path}"
    view = f"kubectl --kubeconfig={path} --context={shlex.quote(scene.cluster.context)} config view"
    return f'export KUBECONFIG="$(mktemp)"\n{view} --raw --minify --flatten > "$KUBECONFIG"'


def _create(kubectl: str, manifest: str) -> str:
    return f"{kubectl} create -f - <<'END'\n{manifest}END"


_GO_ON = '{"spec": {"schedule": {"suspend": false}}}'

_ANOTHER = """\
apiVersion: holdfast.dev/v1alpha1
kind: DatabaseBackup
metadata: {generateName: orders-}
spec: {policyRef: {name: orders}, reason: to watch it}
"""

_ELSEWHERE = """\
apiVersion: holdfast.dev/v1alpha1
kind: DatabaseRestore
metadata: {{name: {backup}-copy}}
spec:
  source: {{backupRef: {{name: {backup}}}}}
  target:
    database: {{engine: postgresql, name: orders, connection: {{host: {server}, secretName: {server}}}}}
"""

_WRONG = """\
apiVersion: holdfast.dev/v1alpha1
kind: DatabaseBackup
metadata: {generateName: orders-wrong-}
spec:
  reason: to see a failure
  policy:
    environment: dev
    database: {engine: postgresql, name: orders, connection: {host: orders-db, secretName: wrong}}
    storage: {s3: {bucket: backups, endpoint: "http://s3:8333", addressingStyle: path, secretName: s3-credentials}}
"""
