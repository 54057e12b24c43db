"""A client that kills its owner: how tests end an operator between any two of its calls."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any


class Killed(BaseException):
    """The operator is dead; nothing may catch it."""


class Mortal:
    """A client whose owner dies at its n-th call: before it is made, or before its answer is seen."""

    def __init__(self, client: Any, dies_at: int, answered: bool) -> None:
        self._client, self._left, self._answered = client, dies_at, answered
        self.died = False

    async def pages(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Count each page: each is a call."""
        async for page in self._client.pages(*args, **kwargs):
            self._left -= 1
            if self._left == 0:
                raise self._death()
            yield page

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        call = getattr(self._client, name)

        async def counted(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._answered:
                raise self._death()
            answer = await call(*args, **kwargs)
            if self._left == 0:
                raise self._death()
            return answer

        return counted

    def _death(self) -> Killed:
        self.died = True
        return Killed()
