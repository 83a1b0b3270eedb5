"""A small shop: photographs of 24 products as shops take them, and its product export.

`python -m starter.shop [--out examples/shop]` draws both anew. The products are rendered objects
of `starter/scenes/objects`; backdrops, light, shadows, grain and cameras are what small shops have:
paper that is nearly white, a grey wall, light from one side, a camera that was turned.
"""

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

OBJECTS = Path(__file__).parent / "scenes" / "objects"
SHEET = "shop.csv"
QUALITY = 86

Levels = npt.NDArray[np.float32]
"""(height, width) or (height, width, 3), in levels of 255."""


class Backdrop(StrEnum):
    """What a product stands before."""

    WHITE = "white"
    """Lit paper: exactly white."""
    PAPER = "paper"
    """Nearly white, darker towards the corners."""
    GREY = "grey"
    """A grey wall, lighter where the lamp is."""
    SWEEP = "sweep"
    """Paper that is bent upwards: darker at its top."""
    SAND = "sand"
    """The same, in a warm tone."""


@dataclass(frozen=True, kw_only=True)
class Product:
    """One product, and how it was photographed."""

    sku: str
    title: str
    kind: str
    colour: str
    price: str
    text: str
    object: str
    """File name without its end, in `OBJECTS`."""
    backdrop: Backdrop
    size: tuple[int, int] = (900, 900)
    """Width and height, as it is looked at."""
    orientation: int = 1
    """EXIF's: how the camera was held; the file's pixels lie so."""

    @property
    def file_name(self) -> str:
        """Return what the photograph is called."""
        return f"{self.object}.jpg"


def _product(line: str) -> Product:
    sku, title, kind, colour, price, name, backdrop, *rest, text = line.split(" | ")
    width, height = (int(one) for one in (rest[0] if rest else "900x900").split("x"))
    return Product(
        sku=sku, title=title, kind=kind, colour=colour, price=price, text=text, object=name,
        backdrop=Backdrop(backdrop), size=(width, height),
        orientation=int(rest[1]) if len(rest) > 1 else 1,
    )  # fmt: skip


_PRODUCTS = """
KIT-01 | Meadow teapot | Teapot | Green | 39.00 | teapot | white | Stoneware, holds one litre.
KIT-02 | Morning cup | Cup | White | 12.50 | hot-beverage | grey | Porcelain cup with saucer.
KIT-03 | Kitchen telephone | Telephone | Red | 64.00 | telephone | paper | Rotary dial, works.
LIV-01 | Dinner chair | Chair | Brown | 119.00 | chair | paper | 800x1000 | Solid beech.
LIV-02 | Terracotta amphora | Vase | Brown | 45.00 | amphora | sand | 750x1000 | Thrown by hand.
LIV-03 | Beeswax candle | Candle | White | 9.90 | candle | grey | 750x1000 | Burns for 40 hours.
LIV-04 | Paper lantern | Lantern | Red | 24.00 | red-paper-lantern | sweep | With a cable.
LIV-05 | Portable television | Television | Brown | 210.00 | television | paper | Fully restored.
LIV-06 | Twin bell alarm clock | Clock | Red | 29.00 | alarm-clock | white | Loud enough.
LIV-07 | Pocket radio | Radio | Grey | 49.00 | radio | sweep | 1000x750 | FM and AM.
BAG-01 | City backpack | Backpack | Red | 59.00 | backpack | paper | 20 litres.
BAG-02 | Evening handbag | Handbag | Brown | 89.00 | handbag | white | Soft leather.
BAG-03 | Notary briefcase | Briefcase | Brown | 129.00 | briefcase | grey | Vegetable tanned.
BAG-04 | Clutch | Clutch bag | Pink | 49.00 | clutch-bag | paper | 1000x750 | Magnetic clasp.
SHO-01 | Court runner | Running shoe | Blue | 95.00 | running-shoe | white | 1000x750 | Light.
SHO-02 | Red pump | High-heeled shoe | Red | 110.00 | high-heeled-shoe | paper | Eight centimetres.
SHO-03 | City skate | Roller skate | Blue | 85.00 | roller-skate | sweep | 900x900 | 6 | Fast.
CLO-01 | Harbour t-shirt | T-shirt | Blue | 19.00 | t-shirt | grey | Organic cotton.
CLO-02 | Summer dress | Dress | Blue | 69.00 | dress | white | 750x1000 | Linen and cotton.
CLO-03 | Straw hat | Hat | Brown | 35.00 | womans-hat | sand | With a ribbon.
ACC-01 | Round sunglasses | Sunglasses | Black | 25.00 | sunglasses | white | 1000x750 | UV 400.
ACC-02 | Steel watch | Watch | Grey | 149.00 | watch | grey | 750x1000 | 8 | Automatic.
HOB-01 | Concert guitar | Guitar | Brown | 249.00 | guitar | paper | 750x1000 | Spruce top.
HOB-02 | Street ball | Basketball | Orange | 22.00 | basketball | sand | Size 7.
"""

PRODUCTS: Sequence[Product] = [_product(line) for line in _PRODUCTS.strip().splitlines()]


