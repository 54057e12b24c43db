"""Uploads so many bytes by the real upload, in a process of its own, and says what that took: what tests compare."""

import json
import os
import resource
import sys
import time
from pathlib import Path

from holdfast.api.storage import S3Storage
from holdfast.runner.bucket import manifests, part_plan, store
from holdfast.runner.bucket.part import Spool
from holdfast.runner.bucket.part_plan import MIB, Size
from holdfast.runner.bucket.upload import Upload
from holdfast.runner.pod.context import Places
from holdfast.runner.pod.stop import Stop


def main(endpoint: str, bucket: str, key: str, mebibytes: str, plan: str, folder: str) -> None:
    """`plan` as in parts.py, JSON; `folder` is for the parts on the disk."""
    part_plan.PLAN = tuple(Size(*size) for size in json.loads(plan))  # type: ignore[assignment]
    s3 = S3Storage.model_validate({"bucket": bucket, "endpoint": endpoint, "addressingStyle": "path"})
    opened = store.connect(s3, Places())
    upload = Upload(opened, key, Stop(), Spool(Path(folder), part_plan.DISK))
    upload.begin()
    began = time.monotonic()
    block = os.urandom(MIB)
    for _ in range(int(mebibytes)):
        upload.write(block)
    checksum = upload.complete()
    took = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stated = manifests.check(opened, key, upload.size, checksum, upload.sha256)
    opened.delete(key)
    print(json.dumps({"peak": peak / 1024, "parts": upload.parts, "seconds": took, "checked": stated == checksum}))


if __name__ == "__main__":
    main(*sys.argv[1:])
