"""`packshot demo`: the whole way with a first sheet."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from cli.client import Client
from cli.collection import Collection, prepare_folder
from cli.console import say, stdout
from cli.embedded import Ports, Server, find_server, running_stack
from cli.errors import UsageError
from cli.options import DEFAULT_OUT, FlowerPort, Out, Port
from cli.order import fetch, pause, require_all, send
from cli.up import CHECK_SECONDS, show
from core.settings import get_settings

EXAMPLE = Path(__file__).parents[1] / "examples" / "catalogue.csv"


def demo(
    sheet: Annotated[Path, typer.Argument(help="CSV or JSONL.", show_default=False)] = EXAMPLE,
    out: Out = DEFAULT_OUT,
    leave: Annotated[
        bool, typer.Option("--exit", help="Stop everything afterwards; fail if an image failed.")
    ] = False,
    port: Port = None,
    flower_port: FlowerPort = None,
) -> None:
    """Run everything, make the images of a sheet, and stay up until Ctrl-C.

    The sheet goes through the public API, as from any other client. If `packshot up` already runs
    here, its server is used.
    """
    if not sheet.is_file():
        raise UsageError(f"There is no sheet {sheet}.")
    prepare_folder(out)
    settings = get_settings()
    server = find_server(settings.home)
    if server is not None:
        say(f"packshot already runs here; using {server.url}")
        require_all(_order(server, sheet, out, pause))
        return
    started = time.monotonic()
    with running_stack(settings, ports=Ports(api=port, flower=flower_port)) as (server, check):
        show(server)
        say(f"Ready after {time.monotonic() - started:.1f} s.")
        collection = _order(server, sheet, out, _checking(check))
        if not leave:
            _stay(server, collection, check)
    if leave:
        require_all(collection)


def _order(server: Server, sheet: Path, out: Path, pause: Callable[[], None]) -> Collection:
    with Client(server.url, server.key) as client:
        return fetch(client, send(client, sheet, {}), out, pause=pause)


def _stay(server: Server, collection: Collection, check: Callable[[], None]) -> None:
    for entry in collection.missing:
        say(f"{entry.item.sku} variant {entry.item.variant} failed: {entry.item.error}")
    stdout.print(f"API docs       {server.docs}")
    stdout.print(f"Flower         {server.flower}")
    say("Still running, for sheets of your own: packshot submit SHEET. Ctrl-C stops it; data stay.")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            check()
            time.sleep(CHECK_SECONDS)


def _checking(check: Callable[[], None]) -> Callable[[], None]:
    """Look after our processes while we wait for them."""

    def look() -> None:
        check()
        time.sleep(CHECK_SECONDS)

    return look
