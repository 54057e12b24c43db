"""What holds for the unit tests."""

import functools
import signal
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def one_loader() -> Iterator[None]:
    """botocore reads its models once, as for all clients of one session: anew for each they cost more than a test."""
    sessions = sys.modules.get("botocore.session")
    with pytest.MonkeyPatch.context() as patch:
        if sessions:
            patch.setattr(sessions, "create_loader", functools.cache(sessions.create_loader))
        yield


@pytest.fixture
def signals_as_before() -> Iterator[None]:
    """What runs the runner within a test answers the process's own signals, and leaves that behind."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
