"""What holds for the unit tests."""

import functools
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
