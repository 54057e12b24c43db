"""What lies beyond the limits of `limits.py`, in what the API server has not looked at: said in the same words."""

import re
from collections.abc import Iterator, Mapping

from holdfast import units
from holdfast.api.job import JobTemplate
from holdfast.api.limits import CPU, CPU_SAYS, MAX_SIZE, MIN_SIZE, PREFIX_SAYS, SIZE, SIZE_SAYS
from holdfast.api.storage import Storage


def trouble(storage: Storage, job: JobTemplate) -> tuple[str, str] | None:
    """Return what these rules say of a policy or of the chart's defaults: the field's path, and the sentence."""
    return next(_troubles(storage, job), None)


def _troubles(storage: Storage, job: JobTemplate) -> Iterator[tuple[str, str]]:
    if "//" in (storage.s3.prefix or ""):
        yield "storage.s3.prefix", PREFIX_SAYS
    if job.scratch is not None and not _is_size(job.scratch.size_limit):
        yield "job.scratch.sizeLimit", SIZE_SAYS
    if job.resources is not None:
        yield from _of_amounts("job.resources.requests", job.resources.requests or {}, zero=True)
        yield from _of_amounts("job.resources.limits", job.resources.limits or {}, zero=False)


def _of_amounts(path: str, given: Mapping[str, str | int], zero: bool) -> Iterator[tuple[str, str]]:
    for name, amount in given.items():
        if name == "cpu":
            if not re.fullmatch(CPU, str(amount)):
                yield f"{path}.cpu", CPU_SAYS
        elif not _is_size(amount, zero):
            yield f"{path}.{name}", SIZE_SAYS


def _is_size(amount: str | int, zero: bool = False) -> bool:
    if not re.fullmatch(SIZE, str(amount)):
        return False
    size = units.bytes_of_quantity(amount)
    return (zero and size == 0) or units.bytes_of_quantity(MIN_SIZE) <= size <= units.bytes_of_quantity(MAX_SIZE)
