"""`packshot keys`: who may send requests."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.table import Table

from cli.connection import service_settings
from cli.console import say, show, stdout
from cli.errors import UsageError
from core.domain.cache_mode import CacheMode
from core.domain.scopes import Scope

if TYPE_CHECKING:
    from sqlmodel import Session

DAY_SECONDS = 24 * 3600
HOUR_SECONDS = 3600

app = typer.Typer(no_args_is_help=True, help="API keys.")

KeyId = Annotated[UUID, typer.Argument(help="The key's id, from `packshot keys list`.")]
Tenant = Annotated[
    str,
    typer.Option(help="Tenant of the key; all keys of a tenant see the same batches."),
]
Name = Annotated[str, typer.Option(help="What the key is for.")]
Scopes = Annotated[
    list[Scope] | None,
    typer.Option(help="What the key may do. Repeat for several. Default: everything."),
]
ExpiresDays = Annotated[
    float | None,
    typer.Option(min=0, help="Days until the key expires. Default: it works until revoked."),
]
RequestsPerMinute = Annotated[
    int | None,
    typer.Option(
        min=0, help="Limit of requests per minute; 0: no limit. Default: as the settings say."
    ),
]
QueuedImages = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Limit of unfinished images at a time; 0: no limit. Default: as the settings say.",
    ),
]
SourceBytes = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Limit of bytes of the tenant's photographs when it sends one; 0: no limit. "
        "Default: as the settings say.",
    ),
]
Approximate = Annotated[
    bool | None,
    typer.Option(
        help="Whether images may start from those of a similar prompt: faster, slightly "
        "different. Default: as the settings say."
    ),
]
Cache = Annotated[
    CacheMode | None,
    typer.Option(
        help="For requests that do not say: use stored images, refresh them, or bypass them."
    ),
]


@app.command()
def create(
    tenant: Tenant = "default",
    name: Name = "",
    scope: Scopes = None,
    expires_days: ExpiresDays = None,
    requests_per_minute: RequestsPerMinute = None,
    queued_images: QueuedImages = None,
    source_bytes: SourceBytes = None,
    approximate: Approximate = None,
    cache: Cache = None,
) -> None:
    """Create a key and print it. It cannot be shown again: the server keeps only its hash."""
    from core.keys import create_key  # noqa: PLC0415

    with _session() as session:
        row, key = create_key(
            session,
            tenant,
            name,
            scopes=scope or tuple(Scope),
            expires_seconds=None if expires_days is None else expires_days * DAY_SECONDS,
            requests_per_minute=requests_per_minute,
            queued_images=queued_images,
            source_bytes=source_bytes,
            approximate=approximate,
            cache=cache,
        )
        identity = row.id
    say(f"Key {identity} of tenant {tenant!r}. Copy it now, it is not shown again:")
    stdout.print(key)


@app.command("list")
def list_them(
    tenant: Annotated[str | None, typer.Option(help="Only the keys of this tenant.")] = None,
) -> None:
    """List the keys, without their secrets."""
    from core.keys import list_keys  # noqa: PLC0415

    table = Table(
        *("id", "tenant", "name", "key", "scopes"),
        *("created", "used", "expires", "revoked"),
        box=None,
    )
    with _session() as session:
        for row in list_keys(session, tenant):
            moments = (row.created_at, row.last_used_at, row.expires_at, row.revoked_at)
            table.add_row(
                *(str(row.id), row.tenant, row.name, f"{row.prefix}…", ", ".join(row.scopes)),
                *map(_moment, moments),
            )
    show(table)


@app.command()
def usage(
    tenant: Tenant = "default",
    days: Annotated[float, typer.Option(min=0, help="Of so many days until now.")] = 30,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each key instead.")
    ] = False,
) -> None:
    """Show what each key asked for, and the computing and bytes that it cost."""
    from core import usage as usages  # noqa: PLC0415

    now = datetime.now(UTC)
    with _session() as session:
        found = usages.read(session, tenant=tenant, since=now - timedelta(days=days), until=now)
    if as_json:
        for one in found:
            stdout.print(json.dumps(asdict(one), default=str))
        return
    table = Table(
        *("key", "name", "jobs", "images", "failed", "computed", "seconds", "MiB"), box=None
    )
    for one in found:
        counts = (one.jobs, one.images, one.failed, one.computed)
        table.add_row(
            *(str(one.api_key_id or "–"), one.name),
            *(f"{count:,}" for count in counts),
            *(f"{one.seconds:,.1f}", f"{one.bytes_stored / 2**20:,.1f}"),
        )
    show(table)


@app.command()
def rotate(
    key_id: KeyId,
    overlap_hours: Annotated[
        float, typer.Option(min=0, help="Hours for which the old secret still works.")
    ] = 0.0,
) -> None:
    """Replace a key's secret and print the new one. Its id, scopes and limits stay."""
    from core.keys import rotate_key  # noqa: PLC0415

    with _session() as session:
        found = rotate_key(session, key_id, overlap_seconds=overlap_hours * HOUR_SECONDS)
        if found is None:
            raise UsageError(f"There is no key {key_id} that still works.")
    until = f"works for {overlap_hours:g} more hours" if overlap_hours else "no longer works"
    say(f"New secret of key {key_id}, shown only now; the old one {until}:")
    stdout.print(found[1])


@app.command()
def revoke(key_id: KeyId) -> None:
    """Revoke a key: requests with it are refused from now on."""
    from core.keys import revoke_key  # noqa: PLC0415

    with _session() as session:
        if not revoke_key(session, key_id):
            raise UsageError(f"There is no key {key_id} that still works.")
    say(f"Key {key_id} is revoked.")


def _moment(value: datetime | None) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if value else ""


@contextmanager
def _session() -> Iterator["Session"]:
    """Open a session on the database of the services that run."""
    # Takes half a second, which `packshot --help` need not wait.
    from core.db.engine import Database  # noqa: PLC0415

    database = Database(service_settings())
    database.check()
    try:
        with database.session() as session:
            yield session
    finally:
        database.close()
