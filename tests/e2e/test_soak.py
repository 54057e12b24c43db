"""A cut of `make soak`, its rest included: whenever the operator dies, what it has promised holds in the end."""

import pytest
from tests.cluster.api import Cluster
from tests.soak.soak import soak

# `make soak` goes on for ten minutes, with twenty policies.
pytestmark = pytest.mark.timeout(400, func_only=True)
SECONDS, POLICIES = 75, 8
SEED = 20261129


async def test_an_operator_that_is_killed_at_random_instants_loses_and_doubles_nothing_and_deletes_nothing_that_is_kept(
    cluster: Cluster, crds: None
):
    outcome = await soak(cluster, SECONDS, SEED, print, POLICIES)
    assert outcome.wrong == [], outcome.log
    assert outcome.kills >= 4, "it was killed in the midst of it"
    assert outcome.deleted >= 5, "retention had something to do"
    assert outcome.backups >= 16
