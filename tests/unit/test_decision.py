"""What the log says that a decision does."""

import pytest

from holdfast.decide.decision import Act, DeleteBackup, DeleteBackups, Left, Release


def pages(names: str) -> DeleteBackups:
    return DeleteBackups(tuple(DeleteBackup(name, f"u-{name}") for name in names))


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (pages("abc"), "delete 3 DatabaseBackups: a, b, c"),
        (pages("abcd"), "delete 4 DatabaseBackups: a, b, c, ..."),
        (Release("a", "u-a"), "remove the finalizer"),
        (Release("a", "u-a", Left("s3://x", "late")), "remove the finalizer, although its data is not deleted"),
    ],
    ids=["few are all named", "of many the first three are named", "a backup that goes with its data",
         "a backup whose data is left"],
)  # fmt: skip
def test_the_log_says_what_is_done(act: Act, says: str):
    assert str(act) == says
