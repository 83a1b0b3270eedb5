"""`packshot retry`: the failed images of a batch once more."""

from typing import Annotated

import typer

from cli.collection import prepare_folder
from cli.connection import connect
from cli.console import say, stdout
from cli.options import DEFAULT_OUT, Key, Out, Url
from cli.order import fetch, require_all


def retry(
    batch: Annotated[str, typer.Argument(help="Id of the batch.")],
    url: Url = None,
    key: Key = None,
    out: Out = DEFAULT_OUT,
    detach: Annotated[
        bool, typer.Option("--detach", help="Only ask for it, and print the batch's id.")
    ] = False,
) -> None:
    """Have the failed images of a batch tried again, wait, and download all of its images."""
    if not detach:
        prepare_folder(out)
    with connect(url, key) as client:
        found = client.retry(batch)
        if detach:
            stdout.print(found.id)
            say(f"Get its images with: packshot fetch {found.id}")
            return
        require_all(fetch(client, found, out))
