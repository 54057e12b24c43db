"""A store's client that counts what is asked of it: each request, also each page of a list."""

from collections import Counter
from collections.abc import Iterator
from typing import Any


class Counted:
    """The part of botocore's client that the runner uses, handed on and counted by operation."""

    def __init__(self, client: Any, counts: Counter[str]) -> None:
        self._client, self._counts = client, counts

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name == "get_paginator":
            return lambda operation: _Pages(method(operation), operation, self._counts)

        def call(**arguments: Any) -> Any:
            self._counts[name] += 1
            return method(**arguments)

        return call


class _Pages:
    def __init__(self, pages: Any, operation: str, counts: Counter[str]) -> None:
        self._pages, self._operation, self._counts = pages, operation, counts

    def paginate(self, **arguments: Any) -> Iterator[Any]:
        for page in self._pages.paginate(**arguments):
            self._counts[self._operation] += 1
            yield page
