"""`packshot backup` and `packshot restore`: Postgres and S3 as they were at a moment."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.connection import service_settings
from cli.console import say, stdout
from cli.errors import UsageError

Folder = Annotated[Path, typer.Argument(help="Where the backup's points are.")]


def backup(
    folder: Folder,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Points that stay, the newest. Default: all.")
    ] = None,
) -> None:
    """Copy Postgres and S3 into a folder, while everything runs.

    Adds a point to the folder; objects that an earlier point copied are not copied again. Print
    the point's record as JSON.
    """
    from local.backup import back_up  # noqa: PLC0415

    record = back_up(service_settings(), folder, keep=keep)
    stdout.print(json.dumps(record))


def restore(
    folder: Folder,
    point: Annotated[
        str | None, typer.Option(help="Which point, by its name. Default: the newest.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Lose what is in the database now.")
    ] = False,
) -> None:
    """Bring Postgres and S3 to a point of a backup.

    Into an empty database, or with --replace. What ran at that point runs again.
    """
    from local.backup import points, restore  # noqa: PLC0415

    found = {one.name: one for one in points(folder)}
    if not found:
        raise UsageError(f"{folder} has no point of a backup. `packshot backup` makes one.")
    name = point or max(found)
    if name not in found:
        raise UsageError(f"{folder} has no point {name}; it has {', '.join(sorted(found))}.")
    done = restore(service_settings(), found[name], replace=replace)
    say(f"Postgres and S3 are as they were at {name}: {done['objects']:,} objects were put back.")
    if done["missing"]:
        say(
            f"{done['missing']:,} images, renditions or photographs have no object any more: they "
            "were deleted while the backup was made, or its folder has lost them. Jobs of such "
            "images have failed with image_lost, and can be retried."
        )
