"""The difference between two JSON objects as a merge patch (RFC 7386): only what changed is written."""

from collections.abc import Iterator, Mapping
from typing import Any


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patch that turns `old` into `new`; empty when they are equal. Lists are replaced whole."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = merge_patch(before, value)
            if inner:
                patch[key] = inner
        elif before != value:
            patch[key] = value
    return patch


def dropped(written: object, answer: object, path: str) -> Iterator[str]:
    """Yield the paths of what a patch wrote and the server did not keep: its definition does not know these fields."""
    if isinstance(written, Mapping) and isinstance(answer, Mapping):
        for key, value in written.items():
            if key in answer:
                yield from dropped(value, answer[key], f"{path}.{key}")
            elif value is not None:
                yield f"{path}.{key}"
    elif isinstance(written, list) and isinstance(answer, list):
        for number, (value, kept) in enumerate(zip(written, answer, strict=False)):
            yield from dropped(value, kept, f"{path}[{number}]")
