"""`packshot submit` and `packshot fetch`: a sheet of one's own, on any server."""

import json
from pathlib import Path
from typing import Annotated

import typer

from catalogue.channels import UnknownChannelError, find_channel
from cli.archive import fetch_archive
from cli.collection import prepare_folder
from cli.connection import connect
from cli.console import say, stdout
from cli.dry_run import print_report
from cli.errors import UsageError
from cli.fields import read_pairs
from cli.options import DEFAULT_OUT, Key, Out, Url
from cli.order import ask, pause, require_all, send
from cli.order import fetch as fetch_batch
from core.domain.schedulers import SCHEDULERS


def submit(
    sheet: Annotated[
        Path,
        typer.Argument(
            help="CSV or JSONL; or an export of Shopify, WooCommerce or Google Merchant."
        ),
    ],
    url: Url = None,
    key: Key = None,
    out: Out = DEFAULT_OUT,
    detach: Annotated[
        bool, typer.Option("--detach", help="Only send it, and print the batch's id.")
    ] = False,
    template: Annotated[
        str | None,
        typer.Option(help='Prompt of rows without one, for example "a {{color}} {{kind}}".'),
    ] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What not to draw.")] = None,
    variants: Annotated[int | None, typer.Option(min=1, help="Images per row.")] = None,
    seed: Annotated[
        str | None, typer.Option(help="Of every first variant: a number, derived or per_sku.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Denoising steps.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(min=0, help="1 is none.")] = None,
    scheduler: Annotated[str | None, typer.Option(help=", ".join(SCHEDULERS))] = None,
    width: Annotated[int | None, typer.Option(min=8, help="Pixels.")] = None,
    height: Annotated[int | None, typer.Option(min=8, help="Pixels.")] = None,
    lane: Annotated[
        str | None, typer.Option(help="interactive, standard (if not given) or bulk.")
    ] = None,
    deadline_seconds: Annotated[
        int | None, typer.Option(min=1, help="Images that are later than this fail.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call the batch.")] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(help="What the images are for, such as walmart; may be given several times."),
    ] = None,
    file_name: Annotated[
        str | None,
        typer.Option(help='Names of files, for example "{{sku}}_{{number}}.{{extension}}".'),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="A recipe, `name` or `name@version`; options here win over it."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="plain, shopify, woocommerce or google; without it that is found out."),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="The file's, such as windows-1252; else it is found out.")
    ] = None,
    separator: Annotated[
        str | None, typer.Option(help="comma, semicolon, tab or pipe; else it is found out.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="What a column is, as color=Farbe; may be given several times."),
    ] = None,
    callback_url: Annotated[
        str | None,
        typer.Option(help="Where the batch's end is told; see `packshot webhooks secret`."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would become of the sheet.")
    ] = False,
    preview: Annotated[
        int | None, typer.Option(min=0, help="Prompts that a dry run shows; 20 if not given.")
    ] = None,
) -> None:
    """Make the images of a sheet on any packshot server, and download them.

    An option applies to every row whose own column does not say otherwise. Exit code 3: some
    images failed.
    """
    fields = {
        "template": template,
        "negative_prompt": negative_prompt,
        "variants": variants,
        "seed": seed,
        "steps": steps,
        "guidance_scale": guidance_scale,
        "scheduler": scheduler,
        "width": width,
        "height": height,
        "lane": lane,
        "deadline_seconds": deadline_seconds,
        "name": name,
        "channels": ",".join(channel) if channel else None,
        "file_name": file_name,
        "recipe": recipe,
        "source": source,
        "encoding": encoding,
        "separator": separator,
        "columns": json.dumps(read_pairs(column, option="--column")) if column else None,
        "preview": preview,
        "callback_url": callback_url,
    }
    given = {field: value for field, value in fields.items() if value is not None}
    if dry_run:
        with connect(url, key) as client:
            print_report(sheet.name, ask(client, sheet, given))
        return
    if not detach:
        prepare_folder(out)
    with connect(url, key) as client:
        batch = send(client, sheet, given)
        if detach:
            stdout.print(batch.id)
            say(f"{batch.total} images. Get them with: packshot fetch {batch.id}")
            return
        # Of several channels, none is what is wanted here: packshot fetch brings each.
        only = channel[0] if channel and len(channel) == 1 else None
        require_all(fetch_batch(client, batch, out, channel=known_channel(only)))


def fetch(
    batch: Annotated[str, typer.Argument(help="Id of the batch.")],
    url: Url = None,
    key: Key = None,
    out: Out = DEFAULT_OUT,
    channel: Annotated[
        str | None, typer.Option(help="As this channel wants the images, such as walmart.")
    ] = None,
    archive: Annotated[
        bool, typer.Option("--zip", help="One ZIP instead of files, results and contact sheet.")
    ] = False,
) -> None:
    """Wait for a batch that was sent before, and download its images."""
    wanted = known_channel(channel)
    prepare_folder(out)
    with connect(url, key) as client:
        found = client.batch(batch)
        if archive:
            fetch_archive(client, found, out, wanted, pause=pause)
            return
        require_all(fetch_batch(client, found, out, channel=wanted))


def known_channel(name: str | None) -> str | None:
    """Check a channel's name before anything is waited for.

    Raises:
        UsageError: There is none of that name.
    """
    try:
        return find_channel(name).name if name else None
    except UnknownChannelError as error:
        raise UsageError(str(error)) from error
