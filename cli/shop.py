"""The demo's shop: its own photographs, as a market-place takes them as main images."""

import json
from collections.abc import Callable
from pathlib import Path

from catalogue.photograph_files import match_files
from catalogue.sheets.model import Hints
from catalogue.sheets.readers import read_sheet
from cli.client.collection import Collection
from cli.client.http import Client
from cli.console import say, stderr, stdout
from cli.photographs.album import open_album
from cli.photographs.upload import send_photographs
from cli.pictures.before_after import FILE_NAME, ProductStages, write_before_after
from cli.submission import fetch, send

SHOP = Path(__file__).parents[1] / "examples" / "shop"
SHEET, PHOTOGRAPHS = SHOP / "shop.csv", SHOP / "photos"
CHANNEL = "amazon_main"
SIDE = 1000
"""Pixels of the canvas: the least that the channel takes, and more than the photographs have."""
HEADINGS = ("photograph", "white")


def make_shop(client: Client, out: Path, *, pause: Callable[[], None]) -> Collection:
    """Cut the shop's products out of its photographs, and draw both side by side.

    Args:
        client: The server.
        out: The folder for the images and the sheet of them.
        pause: Called between two looks.
    """
    say(f"And the products of {SHEET.parent.name}/{SHEET.name}, from its photographs.")
    sources = send_photographs(client, SHEET, PHOTOGRAPHS, Hints(), dry_run=False)
    wishes = {
        "mode": "cutout",
        "channels": CHANNEL,
        "width": SIDE,
        "height": SIDE,
        "photographs": json.dumps(sources),
    }
    made = fetch(client, send(client, SHEET, wishes), out, pause=pause, channel=CHANNEL)
    sheet = out / FILE_NAME
    with stderr.status("Drawing photographs and products"):
        draw_shop(made, sheet)
    stdout.print(f"Before, after  {sheet}")
    return made


def draw_shop(made: Collection, target: Path) -> None:
    """Draw each product's photograph, and beside it what was made of it."""
    sheet = read_sheet(SHEET.read_bytes(), name=SHEET.name, hints=Hints())
    titles = {row.line: row.get("Title") or "" for row in sheet.rows}
    with open_album(PHOTOGRAPHS) as album:
        photographs = match_files(sheet, album.names).by_line
    products = [
        ProductStages(
            sku=entry.item.sku,
            text=titles[line],
            files=[PHOTOGRAPHS / photographs[line], entry.file],
            reason=entry.item.error or "",
        )
        for entry in made.entries
        if (line := entry.item.line) is not None
    ]
    write_before_after(target, products, HEADINGS, "A shop's photographs, and its products")
