"""Real worker processes on a real (microscopic) model, and what is done to them.

One story told in chapters: starting a worker takes seconds, so the chapters share one crew.
"""

import hashlib
import itertools
import json
import signal
import threading
import uuid
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from io import BytesIO

import psutil
import pytest
import redis
from PIL import Image as Picture
from sqlalchemy import func, update
from sqlmodel import col, select

from bundles.manifest_file import load_manifest
from core.db.engine import Database
from core.db.models import NO_KEY, Batch, Generation, Image, Job, Worker
from core.domain.image_request import ImageRequest, ModelRevision
from core.domain.image_spec import ImageSpec
from core.domain.lanes import Lane
from core.domain.photograph_spec import (
    CUTOUT_NAME,
    CUTOUT_REVISION,
    CUTOUT_REVISIONS,
    PhotographSpec,
)
from core.domain.states import GenerationState, JobState
from core.lifecycle import cancellation, feeding, submission
from core.lifecycle.submission import Submission
from core.queue import OperationalError, Publisher, make_celery
from core.settings import Settings
from core.sources.store import SourceStore
from core.storage import Storage
from local.infrastructure import DATABASE
from tests.integration.shop import Shop, poll, wanted
from tests.integration.worker.hopeless_workers import ENDED, WRONG_SETTINGS
from tests.unit.catalogue.cutouts.drawing import photograph

ROWS = 2
CUTS = 15
SECONDS = 300
"""Until a test gives up: machines that run tests are busy at times."""

SIZES = [(width, height) for width in range(32, 129, 16) for height in range(32, 129, 16)]
"""49, each of which OpenVINO compiles anew and remembers for a while."""

PACE = {
    "PACKSHOT_ROW_LIMIT": str(ROWS),
    "PACKSHOT_SHAPES_IN_PLAY": "2",
    # Long: a busy machine may stand still for seconds. Tests let leases run out themselves.
    "PACKSHOT_LEASE_SECONDS": "60",
    "PACKSHOT_INFERENCE_THREADS": "1",
    "PACKSHOT_HEARTBEAT_SECONDS": "0.2",
    "PACKSHOT_VISIBILITY_TIMEOUT": "4",
    "PACKSHOT_SWEEP_SECONDS": "0.3",
    "PACKSHOT_REPUBLISH_SECONDS": "1",
}


def _drawn() -> bytes:
    stream = BytesIO()
    Picture.fromarray(photograph(240, shadow=0.3)[0][..., :3]).save(stream, "PNG")
    return stream.getvalue()


PHOTOGRAPH = _drawn()


