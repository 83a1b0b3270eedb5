"""What precision and Token Merging do to the starter's images.

`python -m benchmarks.quality --reference DIR --bundle DIR [--bundle DIR ...] [--prompts 200]`

The reference is the starter built with `--precision fp32`, and so computed in FP32. Every bundle
draws the same held-out prompts with the same seeds at its defaults, in its own precision. Beside
PSNR, SSIM and what the attribute classifier sees: the smallest PSNR of a few images alone in their
UNet calls against the same images in company, with the bundle's own streams.
"""

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.report import show
from bundles.manifest_file import load_manifest
from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.settings import Settings
from modelkit.evaluation.comparison import judge, likeness, score_attributes
from modelkit.evaluation.similarity import Pixels, ssim
from modelkit.evaluation.trial import draw
from modelkit.prompts import held_out_products
from starter.data.attributes import Product
from starter.data.captions import canonical_caption

ALONE = 8
"""How many images are drawn alone as well."""


def main() -> None:
    """Draw and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, action="append", required=True)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--sheet", type=Path, help="PNG of the first prompts, a column per bundle")
    arguments = parser.parse_args()
    products = held_out_products(arguments.prompts)
    exact = _draw(arguments.reference, products)
    rows, columns = [], [exact]
    for folder in arguments.bundle:
        images = _draw(folder, products)
        columns.append(images)
        rows.append(_judge(folder, images, exact, products))
    if arguments.sheet:
        arguments.sheet.write_bytes(encode(_sheet(columns), Format.PNG))
    shown = [
        {
            "bundle": row["bundle"],
            "PSNR, dB": f"{row['psnr']:.1f} ({row['psnr_least']:.1f})",
            "SSIM": f"{row['ssim']:.4f}",
            "all attributes right": f"{row['attribute_accuracy']:.1%}",
            "alone against in company, dB": f"{row['alone_psnr_least']:.1f}",
        }
        for row in rows
    ]
    accuracy = score_attributes(judge(), np.stack(exact), products).accuracy["all"]
    show(
        f"quality on {len(products)} prompts; PSNR mean (least) against FP32",
        shown,
        {"prompts": len(products), "reference_attribute_accuracy": accuracy, "bundles": rows},
    )


def _judge(
    folder: Path, images: list[Pixels], exact: list[Pixels], products: Sequence[Product]
) -> dict[str, Any]:
    noise = list(map(likeness, images, exact))
    alone = _draw(folder, products[:ALONE], row_limit=1)
    company = list(map(likeness, alone, images))
    return {
        "bundle": folder.name,
        "psnr": statistics.fmean(noise),
        "psnr_least": min(noise),
        "ssim": statistics.fmean(map(ssim, images, exact)),
        "attribute_accuracy": score_attributes(judge(), np.stack(images), products).accuracy["all"],
        "alone_psnr_least": min(company),
    }


def _draw(folder: Path, products: Sequence[Product], **changes: Any) -> list[Pixels]:
    settings = Settings(_env_file=None, **changes)
    prompts = [canonical_caption(product) for product in products]
    manifest = load_manifest(folder)
    return list(draw(folder, manifest, settings, prompts, range(len(prompts))))


def _sheet(columns: list[list[Pixels]], count: int = 12) -> Image.Image:
    return Image.fromarray(np.vstack([np.hstack(column[:count]) for column in columns]))


if __name__ == "__main__":
    main()
