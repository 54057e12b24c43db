"""Cleanup removes leftovers of one backup, and nothing else in any case."""

import pytest

from holdfast.errors import HoldfastError, Reason
from holdfast.runner.cleanup import require_one_backup


@pytest.mark.parametrize("prefix", ["shop/orders/backup-1/", "eu-1/shop/orders/backup-1/", "a/b/c/d/e/"])
def test_the_folder_of_one_backup_may_be_cleaned(prefix):
    require_one_backup(prefix)


@pytest.mark.parametrize(
    "prefix",
    ["", "/", "//", "shop/", "shop/orders/", "shop/orders/backup-1", "/shop/orders/", "a//b/", "////", "a/b//"],
)
def test_anything_wider_is_refused(prefix):
    with pytest.raises(HoldfastError, match="not the folder of one backup") as caught:
        require_one_backup(prefix)
    assert caught.value.reason is Reason.INVALID_TASK
