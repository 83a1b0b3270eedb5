"""`packshot fetch` and `packshot retry`: a batch that was sent before."""

from typing import Annotated

import typer

from catalogue.channels import UnknownChannelError, find_channel
from cli.client.collection import prepare_folder
from cli.connection import connect
from cli.console import say, stdout
from cli.errors import UsageError
from cli.options import DEFAULT_OUT, Key, Out, Url
from cli.submission import fetch as fetch_batch
from cli.submission import fetch_archive, pause, require_all


def fetch(
    batch: Annotated[str, typer.Argument(help="Id of the batch.")],
    url: Url = None,
    key: Key = None,
    out: Out = DEFAULT_OUT,
    channel: Annotated[
        str | None,
        typer.Option(help="Download the images as this channel wants them, such as walmart."),
    ] = None,
    archive: Annotated[
        bool,
        typer.Option(
            "--zip", help="Download one ZIP instead of files, results.csv and contact sheet."
        ),
    ] = False,
) -> None:
    """Wait for a batch that was submitted before, and download its images."""
    wanted = known_channel(channel)
    prepare_folder(out)
    with connect(url, key) as client:
        found = client.batch(batch)
        if archive:
            fetch_archive(client, found, out, wanted, pause=pause)
            return
        require_all(fetch_batch(client, found, out, channel=wanted))


def retry(
    batch: Annotated[str, typer.Argument(help="Id of the batch.")],
    url: Url = None,
    key: Key = None,
    out: Out = DEFAULT_OUT,
    detach: Annotated[
        bool, typer.Option("--detach", help="Print the batch's id, and do not wait.")
    ] = False,
) -> None:
    """Retry the failed images of a batch, wait for them, and download all of its images."""
    if not detach:
        prepare_folder(out)
    with connect(url, key) as client:
        found = client.retry(batch)
        if detach:
            stdout.print(found.id)
            say(f"Get its images with: packshot fetch {found.id}")
            return
        require_all(fetch_batch(client, found, out))


def known_channel(name: str | None) -> str | None:
    """Check a channel's name before anything is waited for.

    Raises:
        UsageError: There is none of that name.
    """
    try:
        return find_channel(name).name if name else None
    except UnknownChannelError as error:
        raise UsageError(str(error)) from error
