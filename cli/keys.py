"""`packshot keys`: who may send requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.table import Table

from cli.console import say, show, stdout
from cli.errors import UsageError
from cli.services import service_settings
from core.cache_mode import CacheMode
from core.scopes import Scope

if TYPE_CHECKING:
    from sqlmodel import Session

app = typer.Typer(no_args_is_help=True, help="API keys.")


@app.command()
def create(
    tenant: Annotated[
        str, typer.Option(help="Whose images the key sees; keys of one tenant share them.")
    ] = "default",
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it may do, once for each; without it everything."),
    ] = None,
    approximate: Annotated[
        bool | None,
        typer.Option(help="Whether its images may begin with a near prompt's latents."),
    ] = None,
    cache: Annotated[
        CacheMode | None,
        typer.Option(help="What its requests want of stored images when they do not say."),
    ] = None,
) -> None:
    """Make a key and print it, this once: the server keeps only its hash."""
    from core.keys import create_key  # noqa: PLC0415

    with _session() as session:
        row, key = create_key(
            session,
            tenant,
            name,
            scopes=scope or tuple(Scope),
            approximate=approximate,
            cache=cache,
        )
        identity = row.id
    say(f"Key {identity} of tenant {tenant!r}, shown only now:")
    stdout.print(key)


@app.command("list")
def list_them(
    tenant: Annotated[str | None, typer.Option(help="Only the keys of this tenant.")] = None,
) -> None:
    """List the keys, without what they are."""
    from core.keys import list_keys  # noqa: PLC0415

    table = Table("id", "tenant", "name", "key", "scopes", "created", "revoked", box=None)
    with _session() as session:
        for row in list_keys(session, tenant):
            revoked = f"{row.revoked_at:%Y-%m-%d %H:%M}" if row.revoked_at else ""
            created = f"{row.created_at:%Y-%m-%d %H:%M}"
            scopes = ", ".join(row.scopes)
            table.add_row(
                str(row.id), row.tenant, row.name, f"{row.prefix}…", scopes, created, revoked
            )
    show(table)


@app.command()
def revoke(
    key_id: Annotated[UUID, typer.Argument(help="The key's id, from `packshot keys list`.")],
) -> None:
    """Make a key useless from now on."""
    from core.keys import revoke_key  # noqa: PLC0415

    with _session() as session:
        if not revoke_key(session, key_id):
            raise UsageError(f"There is no key {key_id} that still works.")
    say(f"Key {key_id} works no more.")


@contextmanager
def _session() -> Iterator["Session"]:
    """Open a session on the database of the services that run."""
    # Takes half a second, which `packshot --help` need not wait.
    from core.database import Database  # noqa: PLC0415

    database = Database(service_settings())
    database.check()
    try:
        with database.session() as session:
            yield session
    finally:
        database.close()
