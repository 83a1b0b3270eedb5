"""`packshot tenants`: everything of a tenant erased."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cli.connection import service_settings
from cli.console import say
from cli.errors import UsageError

if TYPE_CHECKING:
    from ops.tenant_eraser import TenantEraser

app = typer.Typer(no_args_is_help=True, help="Tenants.")


@app.callback()
def tenants() -> None:
    """Tenants."""
    # With it, Typer does not take the only command for the whole of `packshot tenants`.


@app.command()
def erase(
    tenant: Annotated[
        str, typer.Argument(help="Name of the tenant, as `packshot keys list` shows it.")
    ],
    confirm: Annotated[
        str | None,
        typer.Option(help="The tenant's name again, to confirm in scripts without being asked."),
    ] = None,
) -> None:
    """Erase everything of a tenant for good: keys, batches, images, recipes, words and webhooks."""
    with _eraser() as eraser:
        found = eraser.count(tenant)
        if found:
            say(f"Tenant {tenant!r} has " + ", ".join(f"{n:,} {name}" for name, n in found.items()))
        if confirm is None:
            confirm = typer.prompt("Type the tenant's name to erase all of it", err=True)
        if confirm != tenant:
            raise UsageError(f"Nothing was erased: {confirm!r} is not {tenant!r}.")
        left = eraser.erase(tenant)
    if left:
        raise UsageError(
            "Requests that were still running wrote "
            + ", ".join(f"{number:,} {name}" for name, number in left.items())
            + f". Run `packshot tenants erase {tenant}` again to erase this too."
        )
    say(f"Everything of tenant {tenant!r} is erased.")


@contextmanager
def _eraser() -> Iterator["TenantEraser"]:
    """Connect to the services that run."""
    # Takes half a second, which `packshot --help` need not wait.
    from core.db.engine import Database  # noqa: PLC0415
    from core.queue import Publisher, make_celery  # noqa: PLC0415
    from core.storage import Storage  # noqa: PLC0415
    from ops.eraser import Eraser, RetentionLimits  # noqa: PLC0415
    from ops.janitor import Janitor, limits_of  # noqa: PLC0415
    from ops.tenant_eraser import TenantEraser  # noqa: PLC0415

    settings = service_settings()
    database, storage, celery = Database(settings), Storage(settings), make_celery(settings)
    try:
        database.check()
        storage.check()
        yield TenantEraser(
            database=database,
            storage=storage,
            publisher=Publisher(celery),
            eraser=Eraser(database=database, storage=storage, limits=RetentionLimits.of(settings)),
            janitor=Janitor(database=database, storage=storage, limits=limits_of(settings)),
        )
    finally:
        celery.close()
        database.close()
        storage.close()
