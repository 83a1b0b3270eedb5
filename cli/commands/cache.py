"""`packshot cache`: what the caches did, and how to empty them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.commands.calibrate import calibrate
from cli.connection import service_settings
from cli.console import say, show
from cli.errors import UsageError

if TYPE_CHECKING:
    from core.cache_stats import LevelStats

app = typer.Typer(no_args_is_help=True, help="Caches: what they saved, and how to empty them.")
app.command()(calibrate)


@app.command()
def stats(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's requests.")] = None,
) -> None:
    """Show what the caches saved for the newest 100,000 jobs of the last 30 days."""
    # Takes half a second, which `packshot --help` need not wait.
    from core import cache_stats  # noqa: PLC0415
    from core.db.engine import Database  # noqa: PLC0415

    database = Database(service_settings())
    database.check()
    try:
        with database.session() as session:
            found = cache_stats.read(session, tenant=tenant)
    finally:
        database.close()
    table = Table("cache", "hits", "misses", "hit rate", "store", "steps saved", "seconds saved")
    table.box = None
    for column in table.columns[1:]:
        column.justify = "right"
    for level in found.levels:
        table.add_row(*_cells(level))
    show(table)
    since = f" submitted since {found.since:%Y-%m-%d %H:%M}" if found.since else ""
    say(f"Figures of {found.jobs:,} jobs{since}.")


def _cells(level: "LevelStats") -> list[str]:
    hits, misses = level.hit.number, level.misses
    return [
        level.level,
        f"{hits:,}",
        "–" if misses is None else f"{misses:,}",
        f"{hits / (hits + misses):.1%}" if misses is not None and hits + misses else "–",
        f"{level.stored.entries:,} in {level.stored.size / 2**20:,.1f} MiB"
        if level.stored
        else "–",
        f"{level.hit.steps_saved:,.0f}",
        f"{level.hit.seconds_saved:,.1f}",
    ]


@app.command()
def purge(
    tenant: Annotated[str | None, typer.Option(help="Only images of this tenant.")] = None,
    revision: Annotated[
        str | None, typer.Option(help="Only images made by this revision of a model.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="Only images of this prompt.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All images; cannot be combined with the others.")
    ] = False,
    named: Annotated[
        bool,
        typer.Option(
            help="Also delete images that running batches or recent results refer to: these "
            "jobs lose their image.",
        ),
    ] = False,
) -> None:
    """Purge stored images: new requests compute them again, and the files are deleted later."""
    if everything == any(part is not None for part in (tenant, revision, prompt)):
        raise UsageError(
            "Choose what to purge with --tenant, --revision and --prompt, or give --all alone."
        )
    from core.db.engine import Database  # noqa: PLC0415
    from core.lifecycle import approximation, purging  # noqa: PLC0415
    from core.storage import Storage  # noqa: PLC0415

    settings = service_settings()
    database, storage = Database(settings), Storage(settings)
    database.check()
    chosen: Mapping[str, str | None] = {
        "tenant": tenant,
        "bundle_revision": revision,
        "prompt": prompt,
    }
    try:
        with database.session() as session:
            images = purging.purge(session, **chosen, named=named)
            latents = approximation.purge(session, **chosen)
        # After the commit: nothing that can still be found lacks its object.
        storage.delete(latents)
    finally:
        database.close()
        storage.close()
    say(f"{images.total():,} images and {len(latents):,} latents purged.")
