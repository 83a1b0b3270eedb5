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
    tenant: Annotated[str, typer.Argument(help="Its name, as its API keys have it.")],
    confirm: Annotated[
        str | None,
        typer.Option(help="The name once more, where nobody is there to be asked for it."),
    ] = None,
) -> None:
    """Erase everything of a tenant: keys, batches, jobs, images, recipes, webhooks. For good."""
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
            "Requests that had begun before wrote "
            + ", ".join(f"{number:,} {name}" for name, number in left.items())
            + f". Run `packshot tenants erase {tenant}` again."
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
