"""Images for channels: how many a core makes, and what sending a whole batch as a ZIP takes.

`python -m benchmarks.renditions --part channels [--rounds 10] [--sides 128,512]`: renditions per
second and core, of each channel in each of its formats, from images of these sides.

`python -m benchmarks.renditions --part zip [--images 5000] [--channel thumbnail]`: the API's memory
while it sends a batch as one ZIP, on real Postgres and S3; with a channel, that one's too, twice.
"""

import argparse
import itertools
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
from PIL import Image

from benchmarks.report import show, spread
from catalogue.channels import PRESETS, find_channel
from core.pictures.encoding import encode
from core.pictures.formats import Format
from starter.data.attributes import Background, Colour, Kind, Pattern, Product
from starter.data.drawing import draw

MIB = 2**20
PAGE = 500
"""Images that are recorded in one transaction."""


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["channels", "zip"], required=True)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--sides", default="128,512")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--channel")
    arguments = parser.parse_args()
    if arguments.part == "channels":
        _measure_channels(arguments.rounds, [int(side) for side in arguments.sides.split(",")])
    else:
        _measure_zip(arguments.images, arguments.channel)


def _original(side: int, seed: int = 0) -> bytes:
    product = Product(
        kind=Kind.TEAPOT, colour=Colour.RED, pattern=Pattern.DOTTED, background=Background.WHITE
    )
    drawn = draw(product, random.Random(seed))
    return encode(drawn.resize((side, side), Image.Resampling.BICUBIC), Format.PNG)


def _measure_channels(rounds: int, sides: list[int]) -> None:
    names = [f"{name}.{one}" for name, preset in PRESETS.items() for one in preset.formats]
    found = [_time(name, side, rounds) for side, name in itertools.product(sides, names)]
    rows = [
        {
            "channel": one["channel"],
            "from": f"{one['side']}²",
            "to": f"{one['width']}²",
            "kB": f"{one['bytes'] / 1000:.0f}",
            "ms of a core (min–max)": spread(one["milliseconds"]),
            "a second and core": f"{one['per_second']:.1f}",
        }
        for one in found
    ]
    show("renditions: channels", rows, {"rounds": rounds, "cases": found})


def _time(name: str, side: int, rounds: int) -> dict[str, Any]:
    from catalogue.renditions.rendering import render

    channel, original = find_channel(name), _original(side)
    made = render(original, channel)
    milliseconds = []
    for _ in range(rounds):
        # Of this process: what others do meanwhile costs no core of ours.
        began = time.process_time()
        render(original, channel)
        milliseconds.append((time.process_time() - began) * 1000)
    return {
        "channel": channel.name,
        "side": side,
        "width": made.width,
        "bytes": len(made.body),
        "milliseconds": milliseconds,
        "per_second": 1000 / statistics.median(milliseconds),
    }


def _measure_zip(images: int, channel: str | None) -> None:
    from local.infrastructure import Infrastructure
    from migrations import upgrade
    from tests.integration.api.conftest import describe_bundle

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # The embedded Postgres runs as another user when this is root.
        folder.chmod(0o755)
        describe_bundle(folder / "bundle")
        with Infrastructure(folder / "services", durable=False) as services:
            upgrade(services.environment["PACKSHOT_DATABASE_URL"])
            environment = dict(services.environment) | {"PACKSHOT_BUNDLE": str(folder / "bundle")}
            batch, key = _fill(environment, images)
            with _api(environment) as (processes, url):
                path = f"{url}/v1/batches/{batch}/images.zip"
                headers = {"Authorization": f"Bearer {key}"}
                found = [_download(processes, path, headers, None)]
                if channel:
                    found += [_download(processes, path, headers, channel) for _ in range(2)]
    show("renditions: zip", [_row(one) for one in found], {"images": images, "cases": found})


def _row(one: Mapping[str, Any]) -> dict[str, str]:
    return {
        "archive": one["archive"],
        "MB": f"{one['bytes'] / 1e6:.0f}",
        "seconds": f"{one['seconds']:.1f}",
        "API before, MiB": f"{one['before'] / MIB:.0f}",
        "API at its peak, MiB": f"{one['peak'] / MIB:.0f}",
    }


def _fill(environment: Mapping[str, str], images: int) -> tuple[UUID, str]:
    """Store a finished batch; give its id, and a key that reads it."""
    from core.db.engine import Database
    from core.db.models import Job
    from core.keys import create_key
    from core.lifecycle import claims, completion
    from core.settings import Settings, fields_in
    from core.storage import Storage
    from tests.integration.shop import Shop, finished, image_of, wanted

    settings = Settings(**fields_in(environment))
    database, storage = Database(settings), Storage(settings)
    bodies = [_original(128, seed) for seed in range(50)]
    shop = Shop(database)
    sheet = [wanted(f"mug {number}", sku=f"SKU-{number}") for number in range(images)]
    jobs = shop.want(*sheet, batch=True).job_ids

    def store(claim: Any) -> Any:
        body = bodies[claim.spec.noise_seed % len(bodies)]
        stored = storage.put_image(
            body, tenant=claim.tenant, fingerprint=claim.fingerprint, extension="png",
            content_type="image/png", generation_id=claim.generation_id,
        )  # fmt: skip
        image = image_of(claim)
        image.key, image.digest, image.size = stored.key, stored.digest, stored.size
        return finished(claim, image)

    with ThreadPoolExecutor(8) as pool:
        queued = [row.generation_id for row in shop.all(Job)]
        for start in range(0, len(queued), PAGE):
            page = queued[start : start + PAGE]
            with database.session() as session:
                held = claims.claim(session, page, owner="benchmark", lease_seconds=600)
            done = list(pool.map(store, held.values()))
            with database.session() as session:
                completion.succeed(session, done)
    with database.session() as session:
        _, key = create_key(session, "shop")
    batch = shop.job(jobs[0]).batch_id
    storage.close()
    database.close()
    return batch, key


@contextmanager
def _api(environment: Mapping[str, str]) -> Iterator[tuple[Sequence[psutil.Process], str]]:
    """Run an API; yield its processes and its address."""
    from local.ports import free_port

    port = free_port()
    popen = subprocess.Popen(
        [sys.executable, "-m", "api"],
        env=os.environ | environment | {"PACKSHOT_API_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
                break
            except httpx.TransportError as error:
                if popen.poll() is not None:
                    raise SystemExit("the API did not start") from error
                time.sleep(0.1)
        first = psutil.Process(popen.pid)
        yield [first, *first.children(recursive=True)], f"http://127.0.0.1:{port}"
    finally:
        popen.terminate()
        popen.wait()


def _download(
    processes: Sequence[psutil.Process], path: str, headers: Mapping[str, str], channel: str | None
) -> dict[str, Any]:
    """Read the archive and throw it away, watching the API's memory."""

    def resident() -> int:
        return sum(one.memory_info().rss for one in processes)

    before = resident()
    peaks, stop = [before], threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            peaks.append(resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began, size = time.perf_counter(), 0
    params = {"channel": channel} if channel else {}
    with httpx.stream("GET", path, headers=dict(headers), params=params, timeout=600) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_bytes():
            size += len(chunk)
    seconds = time.perf_counter() - began
    stop.set()
    watcher.join()
    return {
        "archive": channel or "as drawn",
        "bytes": size,
        "seconds": seconds,
        "before": before,
        "peak": max(peaks),
    }


if __name__ == "__main__":
    main()
