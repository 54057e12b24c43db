"""A list is read in pages that fit into memory, however big somebody made its objects, and each object comes once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.aio.client.configuration import Configuration
from tests.fake_objects import Body
from tests.fake_server import FakeApi, serve

from holdfast.kube import paging
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import Refused, Unavailable
from holdfast.kube.kinds import POLICIES

SMALLER = 8  # times, than what a cluster has
MB = 1_000_000 // SMALLER


@pytest.fixture
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes are an eighth of what they are: how they are counted is the same."""
    for bound in ("_WANTED", "MAX_BYTES"):
        monkeypatch.setattr(paging, bound, getattr(paging, bound) // SMALLER)


def a_name(number: int) -> str:
    return f"p{number:04}"  # a list is in the order of the names


@asynccontextmanager
async def a_cluster(*sizes: int) -> AsyncIterator[tuple[FakeApi, KubeClient]]:
    """One with a policy of each of these sizes, bytes."""
    async with serve(FakeApi()) as api:
        for number, size in enumerate(sizes):
            annotations = {"big": "x" * size}
            api.put(POLICIES, {"metadata": {"namespace": "shop", "name": a_name(number), "annotations": annotations}})
        client = KubeClient(Configuration(host=api.url), timeout=60)
        yield api, client
        await client.close()


SIZES = {
    "nothing": [],
    "small ones": [10] * 1000,
    "big ones": [MB] * 12,
    "big ones after small ones": [10] * 400 + [MB] * 12,
    "small ones after big ones": [MB] * 12 + [10] * 400,
    "one that is bigger than a page": [5 * MB, 10],
    "two that do not fit together, where two were to fit": [MB // 2] + [4 * MB] * 12,
}


@pytest.mark.usefixtures("smaller")
@pytest.mark.parametrize("metadata_only", [False, True], ids=["whole", "metadata"])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
async def test_each_object_comes_once(sizes: list[int], metadata_only: bool) -> None:
    async with a_cluster(*sizes) as (_, client):
        pages = client.pages(POLICIES, "shop", metadata_only=metadata_only)
        names = [body["metadata"]["name"] async for page in pages for body in page]
    assert names == [a_name(number) for number in range(len(sizes))]


@pytest.mark.usefixtures("smaller")
async def test_a_page_is_never_more_than_fits() -> None:
    async with a_cluster(*SIZES["big ones after small ones"]) as (api, client):
        biggest = max([sum(map(size_of, page)) async for page in client.pages(POLICIES, None)])
    assert biggest < paging.MAX_BYTES
    assert len(api.asked) < 60


def size_of(body: dict[str, Any]) -> int:
    return len(body["metadata"]["annotations"]["big"])


async def test_small_objects_cost_few_calls() -> None:
    async with a_cluster(*[10] * 3000) as (api, client):
        assert len(await client.list(POLICIES, None)) == 3000
    assert len(api.asked) < 12


async def test_an_object_that_is_bigger_than_any_can_be_is_an_error_that_says_so() -> None:
    async with a_cluster(10, paging.MAX_BYTES) as (_, client):
        with pytest.raises(Unavailable, match="the answer has more than 6 MiB"):
            await client.list(POLICIES, "shop")
        with pytest.raises(Unavailable, match="the answer has more than 6 MiB"):
            await client.get(POLICIES, "shop", a_name(1))
        assert (await client.get(POLICIES, "shop", a_name(0)))["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("size", "objects", "held", "following"),
    [
        pytest.param(50, 50, 50 << 10, 200, id="small ones: four times as many at most"),
        pytest.param(400, 400, 4000, 500, id="tiny ones: never more than that"),
        pytest.param(500, 100, 10 << 20, 10, id="bigger ones: as many as have a MiB together"),
        pytest.param(50, 1, 1 << 20, 1, id="one that has a MiB: the next alone"),
        pytest.param(50, 1, 6 << 20, 1, id="one that is bigger than a page: the next alone"),
        pytest.param(50, 0, 100, 200, id="none on this page: as if they were small"),
    ],
)
def test_a_page_asks_for_what_a_mib_holds_by_what_the_last_one_held(
    size: int, objects: int, held: int, following: int
) -> None:
    assert paging.next_size(size, objects, held) == following


@pytest.mark.parametrize(("size", "following"), [(500, 62), (50, 6), (8, 1), (2, 1)])
def test_where_it_was_too_much_an_eighth_is_asked_for_and_one_at_least(size: int, following: int) -> None:
    assert paging.fewer(size) == following


async def test_an_answer_may_have_six_mib_and_no_byte_more() -> None:
    async def chunks(*sizes: int) -> AsyncIterator[bytes]:
        for size in sizes:
            yield bytes(size)

    assert len(await paging.read(chunks(5 << 20, 1 << 20))) == 6 << 20
    with pytest.raises(paging.TooBig, match="more than 6 MiB"):
        await paging.read(chunks(5 << 20, 1 << 20, 1))


async def test_of_an_answer_without_an_end_the_first_line_is_read_and_that_is_bounded_too() -> None:
    read = 0

    async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
        nonlocal read
        for part in parts:
            read += 1
            yield part

    assert await paging.first_line(chunks(b'{"a":', b"1}\n{", b"more")) == b'{"a":1}'
    assert read == 2
    assert await paging.first_line(chunks(b"all of it")) == b"all of it"
    assert len(await paging.first_line(chunks(bytes(6 << 20)))) == 6 << 20
    with pytest.raises(paging.TooBig, match="a line of the answer has more than 6 MiB"):
        await paging.first_line(chunks(bytes(6 << 20), b"1"))


@pytest.mark.parametrize("number", [0, 3], ids=["where there is nothing", "where there is much"])
async def test_a_server_that_streams_lists_says_so(number: int) -> None:
    async with a_cluster(*[10] * number) as (api, client):
        assert await client.streams(POLICIES, "shop") is True
        api.streams = False
        with pytest.raises(Refused, match="unless the WatchList feature gate is enabled"):
            await client.streams(POLICIES, None)


async def test_what_begins_with_anything_but_the_mark_is_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_cluster(10) as (api, client):

        async def whatever_is_asked(*_: object) -> list[Body]:
            return api.all(POLICIES)

        monkeypatch.setattr(api, "_found", whatever_is_asked)
        assert await client.streams(POLICIES, "shop") is False


async def test_the_server_says_whom_it_takes_us_for() -> None:
    async with a_cluster() as (api, client):
        assert await client.who_am_i() == await api.who_am_i()


@given(objects=st.integers(0, 500), held=st.integers(2, paging.MAX_BYTES))  # {} has two
def test_a_page_has_one_object_at_least_and_never_too_many(objects: int, held: int) -> None:
    assert 1 <= paging.next_size(500, objects, held) <= 500
    assert 1 <= paging.fewer(paging.next_size(500, objects, held)) <= 62
