"""A sheet of photographs' addresses, from a server in every mood, while its workers are killed.

`python -m benchmarks.photographs [--rows 1000] [--seconds 120] [--every 15] [--seed 0]`

Cut-outs of photographs that a local server gives slowly, at the second or third time, after
redirects, or not at all (`benchmarks.photograph_moods`); both workers are killed with SIGKILL at
random. When all is done, each row has to be what its address is: its own product, or an error that
says what its server did. Every count of a fault must be 0; the exit code says so. Then the stages
of a cut-out at 1500 × 1500 are measured, as by `benchmarks.cutouts --speed`.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from io import BytesIO
from pathlib import Path

from PIL import Image as Picture
from sqlmodel import select

from benchmarks.bundle import build_microscopic
from benchmarks.chaos_audit import is_settled
from benchmarks.chaos_plan import Terms, draw_blows
from benchmarks.chaos_stack import FragileStack, deal
from benchmarks.chaos_trial import SETTINGS, WORKERS, free_worker
from benchmarks.cutouts import measure_speed
from benchmarks.photograph_moods import SIDE, PhotographRow, draw_rows
from benchmarks.report import show
from benchmarks.stack import keyed_client, open_to_all
from core.db.engine import Database
from core.db.models import Batch, Image, Job
from core.domain.states import JobState
from core.errors import StoredObjectLostError
from core.settings import Settings, fields_in
from core.storage import Storage
from local.application import application
from local.ports import free_port
from local.service import Service
from starter.cutout.kinds import objects_of
from tests.support.photograph_server import PhotographServer, serving

OBJECTS = Path(__file__).parents[1] / "starter" / "scenes" / "objects"
TRIES = 6
"""Times an image is tried: its server may fail twice, and its worker be killed."""
NEAR = 16
"""Levels by which JPEG changes a product's colour at most."""
TICK_SECONDS = 0.05
SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What must not be: the names of what was found."""

    rows_lost: Sequence[str]
    """Rows without an end, or without an image although there is a photograph."""
    done_twice: Sequence[str]
    """Rows with a second job, generations with a second image."""
    failures_unnamed: Sequence[str]
    """Failed rows whose error does not say what their server did."""
    wrong_images: Sequence[str]
    """Rows with an image that cannot be theirs."""

    def counts(self) -> dict[str, int]:
        """Count each kind."""
        return {field.name: len(getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True, kw_only=True)
class Found:
    """What became of a sheet."""

    faults: Faults
    ends: Mapping[str, int]
    """Rows by their error's code; images by `image`."""
    killed: int
    """Workers."""
    requests: int
    """That the server had."""
    seconds: float
    """From the sheet to its end."""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=120.0, help="in which workers are killed")
    parser.add_argument("--every", type=float, default=15.0, help="seconds between two blows")
    parser.add_argument("--patience", type=float, default=900.0, help="seconds to finish in")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, serving() as server:
        rows = draw_rows(arguments.rows, server, seed=arguments.seed)
        found = trial(open_to_all(temporary), server, rows, arguments)
    faults = found.faults.counts()
    for name in faults:
        for what in getattr(found.faults, name)[:SHOWN]:
            print(f"{name}: {what}")
    moods = Counter(row.mood.name for row in rows)
    figures = {
        "rows": len(rows),
        **{f"rows whose address {name}": moods[name] for name in sorted(moods)},
        **{f"rows that ended as {name}": number for name, number in sorted(found.ends.items())},
        "workers killed": found.killed,
        "requests that the server had": found.requests,
        "seconds": round(found.seconds, 1),
        **{name.replace("_", " "): number for name, number in faults.items()},
    }
    result = {
        "seed": arguments.seed, "rows": len(rows), "moods": moods, "ends": found.ends,
        "killed": found.killed, "requests": found.requests, "seconds": found.seconds, **faults,
    }  # fmt: skip
    show("photographs", [{"figure": name, "value": one} for name, one in figures.items()], result)
    measure_speed(objects_of(OBJECTS, "test"), None)
    if any(faults.values()):
        raise SystemExit(1)


