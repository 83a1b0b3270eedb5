"""`packshot cache`: what the caches did, and how to empty them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.calibrate import calibrate
from cli.console import say, show
from cli.errors import UsageError
from cli.services import service_settings

if TYPE_CHECKING:
    from core.cache_ledger import LevelStats
    from core.cache_stats import Amount, Holding

app = typer.Typer(no_args_is_help=True, help="The caches.")
app.command()(calibrate)


@app.command()
def stats(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's requests.")] = None,
) -> None:
    """Show what each cache found, lost and saved since the beginning, in all processes."""
    # Takes half a second, which `packshot --help` need not wait.
    from core import cache_ledger  # noqa: PLC0415
    from core.db.engine import Database  # noqa: PLC0415

    database = Database(service_settings())
    database.check()
    try:
        with database.session() as session:
            levels = cache_ledger.read(session, tenant=tenant)
    finally:
        database.close()
    table = Table(*_COLUMNS, box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for level in levels:
        table.add_row(*_cells(level))
    show(table)


_COLUMNS = (
    "cache", "hits", "misses", "hit rate", "removed", "fallbacks", "memory", "store",
    "steps saved", "seconds saved",
)  # fmt: skip
_REMOVED = ("eviction", "expiry", "purge")


def _cells(level: "LevelStats") -> list[str]:
    hits, misses = (_number(level.outcomes, name) for name in ("hit", "miss"))
    amounts = level.outcomes.values()
    return [
        level.level,
        f"{hits:,}",
        f"{misses:,}",
        f"{hits / (hits + misses):.1%}" if hits + misses else "–",
        f"{sum(_number(level.outcomes, name) for name in _REMOVED):,}",
        f"{_number(level.outcomes, 'fallback'):,}",
        _size(level.held),
        _size(level.stored),
        f"{sum(amount.steps_saved for amount in amounts):,.0f}",
        f"{sum(amount.seconds_saved for amount in amounts):,.1f}",
    ]


def _number(outcomes: Mapping[str, "Amount"], name: str) -> int:
    return outcomes[name].number if name in outcomes else 0


def _size(holding: "Holding | None") -> str:
    return f"{holding.entries:,} in {holding.size / 2**20:,.1f} MiB" if holding else "–"


@app.command()
def purge(
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant.")] = None,
    revision: Annotated[
        str | None, typer.Option(help="Only what this revision of a model bundle made.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="Only of this prompt.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Everything; not together with the others.")
    ] = False,
    named: Annotated[
        bool,
        typer.Option(
            help="Delete also what running batches and recent results name: those have no image "
            "from then on.",
        ),
    ] = False,
) -> None:
    """Let stored images answer no more, from this moment on; the janitor deletes them."""
    if everything == any(part is not None for part in (tenant, revision, prompt)):
        raise UsageError(
            "Say what to purge with --tenant, --revision and --prompt, or --all without them."
        )
    from core import cache_ledger  # noqa: PLC0415
    from core.cache_stats import Level, Outcome, count  # noqa: PLC0415
    from core.db.engine import Database  # noqa: PLC0415
    from core.lifecycle import approximation, retention  # noqa: PLC0415
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
            images = retention.purge(session, **chosen, named=named)
            latents = approximation.purge(session, **chosen)
        for owner, number in images.items():
            count(Level.RESULT, Outcome.PURGE, tenant=owner, number=number)
        cache_ledger.flush(database)
        # After the commit: nothing that can still be found lacks its object.
        storage.delete(latents)
    finally:
        database.close()
        storage.close()
    say(f"{images.total():,} images and {len(latents):,} latents answer no more.")
