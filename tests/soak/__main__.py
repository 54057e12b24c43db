"""`python -m tests.soak`: so many seconds on the test cluster; its exit code is 1 where anything came out wrong."""

import argparse
import asyncio
import os
import random
import sys
from pathlib import Path

from tests.cluster import api
from tests.e2e.kubectl import Kubectl
from tests.soak.soak import soak

CRDS = Path(__file__).parents[2] / "crds"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long the operator is killed again and again")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="where all chance comes from")
    given = parser.parse_args()
    cluster = api.ensure_up()
    os.environ.update(cluster.environment)
    Kubectl(cluster)("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    print(f"seed {given.seed}, {given.seconds:.0f} s", flush=True)
    outcome = asyncio.run(soak(cluster, given.seconds, given.seed, lambda text: print(text, flush=True)))
    print(f"{outcome.backups} backups, {outcome.deleted} deleted, {outcome.kills} kills; log: {outcome.log}")
    for sentence in outcome.wrong:
        print(f"WRONG: {sentence}")
    print(f"{len(outcome.wrong)} wrong; again: python -m tests.soak --seconds {given.seconds:.0f} --seed {given.seed}")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
