"""`packshot up`, `demo` and `migrate`: everything on this machine."""

import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from cli.bundles import with_models
from cli.client.collection import Collection, prepare_folder
from cli.client.http import Client
from cli.connection import service_settings
from cli.console import say, stdout
from cli.embedded import FLOWER_USER, Ports, RunningServer, find_server, running_stack
from cli.errors import UsageError
from cli.options import DEFAULT_OUT, FlowerPort, Models, Out, Port, Workers
from cli.shop import make_shop
from cli.submission import fetch, pause, require_all, send

EXAMPLE = Path(__file__).parents[2] / "examples" / "catalogue.csv"
CHECK_SECONDS = 0.2


def demo(
    sheet: Annotated[
        Path,
        typer.Argument(
            help="Product sheet: CSV or JSONL. Default: an example.", show_default=False
        ),
    ] = EXAMPLE,
    out: Out = DEFAULT_OUT,
    leave: Annotated[
        bool,
        typer.Option(
            "--exit", help="Stop everything afterwards; the exit code is 3 if images failed."
        ),
    ] = False,
    shop: Annotated[
        bool | None,
        typer.Option(
            "--shop/--no-shop",
            help="Also cut the products of a small shop out of its photographs. Default: with the "
            "example alone.",
            show_default=False,
        ),
    ] = None,
    port: Port = None,
    flower_port: FlowerPort = None,
    model: Models = None,
) -> None:
    """Run everything, make the images of a sheet, and keep running until Ctrl-C.

    The sheet is submitted to the public API, as by any other client. If `packshot up` already runs
    here, its server is used. Beside the example, the products of a small shop are cut out of its
    photographs.
    """
    if not sheet.is_file():
        raise UsageError(f"There is no sheet {sheet}.")
    prepare_folder(out)
    settings = with_models(model)
    order = partial(_order, sheet, out, with_shop=sheet == EXAMPLE if shop is None else shop)
    server = find_server(settings.home)
    if server is not None:
        say(f"packshot already runs here; using {server.url}")
        _require(order(server, pause))
        return
    started = time.monotonic()
    with running_stack(settings, ports=Ports(api=port, flower=flower_port)) as (server, check):
        show(server)
        say(f"Ready after {time.monotonic() - started:.1f} s.")
        collections = order(server, _checking(check))
        if not leave:
            _stay(server, collections, check)
    if leave:
        _require(collections)


def _order(
    sheet: Path, out: Path, server: RunningServer, pause: Callable[[], None], *, with_shop: bool
) -> Sequence[Collection]:
    with Client(server.url, server.key) as client:
        made = fetch(client, send(client, sheet, {}), out, pause=pause)
        return [made, make_shop(client, out / "shop", pause=pause)] if with_shop else [made]


def _require(collections: Sequence[Collection]) -> None:
    for collection in collections:
        require_all(collection)


def _stay(
    server: RunningServer, collections: Sequence[Collection], check: Callable[[], None]
) -> None:
    for entry in chain.from_iterable(one.missing for one in collections):
        say(f"{entry.item.sku} variant {entry.item.variant} failed: {entry.item.error}")
    stdout.print(f"API docs       {server.docs}")
    stdout.print(f"Flower         {server.flower}")
    say("Still running. Try your own sheet: packshot submit SHEET. Ctrl-C stops it; data are kept.")
    _wait(check)


def _checking(check: Callable[[], None]) -> Callable[[], None]:
    """Supervise our processes while we wait for them."""

    def look() -> None:
        check()
        time.sleep(CHECK_SECONDS)

    return look


def up(
    port: Port = None,
    flower_port: FlowerPort = None,
    workers: Workers = None,
    model: Models = None,
) -> None:
    """Run everything on this machine, without Docker, until Ctrl-C.

    Starts Postgres, Valkey, S3, the API, workers, housekeeping and Flower. All data are kept in
    PACKSHOT_HOME.
    """
    started = time.monotonic()
    settings = with_models(model)
    ports = Ports(api=port, flower=flower_port)
    with running_stack(settings, workers=workers, ports=ports) as (server, check):
        show(server)
        stdout.print(f"Key       {server.key}")
        say(f"Ready after {time.monotonic() - started:.1f} s. Ctrl-C stops it; data are kept.")
        _wait(check)


def _wait(check: Callable[[], None]) -> None:
    """Supervise our processes until Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            check()
            time.sleep(CHECK_SECONDS)


def show(server: RunningServer) -> None:
    """Print where everything is."""
    stdout.print(f"API       {server.url}")
    stdout.print(f"API docs  {server.docs}")
    stdout.print(
        f"Flower    {server.flower} (user {FLOWER_USER}, password {server.flower_password})"
    )


def migrate() -> None:
    """Upgrade the database to this version's schema; it is safe to run this several times."""
    from core.db.engine import Database  # noqa: PLC0415 - takes half a second to import
    from migrations import upgrade  # noqa: PLC0415

    settings = service_settings()
    database = Database(settings)
    try:
        database.check()
    finally:
        database.close()
    upgrade(settings.database_url)
    say("The database has the schema of this version.")
