"""How long a test waits for what comes at once, unless the machine does something else as well."""

import asyncio
from collections.abc import Callable

ENOUGH = 60  # seconds


async def until(check: Callable[[], object]) -> None:
    """Wait until it is so, where what is waited for tells nobody."""
    async with asyncio.timeout(ENOUGH):
        while not check():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
