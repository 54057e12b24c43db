"""What holds for all tests."""

import gc
import os

import pytest
from hypothesis import settings

# What is imported and collected stays: to look for garbage in it again and again took a fifth of all the time.
gc.disable()

# How long an example takes says nothing about the code on a machine that does something else as well. Every run of the
# fast tests looks at other examples; `make matrix` looks at ten times as many (--hypothesis-profile=full).
settings.register_profile("fast", deadline=None, max_examples=10)
settings.register_profile("full", deadline=None, max_examples=100)
settings.load_profile("fast")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One more than there are processors: some tests wait for a process or for a clock."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_finish():
    gc.freeze()
    gc.enable()
    gc.set_threshold(50_000)