class Factory(Shop):
    """A shop whose images real workers make."""

    def __init__(self, database: Database, settings: Settings) -> None:
        super().__init__(
            database, bundle_revision=load_manifest(next(iter(settings.models.values()))).revision
        )
        self.settings = settings
        self.publisher = Publisher(make_celery(settings))

    def order(
        self,
        count: int,
        *,
        steps: int,
        tenant: str = "shop",
        api_key_id: uuid.UUID = NO_KEY,
        publishes: int | None = None,
        sizes: Sequence[tuple[int, int]] = ((32, 32),),
    ) -> Sequence[uuid.UUID]:
        """Submit and publish a sheet as the API does; give the generations that it published.

        Its images have the sizes in turns.
        """
        name = uuid.uuid4().hex
        images = [
            wanted(f"{name} {number}", width=width, height=height, steps=steps)
            for number, (width, height) in zip(range(count), itertools.cycle(sizes), strict=False)
        ]
        made = self.want(
            *images, batch=True, tenant=tenant, api_key_id=api_key_id, publishes=publishes
        )
        return self._publish(made, tenant=tenant, api_key_id=api_key_id)

    def order_cutouts(self, count: int) -> Sequence[uuid.UUID]:
        """Order cut-outs of a photograph, and publish them as the API does."""
        with closing(Storage(self.settings)) as storage:
            store = SourceStore(database=self.database, storage=storage, max_bytes=2**20)
            store.keep(BytesIO(PHOTOGRAPH), tenant="shop")
        digest = hashlib.sha256(PHOTOGRAPH).hexdigest()
        wanted = [
            ImageRequest(
                # Large, so that there is time to be killed in.
                spec=ImageSpec.cutout(
                    PhotographSpec(source=digest, margin=number / 1000, enlarge=True),
                    width=2500,
                    height=2500,
                ),
                model=ModelRevision(name=CUTOUT_NAME, revision=CUTOUT_REVISION),
            )
            for number in range(count)
        ]
        with self.database.session() as session:
            made = submission.submit(session, wanted, tenant="shop", lane=Lane.STANDARD)
        return self._publish(made, tenant="shop", api_key_id=NO_KEY)

    def order_scenes(self, count: int) -> Sequence[uuid.UUID]:
        """Order scenes of a photograph in one background, and publish them as the API does."""
        with closing(Storage(self.settings)) as storage:
            store = SourceStore(database=self.database, storage=storage, max_bytes=2**20)
            store.keep(BytesIO(PHOTOGRAPH), tenant="shop")
        digest = hashlib.sha256(PHOTOGRAPH).hexdigest()
        # Slow to draw, and large to compose, so that there is time to be killed in.
        background = wanted(uuid.uuid4().hex, width=32, height=32, steps=300)
        scenes = [
            replace(
                background,
                spec=background.spec.with_product(
                    PhotographSpec(source=digest, margin=number / 1000, enlarge=True),
                    width=1500,
                    height=1500,
                ),
            )
            for number in range(count)
        ]
        return self._publish(self.want(*scenes), tenant="shop", api_key_id=NO_KEY)

    def _publish(
        self, made: Submission, *, tenant: str, api_key_id: uuid.UUID
    ) -> Sequence[uuid.UUID]:
        published = made.published
        with self.database.session() as session:
            messages, waiting = feeding.split(
                session,
                tenant,
                published,
                window=self.settings.queue_window,
                api_key_id=api_key_id,
            )
            feeding.release(session, waiting)
        ids = [identity for identity, _ in published]
        try:
            self.publisher.publish(messages)
        except OperationalError:
            return ids  # the sweeper does it
        with self.database.session() as session:
            feeding.mark_published(session, messages)
        return ids

    def rows(self, ids: Sequence[uuid.UUID]) -> Sequence[Generation]:
        with self.database.session() as session:
            return session.exec(select(Generation).where(col(Generation.id).in_(ids))).all()

    def running(self, ids: Sequence[uuid.UUID], owner: str = "") -> Sequence[Generation]:
        return [
            row
            for row in self.rows(ids)
            if row.state is GenerationState.RUNNING and owner in (row.lease_owner or "")
        ]

    def serving(self, worker) -> Sequence[str]:
        """Tell which bundle a worker has announced."""
        with self.database.session() as session:
            announced = session.exec(select(Worker)).all()
        return [one.bundle_revision for one in announced if owner_of(worker) in one.name]

    def finished(self, ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
        return {row.id for row in self.rows(ids) if row.state is GenerationState.SUCCEEDED}

    def expire_leases(self, owner: str) -> None:
        """Let the leases of a dead worker run out now."""
        with self.database.session() as session:
            session.execute(
                update(Generation)
                .where(col(Generation.lease_owner).contains(owner))
                .values(lease_expires_at=func.now())
            )

    def wait_until_done(self, ids: Sequence[uuid.UUID]) -> None:
        """Wait for every image; each must have been recorded exactly once."""
        done = GenerationState.SUCCEEDED
        poll(lambda: all(row.state is done for row in self.rows(ids)), seconds=SECONDS)
        with self.database.session() as session:
            images = session.exec(select(Image).where(col(Image.generation_id).in_(ids))).all()
            jobs = session.exec(select(Job).where(col(Job.generation_id).in_(ids))).all()
        assert sorted(image.generation_id for image in images) == sorted(ids)
        assert {job.state for job in jobs} == {JobState.SUCCEEDED}


@pytest.fixture(scope="module")
def place(services, bundle, tmp_path_factory):
    """A database and settings for all chapters."""
    services.postgres.create_database("processes", template=DATABASE)
    services.valkey.flush()
    yield services.environment | {
        "PACKSHOT_DATABASE_URL": services.postgres.url("processes"),
        "PACKSHOT_BUNDLE": str(bundle),
        "PACKSHOT_HOME": str(tmp_path_factory.mktemp("home")),
        **PACE,
    }
    services.postgres.drop_database("processes")


@pytest.fixture(scope="module")
def factory(place):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in place.items():
            patch.setenv(name, value)
        settings = Settings(_env_file=None)
    database = Database(settings)
    factory = Factory(database, settings)
    yield factory
    factory.publisher.celery.close()
    database.close()


@pytest.fixture(scope="module")
def crew(place, launch):
    """Workers that run, and the housekeeping."""

    class Crew:
        def __init__(self):
            self.housekeeping = launch("ops.housekeeping", place)
            self.workers = []

        def hire(self, count: int):
            """Make sure that `count` workers run; give them."""
            self.workers = [one for one in self.workers if one.popen.poll() is None]
            while len(self.workers) < count:
                self.workers.append(launch("worker", place))
            for worker in self.workers:
                worker.wait_until_said("ready.")
            return self.workers[:count]

    return Crew()


def owner_of(worker) -> str:
    return f"worker-{worker.popen.pid}-"


def test_sigterm_finishes_what_runs_and_hands_the_rest_back(factory, crew):
    leaving, _ = crew.hire(2)
    ids = factory.order(5 * ROWS, steps=300)
    # More than its batch holds: some run, some wait in its engine.
    poll(lambda: len(factory.running(ids, owner_of(leaving))) > ROWS, seconds=SECONDS)
    assert set(factory.serving(leaving)) == {factory.model.revision, *CUTOUT_REVISIONS}

    leaving.send(signal.SIGTERM)

    assert leaving.wait() == 0
    assert factory.serving(leaving) == []
    assert factory.running(ids, owner_of(leaving)) == []
    assert leaving.said("left the engine")
    factory.wait_until_done(ids)
    assert {row.attempts for row in factory.rows(ids)} == {1}, "no image was begun in vain"


def test_monitors_hear_of_every_task(factory, crew):
    """Also of those that end while their worker stops: its last events are sent before it goes."""
    (leaving,) = crew.hire(1)
    with listening(factory.publisher.celery) as heard:
        ids = factory.order(3 * ROWS, steps=100)
        poll(lambda: factory.finished(ids), seconds=SECONDS)
        leaving.send(signal.SIGTERM)
        assert leaving.wait() == 0
        finished = factory.finished(ids)
        poll(lambda: finished <= heard["task-succeeded"])
    assert finished <= heard["task-received"] & heard["task-started"]
    crew.hire(1)
    factory.wait_until_done(ids)


@contextmanager
def listening(celery):
    """Collect the ids in task events, by the events' type, as Flower does."""
    heard = defaultdict(set)

    def hear(event):
        if "uuid" in event:
            heard[event["type"]].add(uuid.UUID(event["uuid"]))

    with celery.connection_for_read() as connection:
        receiver = celery.events.Receiver(connection, handlers={"*": hear})
        thread = threading.Thread(target=receiver.capture, kwargs={"wakeup": False}, daemon=True)
        thread.start()
        yield heard
        receiver.should_stop = True
        # The worker's heartbeat, if nothing else, wakes the receiver.
        thread.join(10)


def killed(factory, victim, ids):
    """Kill a worker, and let its leases run out; return what it was making."""
    victim.send(signal.SIGKILL)
    victim.wait()
    orphans = factory.running(ids, owner_of(victim))
    factory.expire_leases(owner_of(victim))
    return orphans


def test_kill_9_loses_no_image_and_finishes_none_twice(factory, crew):
    victim, _ = crew.hire(2)
    ids = factory.order(3 * ROWS, steps=120)
    poll(lambda: factory.running(ids, owner_of(victim)), seconds=SECONDS)

    orphans = killed(factory, victim, ids)

    factory.wait_until_done(ids)
    assert orphans
    attempts = {row.id: row.attempts for row in factory.rows(ids)}
    assert all(attempts[row.id] == row.attempts + 1 for row in orphans)


def test_kill_9_loses_no_cutout_and_makes_none_twice(factory, crew):
    victim, other = crew.hire(2)
    ids = factory.order_cutouts(8)
    poll(lambda: factory.running(ids, owner_of(victim)), seconds=SECONDS)

    orphans = killed(factory, victim, ids)

    factory.wait_until_done(ids)
    assert orphans
    assert not other.said("Traceback")
    with factory.database.session() as session:
        images = session.exec(select(Image).where(col(Image.generation_id).in_(ids))).all()
    assert all(one.quality["identical"] for one in images)


def test_kill_9_loses_no_scene_and_draws_one_background_for_all(factory, crew):
    victim, other = crew.hire(2)
    ids = factory.order_scenes(8)
    poll(lambda: factory.running(ids, owner_of(victim)), seconds=SECONDS)

    victim.send(signal.SIGKILL)
    victim.wait()
    orphans = factory.running(ids, owner_of(victim))
    factory.expire_leases(owner_of(victim))

    factory.wait_until_done(ids)
    assert orphans
    assert not other.said("Traceback")
    rows = factory.rows(ids)
    with factory.database.session() as session:
        images = session.exec(select(Image).where(col(Image.generation_id).in_(ids))).all()
        drawn = session.exec(select(Generation).where(Generation.prompt == rows[0].prompt)).all()
    assert all(one.quality["identical"] for one in images)
    # Beside the scenes themselves: each of two workers may have drawn it once.
    backgrounds = [one for one in drawn if one.id not in ids]
    assert 1 <= len(backgrounds) <= 2
    assert {one.spec for one in backgrounds} == {rows[0].spec.drawn}


def test_an_emptied_redis_loses_no_image(factory, crew, services):
    crew.hire(1)
    ids = factory.order(3 * ROWS, steps=60)
    poll(lambda: factory.running(ids), seconds=SECONDS)

    services.valkey.flush()

    factory.wait_until_done(ids)
    assert {row.attempts for row in factory.rows(ids)} == {1}


def test_a_restarted_redis_loses_no_image(factory, crew, services):
    (worker,) = crew.hire(1)
    ids = factory.order(3 * ROWS, steps=60)
    poll(lambda: factory.running(ids), seconds=SECONDS)

    services.valkey.stop()
    later = factory.order(ROWS, steps=4)
    poll(lambda: not factory.running(ids), seconds=SECONDS)
    services.valkey.start()

    factory.wait_until_done([*ids, *later])
    assert {row.attempts for row in factory.rows(ids)} == {1}
    assert worker.popen.poll() is None


def test_connections_to_redis_that_are_cut_again_and_again_lose_no_image(factory, crew, services):
    """Workers that kept their connection open without listening on it were a fault of Celery's."""
    (worker,) = crew.hire(1)
    ids = []
    with redis.Redis.from_url(services.valkey.url()) as valkey:
        for _ in range(CUTS):
            # There is always something on its way, and something that runs.
            ids += factory.order(ROWS, steps=60)
            poll(lambda: listens(valkey), seconds=SECONDS)
            for kind in ("normal", "pubsub"):
                valkey.client_kill_filter(_type=kind)
        poll(lambda: listens(valkey), seconds=SECONDS)

    factory.wait_until_done(ids)
    assert {row.attempts for row in factory.rows(ids)} == {1}
    assert worker.popen.poll() is None
    assert crew.housekeeping.popen.poll() is None


def listens(valkey: redis.Redis) -> bool:
    """Check that a worker waits for messages."""
    return any(one["cmd"].startswith("brpop") for one in valkey.client_list())


def test_a_restarted_postgres_loses_no_image(factory, crew, services):
    (worker,) = crew.hire(1)
    ids = factory.order(2 * ROWS, steps=100)
    poll(lambda: factory.running(ids), seconds=SECONDS)

    services.postgres.stop()
    services.postgres.start()

    factory.wait_until_done(ids)
    assert worker.popen.poll() is None
    assert crew.housekeeping.popen.poll() is None


def test_a_restarted_s3_loses_no_image(factory, crew, services):
    (worker,) = crew.hire(1)
    ids = factory.order(ROWS, steps=100)
    poll(lambda: factory.running(ids), seconds=SECONDS)

    services.s3.stop()
    worker.wait_until_said("retry_scheduled")
    services.s3.start()

    factory.wait_until_done(ids)
    assert {row.attempts for row in factory.rows(ids)} == {1}, "no image was computed again"


def test_a_cancelled_image_leaves_the_engine(factory, crew):
    (worker,) = crew.hire(1)
    (identity,) = factory.order(1, steps=900)
    poll(lambda: factory.running([identity]), seconds=SECONDS)

    (job,) = factory.jobs(generation_id=identity)
    with factory.database.session() as session:
        assert cancellation.cancel_job(session, job.id) == [identity]

    # Its log names the image only when it leaves early; finished, it would be "not recorded".
    poll(lambda: worker.said(str(identity)), seconds=SECONDS)
    assert not worker.said("not recorded")
    after = factory.order(1, steps=4)
    factory.wait_until_done(after)


def test_memory_does_not_grow_with_every_image_of_many_sizes(factory, crew):
    (worker,) = crew.hire(1)
    process = psutil.Process(worker.popen.pid)

    def drawn_in_each_size(times: int) -> int:
        """Draw images, and give the resident bytes afterwards."""
        for _ in range(times):
            factory.wait_until_done(factory.order(len(SIZES), steps=1, sizes=SIZES))
        return process.memory_info().rss

    drawn_in_each_size(1)
    known = drawn_in_each_size(3)
    later = drawn_in_each_size(6)
    assert later - known < 16 * 2**20


@pytest.mark.parametrize("asker", ["another tenant", "another key of the tenant"])
def test_a_single_image_waits_for_one_batch_of_another_s_sheet_at_most(factory, crew, asker):
    crew.hire(1)
    window = factory.settings.queue_window
    large, small, key = f"large beside {asker}", "small", uuid.uuid4()
    if asker == "another key of the tenant":
        small = large
    sheet = factory.order(8 * window, steps=40, tenant=large, publishes=window)
    poll(lambda: len(factory.finished(sheet)) > ROWS, seconds=SECONDS)

    (single,) = factory.order(1, steps=40, tenant=small, api_key_id=key)
    poll(lambda: factory.finished([single]), seconds=SECONDS)

    (mine,) = factory.rows([single])
    with factory.database.session() as session:
        others = session.exec(
            select(Generation).where(
                Generation.tenant == large,
                Generation.id != single,
                col(Generation.published_at).is_not(None),
            )
        ).all()
        # Nobody needs the rest.
        batch = session.exec(select(Batch).where(Batch.tenant == large).order_by(Batch.id)).first()
        cancellation.cancel_batch(session, batch.id)
    waiting = [one for one in others if one.started_at is None]
    between = [
        one
        for one in others
        if one.started_at and mine.created_at < one.started_at < mine.started_at
    ]
    # Those that finish at the same moment leave room for as many messages.
    assert len(between) <= ROWS, "claimed although they came later in the turn"
    assert len(waiting) > 10 * ROWS, "many of the sheet's messages were before it in Redis"
    # On a busy machine the feeder sends some before the request has noted its own.
    assert len(waiting) + len(between) <= 4 * window, "and most of the sheet was not there"


def test_a_second_signal_ends_at_once_and_gives_everything_back(factory, crew):
    (worker,) = crew.hire(1)
    ids = factory.order(ROWS, steps=900)
    poll(lambda: factory.running(ids), seconds=SECONDS)

    worker.send(signal.SIGTERM)
    worker.wait_until_said("after the running images")
    worker.send(signal.SIGTERM)

    assert worker.wait() == 1
    assert {row.state for row in factory.rows(ids)} == {GenerationState.QUEUED}
    assert {row.attempts for row in factory.rows(ids)} == {0}


def test_housekeeping_stops_on_sigterm(crew):
    crew.housekeeping.send(signal.SIGTERM)
    assert crew.housekeeping.wait() == 0


WRONG = {
    "postgres": (
        {"PACKSHOT_DATABASE_URL": "postgresql+psycopg://packshot@127.0.0.1:1/packshot"},
        "Postgres at 127.0.0.1:1 does not answer",
    ),
    "redis": ({"PACKSHOT_BROKER_URL": "redis://127.0.0.1:1/0"}, "Redis at 127.0.0.1:1 does not"),
    "bundle": ({"PACKSHOT_BUNDLE": "/nowhere"}, "/nowhere"),
}


def test_a_worker_that_cannot_begin_says_why(place, launch):
    given = {
        "PACKSHOT_CONNECT_TIMEOUT": "0.1",
        WRONG_SETTINGS: json.dumps([settings for settings, _ in WRONG.values()]),
    }
    workers = launch("tests.integration.worker.hopeless_workers", place | given)
    assert workers.wait() == 0, workers.log.read_text()
    *said, rest = workers.log.read_text().split(f"{ENDED} 3\n")
    assert rest == ""
    for (_, sentence), log in zip(WRONG.values(), said, strict=True):
        assert sentence in log.splitlines()[-1]
        assert "Traceback" not in log


def test_a_worker_on_cpus_that_are_not_there_says_so(place, launch):
    worker = launch("worker", place | {"PACKSHOT_WORKER_CPUS": "4000-4001"})
    assert worker.wait() == 3
    assert (
        "PACKSHOT_WORKER_CPUS=4000-4001 cannot be used" in worker.log.read_text().splitlines()[-1]
    )
    assert not worker.said("Traceback")
