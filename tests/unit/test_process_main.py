"""The process: what ends it, and with which exit code."""

import asyncio
from pathlib import Path

import pytest

from holdfast.kube import access
from holdfast.kube.errors import KubeError, Unavailable
from holdfast.kube.lease import LeaseLost
from holdfast.process import main as mains
from holdfast.process.main import _arguments, _code, _first
from holdfast.process.namespaces import NamespacesChanged


async def forever() -> None:
    await asyncio.Event().wait()


async def fails(error: Exception) -> None:
    raise error


async def test_the_end_of_one_ends_the_others_before_it_is_told() -> None:
    ended = []

    async def works() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            ended.append("work")

    error = LeaseLost("held by another")
    assert await _first(works(), fails(error), forever()) is error
    assert ended == ["work"]


async def test_an_end_without_an_error_is_none() -> None:
    assert await _first(forever(), asyncio.sleep(0)) is None


async def test_a_watch_that_is_shielded_goes_on() -> None:
    watch = asyncio.create_task(forever())
    await _first(asyncio.shield(watch), asyncio.sleep(0))
    assert not watch.done()
    watch.cancel()


@pytest.mark.parametrize(
    ("stopped", "ended", "code"),
    [
        pytest.param(True, None, 0, id="SIGTERM"),
        pytest.param(False, None, 1, id="work that ends by itself"),
        pytest.param(False, LeaseLost("held by another"), 1, id="the Lease lost"),
        pytest.param(True, LeaseLost("held by another"), 1, id="the Lease lost and SIGTERM"),
        pytest.param(False, Unavailable("busy"), 1, id="no API server"),
        pytest.param(False, NamespacesChanged("one is back"), 1, id="other namespaces"),
        pytest.param(False, RuntimeError("kopf ended"), 1, id="watches that end"),
    ],
)
async def test_only_a_clean_stop_is_a_success(stopped: bool, ended: Exception | None, code: int) -> None:
    stop = asyncio.Event()
    if stopped:
        stop.set()
    assert _code(stop, ended) == code


def test_outside_a_cluster_the_namespace_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _arguments([])
    assert "--namespace is needed outside a cluster" in capsys.readouterr().err
    assert _arguments(["--no-leader-election"]).port == 8080


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("{", "settings"),
        ('{"images": {}, "watchNamespace": ["shop"]}', "watchNamespace"),
        (
            '{"images": {}, "defaults": {"storage": {"s3": {"prefix": "eu//db"}}}}',
            "defaults.storage.s3.prefix must not have empty parts",
        ),
        (None, "No such file"),
    ],
    ids=["no JSON", "an unknown field", "a default that no policy could set", "no file"],
)
def test_wrong_settings_end_the_start_and_name_the_field(
    settings: str | None,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "settings.json"
    if settings is not None:
        file.write_text(settings)
    monkeypatch.setattr("sys.argv", ["holdfast-operator", "--no-leader-election", "--settings", str(file)])
    monkeypatch.setattr(mains.logs, "configure", lambda _: None)
    with pytest.raises(SystemExit) as caught:
        mains.main()
    assert caught.value.code == 1
    assert sentence in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, "not: [a kubeconfig", "{}"], ids=["no file", "no YAML", "no context"])
async def test_a_kubeconfig_that_is_none_is_a_kube_error(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "config"
    if content is not None:
        file.write_text(content)
    with pytest.raises(KubeError, match="no access to a cluster"):
        await access.configure(file)
