"""`packshot cutout`: the networks that cut products out of rooms."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli.console import fail, quieten, say, show
from core.errors import BundleError
from core.settings import Settings, get_settings

app = typer.Typer(no_args_is_help=True, help="Networks that cut products out of photographs.")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="ONNX, or OpenVINO's .xml beside its .bin.")],
    licence: Annotated[
        str,
        typer.Option(
            prompt="Licence of the weights (as in Apache-2.0; some allow no commercial use)",
            help="Licence of the weights, as in Apache-2.0; it is asked for if not given.",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Name of its folder; else the file's.")] = None,
    family: Annotated[
        str | None,
        typer.Option(help="u2net, isnet or birefnet, where the file does not tell it."),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(help="What the file's source says that its SHA-256 is.")
    ] = None,
) -> None:
    """Add a network of your own: U²-Net, IS-Net or BiRefNet, as ONNX or OpenVINO files."""
    quieten()
    # Loads OpenVINO, which `packshot --help` need not wait for.
    from modelkit.segmentation.adding import add_network  # noqa: PLC0415

    folder, record = add_network(
        file.expanduser(),
        networks_folder(get_settings()),
        licence=licence,
        name=name,
        family=family,
        expected=sha256,
    )
    say(
        f"Added {record.name} ({record.family}, {record.side} × {record.side}, {record.licence}), "
        f"SHA-256 {record.sha256[record.file]}."
    )
    say(f"Workers use it after: export PACKSHOT_CUTOUT_NETWORK={folder}")


@app.command("list")
def list_networks() -> None:
    """List the networks that were added, and the one that packshot brings."""
    from worker.segmentation.record import (  # noqa: PLC0415
        FILE_NAME,
        SHIPPED,
        load_network_record,
    )

    table = Table("name", "family", "side", "licence", "sha256", "folder", box=None)
    home = networks_folder(get_settings())
    for record_file in (SHIPPED / FILE_NAME, *sorted(home.glob(f"*/{FILE_NAME}"))):
        folder = record_file.parent
        if not record_file.is_file():
            continue
        try:
            record = load_network_record(folder)
        except BundleError as error:
            fail(error)
            continue
        table.add_row(
            record.name, record.family, str(record.side), record.licence,
            record.sha256[record.file], str(folder),
        )  # fmt: skip
    show(table)


def networks_folder(settings: Settings) -> Path:
    """Return where `packshot cutout add` puts networks."""
    return settings.home.expanduser().resolve() / "cutouts"