def draw(product: Product) -> tuple[Image.Image, Levels]:
    """Photograph a product; the same each time.

    Returns:
        The photograph as it is looked at (RGB), and the product's alpha in it, 0 to 1.
    """
    rng = np.random.default_rng(list(product.sku.encode()))
    width, height = product.size
    placed = _placed(product, rng)
    pixels = np.asarray(placed, np.float32)
    alpha: Levels = np.asarray(pixels[..., 3] / 255, np.float32)
    over = alpha[..., None]
    ground = np.asarray(_backdrop(product.backdrop, width, height) * _shadow(alpha)[..., None])
    shown = pixels[..., :3] * over + ground * (1 - over)
    if product.backdrop is not Backdrop.WHITE:
        shown = shown + rng.normal(0, 1.2, (height, width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(shown + 0.5, 0, 255).astype(np.uint8)), alpha


def _placed(product: Product, rng: np.random.Generator) -> Image.Image:
    """Put an object where its photographer did: never quite in the middle."""
    width, height = product.size
    picture = Image.open(OBJECTS / f"{product.object}.webp").convert("RGBA")
    picture = picture.crop(picture.getchannel("A").point(lambda one: 255 * (one > 8)).getbbox())
    room = rng.uniform(0.62, 0.74)
    scale = min(room * width / picture.width, room * height / picture.height)
    size = (round(picture.width * scale), round(picture.height * scale))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    canvas = Image.new("RGBA", product.size)
    left = round((width - size[0]) / 2 + rng.uniform(-0.03, 0.03) * width)
    top = round((height - size[1]) * rng.uniform(0.5, 0.62))
    canvas.paste(picture, (left, top))
    return canvas


def _backdrop(backdrop: Backdrop, width: int, height: int) -> Levels:
    y, x = (axis.astype(np.float32) for axis in np.mgrid[:height, :width])
    x, y = x / width - 0.5, y / height - 0.5
    match backdrop:
        case Backdrop.WHITE:
            light = np.full((height, width), 255, np.float32)
        case Backdrop.PAPER:
            light = 247 - 16 * (x**2 + y**2)
        case Backdrop.GREY:
            light = 206 - 22 * ((x + 0.2) ** 2 + (y + 0.25) ** 2)
        case Backdrop.SWEEP:
            light = 226 + 18 * y
        case Backdrop.SAND:
            light = 224 + 12 * y - 6 * x
    tone = (1.0, 0.955, 0.885) if backdrop is Backdrop.SAND else (1.0, 1.0, 1.0)
    return np.asarray(light[..., None] * np.asarray(tone, np.float32), np.float32)


def _shadow(alpha: Levels) -> Levels:
    """Return the light that is left around a product: less beneath it, and a little beside it."""
    height, width = alpha.shape
    outline = Image.fromarray((alpha * 255).astype(np.uint8))
    left, top, right, bottom = outline.getbbox() or (0, 0, width, height)
    light = np.ones((height, width), np.float32)
    for flat, soft, strength in ((0.05, 0.017, 0.36), (0.13, 0.035, 0.2)):
        tall = max(2, round((bottom - top) * flat))
        lying = outline.crop((left, top, right, bottom)).resize((right - left, tall))
        ground = Image.new("L", (width, height))
        ground.paste(lying, (left + round(0.01 * width), bottom - round(0.6 * tall)))
        blurred = ground.filter(ImageFilter.GaussianBlur(soft * max(width, height)))
        light *= 1 - strength * np.asarray(blurred, np.float32) / 255
    return light


_TURNED = {1: None, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
"""How a file's pixels lie, by EXIF's orientation: 6 is shown after a turn to the right."""


def photograph(product: Product) -> bytes:
    """Return a product's photograph as its camera writes it: a JPEG with EXIF."""
    picture, _ = draw(product)
    turn = _TURNED[product.orientation]
    stored = picture if turn is None else picture.transpose(turn)
    exif = Image.Exif()
    # Make, model, orientation, date (Exif 2.32, section 4.6.4).
    exif[0x010F], exif[0x0110] = "Kaai", "Studio 24"
    exif[0x0112], exif[0x0132] = product.orientation, "2026:05:04 10:30:00"
    buffer = BytesIO()
    stored.save(buffer, "JPEG", quality=QUALITY, optimize=True, exif=exif)
    return buffer.getvalue()


_COLUMNS = ("Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published",
            "Option1 Name", "Option1 Value", "Variant SKU", "Variant Price", "Image Src",
            "Image Position", "Image Alt Text", "Status")  # fmt: skip


def export() -> str:
    """Return the shop's products as Shopify exports them, with files' names for addresses."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in PRODUCTS:
        writer.writerow(
            [one.title.lower().replace(" ", "-"), one.title, f"<p>{one.text}</p>", "Kaai & Co",
             one.kind, "demo", "true", "Color", one.colour, one.sku, one.price, one.file_name,
             1, one.title, "active"]
        )  # fmt: skip
    return text.getvalue()


def main() -> None:
    """Draw the photographs and write the export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("examples/shop"))
    out: Path = parser.parse_args().out
    (out / "photos").mkdir(parents=True, exist_ok=True)
    for product in PRODUCTS:
        (out / "photos" / product.file_name).write_bytes(photograph(product))
    (out / SHEET).write_text(export(), encoding="utf-8")


if __name__ == "__main__":
    main()
