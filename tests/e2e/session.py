"""Brings up what a whole e2e session shares, and takes it down again."""

import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests import stack
from tests.cluster.api import Cluster
from tests.e2e import installation
from tests.e2e.kubectl import Kubectl
from tests.e2e.world import PASSWORD, World, a_store


@contextmanager
def a_world(cluster: Cluster, kubectl: Kubectl) -> Iterator[World]:
    """Holdfast, a database with the sample, a store, and namespaces under PodSecurity's strictest rule."""
    os.environ.update(cluster.environment)  # the stack's helpers find the cluster there
    token = secrets.token_hex(3)
    parts = ("operator", "servers", "backups", "faults", "races", "doomed", "unwatched")
    names = [f"hf-{part}-{token}" for part in parts]
    operator, servers, backups, faults, races, doomed, _ = names
    # without waiting an hour: what is deleted here is what no rule of its policy keeps
    values = {
        "watchNamespaces": [backups, faults, races, doomed],
        "retention": {"graceSeconds": 0},
        "stores": {"shared": a_store(servers)},
        "migrationGate": {"enabled": True},
    }
    installation.load_images(cluster)
    stack.apply(stack.namespace(name) for name in names)
    try:
        with ThreadPoolExecutor() as pool:
            installing = pool.submit(installation.install, cluster, operator, values)
            stack.apply([*stack.postgres(servers, "db", password=PASSWORD), *stack.seaweedfs(servers)])
            stack.wait_ready(servers, "db", "s3")
            stack.load_sample(servers, "db", scale=0.02)
            installing.result()
        with stack.s3_client(servers) as s3:
            world = World(kubectl, *names, s3=s3)
            for name in (backups, faults, races, doomed, world.unwatched):
                world.apply(*world.credentials(name))
            yield world
    finally:
        installation.uninstall(cluster, operator)
        kubectl("delete", "namespace", *names, "--wait=false", "--ignore-not-found")
