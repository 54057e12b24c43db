"""The operator's process: arguments in, exit code out.

Leading and renewing the Lease are raced: the end of either ends the process, so that nobody works without leading.
On SIGTERM the work stops first, then the Lease is freed, so that the other replica takes over within a second or two.
"""

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
import uuid
from collections.abc import Awaitable, Sequence
from functools import partial
from pathlib import Path

import structlog

from holdfast import __version__, naming
from holdfast.errors import HoldfastError
from holdfast.kube import access
from holdfast.kube.client import KubeClient
from holdfast.kube.errors import KubeError
from holdfast.kube.lease import Lease, LeaseLost
from holdfast.process import log as logs
from holdfast.process.health import Health, serve
from holdfast.process.metrics import LEADER
from holdfast.process.namespaces import NamespacesChanged
from holdfast.process.operator import Operator
from holdfast.settings import load

log = structlog.get_logger(__name__)


def main() -> None:
    """Run the operator until SIGTERM (exit code 0) or until it cannot go on (1)."""
    options = _arguments(sys.argv[1:])
    logs.configure(options.log_level)
    try:
        code = asyncio.run(_run(options))
    except (HoldfastError, KubeError, OSError) as error:
        log.critical("Cannot start", error=str(error))
        code = 1
    sys.exit(code)


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="holdfast-operator", description="Holdfast's operator.")
    parser.add_argument("--settings", type=Path, default=Path("/etc/holdfast/settings.json"), help="the chart's file")
    parser.add_argument("--port", type=int, default=8080, help="of /healthz, /readyz and /metrics")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    parser.add_argument("--version", action="version", version=__version__)
    development = parser.add_argument_group("development, outside a cluster")
    development.add_argument("--kubeconfig", type=Path, help="file to use instead of the Pod's ServiceAccount")
    development.add_argument("--context", help="context of the kubeconfig file")
    development.add_argument("--namespace", default=access.own_namespace(), help="of the Lease; default: the Pod's own")
    development.add_argument("--no-leader-election", action="store_true", help="run without a Lease")
    options = parser.parse_args(argv)
    if options.namespace is None and not options.no_leader_election:
        parser.error("--namespace is needed outside a cluster")
    return options


async def _run(options: argparse.Namespace) -> int:
    stop = asyncio.Event()
    _on_signals(stop)
    settings, health = load(options.settings), Health()
    configuration = await access.configure(options.kubeconfig, options.context)
    LEADER.set(0)
    async with contextlib.AsyncExitStack() as stack:
        client = KubeClient(configuration)
        stack.push_async_callback(client.close)
        await stack.enter_async_context(serve(options.port, health))
        log.info("Started", version=__version__, port=options.port)
        lease = None
        if not options.no_leader_election:
            lease = Lease(client, options.namespace, naming.LEASE_NAME, f"{socket.gethostname()}_{uuid.uuid4()}")
            health.ready = lambda: lease.reached  # a standby is ready as soon as it can read the Lease
            ended = await _first(lease.acquire(), stop.wait())
            if stop.is_set() or ended:
                return _code(stop, ended)
        login = partial(access.credentials, configuration)
        return await _lead(Operator(client, login, settings, health, options.namespace), lease, stop)


async def _lead(operator: Operator, lease: Lease | None, stop: asyncio.Event) -> int:
    log.info("Leading")
    LEADER.set(1)
    watching = asyncio.create_task(operator.watch(partial(_on_signals, stop)), name="watches")
    renewing = [lease.keep()] if lease else []
    working = [operator.work(), operator.follow_namespaces(), asyncio.shield(watching)]
    ended = await _first(*working, stop.wait(), *renewing)
    LEADER.set(0)
    if lease and not isinstance(ended, LeaseLost):
        await _release(lease)
    watching.cancel()
    await asyncio.wait([watching])
    return _code(stop, ended)


async def _first(*work: Awaitable[object]) -> BaseException | None:
    """Wait until one of them ends, end the others, and return what it ended with, if that is an exception."""
    tasks = [asyncio.ensure_future(item) for item in work]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest)
    return next((error for error in (task.exception() for task in done) if error), None)


async def _release(lease: Lease) -> None:
    try:
        await lease.release()
    except (KubeError, TimeoutError, LeaseLost) as error:
        log.warning("Could not release the Lease: the next leader waits until it expires", error=str(error))


def _code(stop: asyncio.Event, ended: BaseException | None) -> int:
    """Say why the process ends, and return its exit code."""
    if isinstance(ended, (LeaseLost, KubeError, NamespacesChanged, TimeoutError)):
        log.critical("Ending", reason=f"{type(ended).__name__}: {ended}")
    elif ended or not stop.is_set():
        log.critical("Ending because of a fault in Holdfast", exc_info=ended)
    else:
        log.info("Stopped")
    return 0 if stop.is_set() and not ended else 1


def _on_signals(stop: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