def trial(
    home: Path,
    server: PhotographServer,
    rows: Sequence[PhotographRow],
    arguments: argparse.Namespace,
) -> Found:
    """Send the sheet, kill workers, let them finish, and compare.

    Raises:
        SystemExit: It was not done in time.
    """
    port, bundle = free_port(), build_microscopic(home)
    services = _services(port)
    settings = SETTINGS | {
        "PACKSHOT_BUNDLE": str(bundle), "PACKSHOT_MAX_ATTEMPTS": str(TRIES),
        "PACKSHOT_FETCH_HOST_PAUSE": "0.01", "PACKSHOT_LOG_LEVEL": "ERROR",
    }  # fmt: skip
    terms = Terms(
        seconds=arguments.seconds, every=arguments.every, outage=0, absence=0, seed=arguments.seed
    )
    workers = [one.name for one in services if one.name.startswith("worker")]
    blows = draw_blows(terms, services=workers, servers=())
    with (
        FragileStack(home / "home", services, settings=settings, say=lambda _: None) as stack,
        closing(Database(_settings(stack))) as database,
        closing(Storage(_settings(stack))) as storage,
        keyed_client(stack.environment, port) as client,
    ):
        begun = time.monotonic()
        sheet = [{"sku": row.sku, "image": row.address} for row in rows]
        wanted = {"mode": "cutout", "width": SIDE, "height": SIDE, "rows": sheet}
        client.post("/v1/batches", json=wanted).raise_for_status()
        for _ in deal(stack, blows, seconds=0, say=print):
            time.sleep(TICK_SECONDS)
        for _ in _settling(stack, database, begun + arguments.seconds + arguments.patience):
            time.sleep(4 * TICK_SECONDS)
        seconds = time.monotonic() - begun
        faults, ends = audit(database, storage, rows)
        return Found(
            faults=faults, ends=ends, killed=len(stack.struck), requests=len(server.asked),
            seconds=seconds,
        )  # fmt: skip


def _services(port: int) -> list[Service]:
    # Its model draws nothing here, and costs nothing.
    argv = free_worker(1, 1, 0)
    return [
        replace(one, argv=argv) if one.name.startswith("worker") else one
        for one in application(api_port=port, workers=[{}] * WORKERS)
    ]


def _settings(stack: FragileStack) -> Settings:
    return Settings(_env_file=None, **fields_in(stack.environment))


def _settling(stack: FragileStack, database: Database, until: float) -> Iterator[None]:
    while not is_settled(database, 1):
        if time.monotonic() >= until:
            raise SystemExit("the sheet was not done in time: raise --patience")
        stack.check()
        yield


def audit(
    database: Database, storage: Storage, rows: Sequence[PhotographRow]
) -> tuple[Faults, Mapping[str, int]]:
    """Compare each row with what its address is."""
    with database.session() as session:
        batches = session.exec(select(Batch)).all()
        jobs = session.exec(select(Job)).all()
        images = {one.id: one for one in session.exec(select(Image)).all()}
    by_sku = {job.sku: job for job in jobs}
    lost, unnamed, wrong = [], [], []
    for row in rows:
        job = by_sku.get(row.sku)
        said = f"{row.sku} ({row.mood.name})"
        if job is None or job.state not in (JobState.SUCCEEDED, JobState.FAILED):
            lost.append(said)
        elif job.state is JobState.FAILED and row.mood.code is None:
            lost.append(f"{said}: {job.error_code}: {job.error_message}")
        elif job.state is JobState.FAILED:
            if job.error_code != row.mood.code or not job.error_message:
                unnamed.append(f"{said}: {job.error_code}: {job.error_message}")
        elif row.mood.code or not _shows(storage, images.get(job.image_id), row.colour):
            wrong.append(said)
    counts = (
        Counter(batch.name or "sheet" for batch in batches),
        Counter(job.sku for job in jobs),
        Counter(str(one.generation_id) for one in images.values()),
    )
    twice = [what for counted in counts for what, number in counted.items() if number > 1]
    ends = Counter(job.error_code or "image" for job in jobs)
    return Faults(
        rows_lost=lost, done_twice=twice, failures_unnamed=unnamed, wrong_images=wrong
    ), ends


def _shows(storage: Storage, image: Image | None, colour: tuple[int, int, int]) -> bool:
    """Check whether an image has a product of this colour in its middle, on white."""
    if image is None:
        return False
    try:
        body = storage.read(image)
    except StoredObjectLostError:
        return False
    picture = Picture.open(BytesIO(body)).convert("RGB")
    middle = picture.getpixel((picture.width // 2, picture.height // 2))
    near = all(abs(one - other) <= NEAR for one, other in zip(middle, colour, strict=True))
    return near and picture.getpixel((0, 0)) == (255, 255, 255)


if __name__ == "__main__":
    main()
