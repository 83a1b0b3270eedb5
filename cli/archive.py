"""A batch's images as one ZIP, downloaded when all of them are finished."""

from collections.abc import Callable
from pathlib import Path

from cli.client import Client
from cli.collection import prepare_folder
from cli.console import stdout
from cli.errors import ImagesFailedError
from cli.notes import tell_notes
from cli.progress import BatchProgress
from cli.records import Batch


def fetch_archive(
    client: Client, batch: Batch, folder: Path, channel: str | None, *, pause: Callable[[], None]
) -> Path:
    """Wait for a batch, and bring its images as one file into `folder`.

    Args:
        client: The server.
        batch: What to wait for.
        folder: Where the file goes.
        channel: As which channel wants the images; None: as the model drew them.
        pause: Called between two looks.

    Returns:
        The file.

    Raises:
        ImagesFailedError: Some images failed; the others are there.
    """
    prepare_folder(folder)
    with BatchProgress(batch) as progress:
        while batch.finished < batch.total:
            pause()
            batch = client.batch(batch.id)
            progress.update(batch)
    target = folder / (f"images-{channel}.zip" if channel else "images.zip")
    unfinished = target.with_name(target.name + ".part")
    client.archive(batch.id, unfinished, channel)
    unfinished.replace(target)
    stdout.print(f"Images         {target}")
    if channel:
        tell_notes(client, batch, channel)
    made = batch.counts.get("succeeded", 0)
    if made < batch.total:
        raise ImagesFailedError(
            f"{batch.total - made} of {batch.total} images are missing; MISSING.txt in it says "
            "which."
        )
    return target
