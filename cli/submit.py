"""`packshot submit` and `packshot fetch`: a sheet of one's own, on any server."""

from pathlib import Path
from typing import Annotated

import typer

from catalogue.channels import UnknownChannelError, find_channel
from cli.archive import fetch_archive
from cli.client import Client
from cli.collection import prepare_folder
from cli.console import say, stdout
from cli.embedded import find_server
from cli.errors import UsageError
from cli.options import DEFAULT_OUT, Key, Out, Url
from cli.order import fetch as fetch_batch
from cli.order import pause, require_all, send
from core.schedulers import SCHEDULERS
from core.settings import get_settings


def submit(
    sheet: Annotated[Path, typer.Argument(help="CSV or JSONL; one row per product.")],
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
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of every first variant.")] = None,
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
    }
    given = {field: value for field, value in fields.items() if value is not None}
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


def connect(url: str | None, key: str | None) -> Client:
    """Open the server that was named, or the one that runs here.

    Raises:
        UsageError: None was named, and none runs here.
    """
    if url is not None and key is not None:
        return Client(url, key)
    settings = get_settings()
    here = find_server(settings.home)
    if url is None and here is None:
        raise UsageError(
            f"No packshot runs on {settings.home}. Start one with `packshot up`, "
            "or name a server with --url and --key."
        )
    if here is not None and (url is None or url.rstrip("/") == here.url):
        return Client(here.url, key or here.key)
    raise UsageError(
        f"{url} needs an API key: give --key or PACKSHOT_KEY. "
        "Make one on the server with `packshot keys create`."
    )
