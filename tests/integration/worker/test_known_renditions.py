"""What channels want of an image is made beside it, when it is known; nothing ever waits for it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from botocore.exceptions import EndpointConnectionError

from catalogue.renditions.store import Renditions
from core.db.models import Rendition, SigningCertificate
from core.domain.states import JobState
from core.pictures.marks import Carrier, MarkReader, Origin
from core.signing import credentials_of, kept_certificate
from core.storage import Storage
from tests.certificates import make_chain, signing, verified
from tests.integration.shop import wanted
from tests.pictures import TRAINED, marks_of, product
from tests.support.served import ServedModels
from worker.endings import Delivery
from worker.leases import Leases
from worker.rows import RowResult, Ticket
from worker.runner import Runner

FILES = {"original": "A.png", "web": "A.webp", "walmart": "A.jpg", "of-yesterday": "A.tga"}


class Engine:
    """Draws the same mug for everybody."""

    ticks = 0
    computing = False

    def submit(self, request):
        ticket = Ticket(request=request, submitted=0.0)
        result = RowResult(image=np.asarray(product()), seconds=0.5, steps=4)
        threading.Thread(target=ticket.fulfil, args=(result,)).start()
        return ticket

    def cancel(self, identity):
        raise AssertionError("nobody cancels")


@pytest.fixture
def make_run(database, storage, shop):
    """Make what runs a job, with or without credentials."""

    def make_run(credentials=None):
        engine = Engine()
        runner = Runner(
            database=database,
            storage=storage,
            engine=engine,
            models=ServedModels("r1"),
            leases=Leases(
                database=database, engine=engine, owner="me", lease_seconds=60, heartbeat_seconds=1
            ),
            max_attempts=3,
            credentials=credentials,
            renditions=Renditions(database=database, storage=storage, credentials=credentials),
        )
        return lambda job: runner.run(shop.generation_of(job))

    return make_run


@pytest.fixture
def run(make_run):
    return make_run()


def test_what_is_known_to_be_wanted_is_made_with_the_image(shop, run, storage):
    (job,) = shop.want(wanted(files=FILES)).job_ids
    assert run(job) is Delivery.DONE
    made = {row.channel: row for row in shop.all(Rendition)}
    assert set(made) == {"web", "walmart"}
    assert made["walmart"].width == 1500
    for row in made.values():
        assert marks_of(storage.read(row)) == {TRAINED}


def test_the_stored_original_is_marked_too(shop, run, storage):
    (job,) = shop.want("red mug").job_ids
    run(job)
    (image,) = shop.images()
    assert marks_of(storage.read(image)) == {TRAINED}
    assert shop.all(Rendition) == []


def test_a_worker_with_a_certificate_signs_the_original_and_its_renditions(shop, make_run, storage):
    leaf, key, root = make_chain()
    (job,) = shop.want(wanted(files=FILES)).job_ids
    assert make_run(signing(leaf, key))(job) is Delivery.DONE
    stored = [*shop.images(), *shop.all(Rendition)]
    assert len(stored) == 3
    for row in stored:
        body = storage.read(row)
        assert verified(body, row.content_type, root)[0] == "Trusted"
        assert marks_of(body) == {TRAINED}


def test_without_s3_for_it_the_image_is_finished_all_the_same(shop, run, monkeypatch):
    def away(self, *arguments, **values):
        raise EndpointConnectionError(endpoint_url="http://s3")

    monkeypatch.setattr(Storage, "put_rendition", away)
    (job,) = shop.want(wanted(files=FILES)).job_ids
    assert run(job) is Delivery.DONE
    assert shop.job(job).state is JobState.SUCCEEDED
    assert shop.all(Rendition) == []


def test_processes_that_begin_at_once_sign_with_one_certificate_that_is_kept(
    shop, make_run, storage, settings, database
):
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: kept_certificate(database), range(8)))
    (kept,) = found
    credentials = credentials_of(settings, database)
    (job,) = shop.want(wanted(files=FILES)).job_ids
    assert make_run(credentials)(job) is Delivery.DONE
    stored = [*shop.images(), *shop.all(Rendition)]
    reader = MarkReader.of(settings, credentials_of(settings, database))
    for row in stored:
        body = storage.read(row)
        # Whole and signed; that no list of authorities knows the signer is no fault of the file.
        assert verified(body, row.content_type, kept.chain)[0] in ("Valid", "Trusted")
        marks = {mark.carrier: mark for mark in reader.read(body).marks}
        assert marks[Carrier.C2PA].origin is Origin.THIS
    assert [row.chain for row in shop.all(SigningCertificate)] == [kept.chain]
