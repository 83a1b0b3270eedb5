"""Images a minute of a catalogue's sheet: without any cache, with each one alone, with all.

`python -m benchmarks.catalogue [--rows 512] [--cache DIR] [--only NAME ...]`

The whole embedded stack runs on the starter as it is shipped, each time on empty data. The sheet
has products by Zipf's law, each in several colours and on several backgrounds: a part of its rows
repeat earlier ones, and most are near to one. Images are read back and judged by the starter's
classifier. The approximate cache needs that of results, so it is never alone.
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from benchmarks.report import show
from benchmarks.stack import finish, open_to_all, serving
from benchmarks.trace import make_trace
from local.stack import Stack
from starter import SOURCE
from starter.data.attributes import Background, Colour, Kind, Pattern, Product
from starter.data.captions import canonical_caption

MODELS = [(kind, pattern) for kind in Kind for pattern in Pattern]
NO_TEXTS = {"PACKSHOT_EMBEDDING_CACHE_BYTES": "0"}
PAGE = 500


@dataclass(frozen=True, kw_only=True)
class Way:
    """Which caches are on."""

    fields: Mapping[str, Any]
    """Of the batch."""
    settings: Mapping[str, str] = field(default_factory=dict)
    bundle: str = "starter"
    times: int = 1
    """How often the sheet is sent."""


WAYS = {
    "none": Way(fields={"cache": "bypass"}, settings=NO_TEXTS),
    "texts": Way(fields={"cache": "bypass"}),
    "in flight": Way(fields={"cache": "refresh"}, settings=NO_TEXTS),
    "results": Way(fields={"cache": "use"}, settings=NO_TEXTS, times=2),
    "in flight, approximate": Way(fields={"cache": "use", "approximate": True}, settings=NO_TEXTS),
    "features": Way(fields={"cache": "bypass"}, settings=NO_TEXTS, bundle="features"),
    "all": Way(fields={"cache": "use", "approximate": True}, bundle="features", times=2),
    "all but features": Way(fields={"cache": "use", "approximate": True}, times=2),
}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--cache", type=Path, default=Path(".packshot/benchmarks"))
    parser.add_argument("--only", nargs="+", default=list(WAYS), choices=list(WAYS))
    arguments = parser.parse_args()
    bundles = {
        "starter": _bundle(arguments.cache.resolve() / "starter-shipped"),
        "features": _bundle(arguments.cache.resolve() / "starter-deepcache", "--deepcache", "3"),
    }
    products = make_sheet(arguments.rows)
    found: dict[str, dict[str, Any]] = {}
    for name in arguments.only:
        way = WAYS[name]
        for time_number, figures in enumerate(_run(way, bundles[way.bundle], products)):
            found[name if not time_number else f"{name}, sent again"] = figures
            print(name, figures, file=sys.stderr, flush=True)
    _show(found, products)


def make_sheet(rows: int) -> list[Product]:
    """Give the products of the sheet, row by row."""
    colours, backgrounds = list(Colour), list(Background)
    trace = make_trace(requests=rows, products=len(MODELS), exponent=1.0, seed=0)
    found = []
    for model, colour, background in trace:  # type: ignore[misc]
        kind, pattern = MODELS[model]
        # Each model comes in colours and on backgrounds of its own.
        found.append(
            Product(
                kind=kind,
                pattern=pattern,
                colour=colours[(3 * model + colour) % len(colours)],
                background=backgrounds[(model + background) % len(backgrounds)],
            )
        )
    return found


def _bundle(folder: Path, *options: str) -> Path:
    """Build a bundle of the starter, once."""
    if not (folder / "bundles" / folder.name / "manifest.json").is_file():
        command = ["-m", "cli", "model", "build", str(SOURCE), "--name", folder.name, *options]
        environment = os.environ | {"PACKSHOT_HOME": str(folder)}
        subprocess.run([sys.executable, *command], check=True, env=environment)
    return folder / "bundles" / folder.name


def _run(way: Way, bundle: Path, products: Sequence[Product]) -> list[dict[str, Any]]:
    rows = [
        {"sku": str(number), "prompt": canonical_caption(product)}
        for number, product in enumerate(products)
    ]
    settings = {"PACKSHOT_BUNDLE": str(bundle)} | dict(way.settings)
    with tempfile.TemporaryDirectory() as temporary:
        home = open_to_all(temporary) / "home"
        with serving(home, settings) as (stack, client):
            _warm(client, stack)
            return [_send(client, stack, rows, way.fields, products) for _ in range(way.times)]


def _warm(client: httpx.Client, stack: Stack) -> None:
    """Wait until the worker is there and has compiled everything."""
    rows = [{"sku": str(number), "prompt": f"warm up {number}"} for number in range(16)]
    answer = client.post("/v1/batches", json={"rows": rows, "cache": "bypass"})
    answer.raise_for_status()
    finish(client, stack, answer.json()["links"]["self"])


def _send(
    client: httpx.Client,
    stack: Stack,
    rows: Sequence[Mapping[str, Any]],
    fields: Mapping[str, Any],
    products: Sequence[Product],
) -> dict[str, Any]:
    start = time.monotonic()
    answer = client.post("/v1/batches", json={"rows": rows} | dict(fields))
    answer.raise_for_status()
    view = finish(client, stack, answer.json()["links"]["self"], pause=0.05)
    seconds = time.monotonic() - start
    jobs = _jobs(client, view["links"]["items"])
    return {
        "images_per_minute": 60 * len(rows) / seconds,
        "seconds": seconds,
        "outcomes": dict(Counter(job["cache"] for job in jobs)),
        "right": _judge(client, jobs, products),
    }


def _jobs(client: httpx.Client, items: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get(items, params={"limit": PAGE} | cursor).json()
        found += page["items"]
        if not page["next"]:
            return found
        cursor = {"cursor": page["next"]}


def _judge(
    client: httpx.Client, jobs: Sequence[Mapping[str, Any]], products: Sequence[Product]
) -> float:
    """Give the share of images that show what was asked for, all four attributes."""
    from modelkit.evaluation.comparison import judge, score_attributes

    pictures: dict[str, Any] = {}
    for job in jobs:
        image = job["image"]
        if image["digest"] not in pictures:
            body = client.get(image["url"]).content
            pictures[image["digest"]] = np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))
    shown = np.stack([pictures[job["image"]["digest"]] for job in jobs])
    right = score_attributes(judge(), shown, [products[int(job["sku"])] for job in jobs]).right
    return float(np.mean(right))


def _show(found: Mapping[str, dict[str, Any]], products: Sequence[Product]) -> None:
    base = found.get("none", next(iter(found.values())))["images_per_minute"]
    rows = [
        {
            "caches": name,
            "images/min": f"{figures['images_per_minute']:.0f}",
            "against none": f"{figures['images_per_minute'] / base:.2f}",
            "served by": ", ".join(f"{what} {n}" for what, n in figures["outcomes"].items()),
            "all attributes right": f"{figures['right']:.1%}",
        }
        for name, figures in found.items()
    ]
    show(
        "catalogue",
        rows,
        {
            "rows": len(products),
            "distinct": len(set(products)),
            "ways": found,
        },
    )


if __name__ == "__main__":
    main()
