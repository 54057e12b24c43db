"""A client whose API server does not always answer as asked: how tests fail an operator's calls, one or many."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from holdfast.kube.errors import Conflict, KubeError, Unavailable

Error = Callable[[], BaseException]
ANSWERS: dict[str, Callable[[], KubeError]] = {
    "409": lambda: Conflict("the object has been modified", 409),
    "429": lambda: Unavailable("too many requests", 429, retry_after=1),
    "500": lambda: Unavailable("etcdserver: request timed out", 500),
}


class Moody:
    """One that answers so from its n-th call on, so many times: before anything is done, or with all done (`late`)."""

    def __init__(self, client: Any, error: Error, at: int, times: int = 1, *, late: bool = False) -> None:
        self._client, self._error, self._at, self._times, self._late = client, error, at, times, late
        self._calls = self.failed = 0

    def _fails(self) -> bool:
        self._calls += 1
        fails = self._at <= self._calls < self._at + self._times
        self.failed += fails
        return fails

    async def pages(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Each page is a call."""
        async for page in self._client.pages(*args, **kwargs):
            if self._fails():
                raise self._error()
            yield page

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        call = getattr(self._client, name)

        async def asked(*args: Any, **kwargs: Any) -> Any:
            fails = self._fails()
            if fails and not self._late:
                raise self._error()
            answer = await call(*args, **kwargs)
            if fails:
                raise self._error()
            return answer

        return asked
