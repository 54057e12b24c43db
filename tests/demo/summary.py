"""The end of the demo: what kubectl shows, the whole status, what lies in the bucket, and what to try next."""

import shlex
from typing import Any

import yaml
from tests.demo.narrator import Narrator
from tests.demo.scene import EMPTY_DATABASE, Scene
from tests.stack import keys_in_bucket, kubectl, s3_client

from holdfast.units import size_for_people

APART = "restore"  # it is what to paste, printed by a command of its own below


def show(scene: Scene, name: str, status: dict[str, Any], narrator: Narrator) -> None:
    narrator.heading("$ kubectl get databasebackups -o wide")
    narrator.block(kubectl("get", "databasebackups", "-n", scene.namespace, "-o", "wide"))
    narrator.heading(f"The status of {name}")
    shown = {key: value for key, value in status.items() if key != APART}
    narrator.block(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=110), "yaml")
    narrator.say("(and `restore`, what to paste to get it back; see below)")
    narrator.heading("What lies in the bucket `backups`")
    narrator.block("\n".join(_objects(scene)))
    narrator.heading("What to try next (each block can be pasted)")
    narrator.block(next_commands(scene, name), "bash")


def _objects(scene: Scene) -> list[str]:
    with s3_client(scene.namespace) as client:
        return [f"{size_for_people(size):>8}  {key}" for key, size in keys_in_bucket(client).items()]


def next_commands(scene: Scene, name: str) -> str:
    """Commands for a fresh shell: the first line points kubectl at the cluster, all others follow from it."""
    environment = scene.cluster.environment
    path = shlex.quote(environment["PATH"].partition(":")[0])
    return _NEXT.format(
        kubeconfig=shlex.quote(str(scene.cluster.kubeconfig)),
        path=path,
        alias=_alias(scene),
        name=name,
        empty=EMPTY_DATABASE,
        release=scene.release,
    )


def _alias(scene: Scene) -> str:
    context = "" if scene.cluster.kind else f" --context={shlex.quote(scene.cluster.context)}"
    return f"kubectl{context} -n {scene.namespace}"


_NEXT = """\
# First, in the shell that you will use:
export KUBECONFIG={kubeconfig} PATH={path}:"$PATH"

# Look at it as a person would:
{alias} describe databasebackup {name}

# Restore it into the empty database {empty}, and look at what came back:
{alias} get dbb {name} -o jsonpath='{{.status.restore}}' > restore.sh
TARGET_HOST={empty} TARGET_SECRET={empty} bash restore.sh
{alias} exec deploy/{empty} -- psql -U orders -c 'select * from revenue_by_month order by 1, 2 limit 5'

# Take another backup, and watch it:
{alias} create -f - <<'END'
{{apiVersion: holdfast.dev/v1alpha1, kind: DatabaseBackup,
 metadata: {{generateName: orders-}}, spec: {{policyRef: {{name: orders}}, reason: to watch it}}}}
END
{alias} get dbb --watch

# A wrong password: see how a failure reads.
{alias} create secret generic wrong --from-literal=username=orders --from-literal=password=guessed
{alias} create -f - <<'END'
apiVersion: holdfast.dev/v1alpha1
kind: DatabaseBackup
metadata: {{generateName: orders-wrong-}}
spec:
  policy:
    environment: dev
    database: {{engine: postgresql, name: orders, connection: {{host: orders-db, secretName: wrong}}}}
    storage: {{s3: {{bucket: backups, endpoint: "http://s3:8333", addressingStyle: path, secretName: s3-credentials}}}}
END
{alias} get dbb --watch -o wide

# What each field means, and what the operator says:
kubectl explain databasebackup.spec
kubectl -n {release} logs deploy/{release} --follow"""
