"""Images of photographs, by a worker without a model: made once, and whatever fails is named."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from uuid import UUID

import numpy as np
import pytest
from PIL import Image as Picture
from sqlalchemy import text

from catalogue.channels import find_channel
from catalogue.renditions.store import Renditions
from core.db.models import Image, Source
from core.domain.image_request import ImageRequest, ModelRevision
from core.domain.image_spec import ImageSpec
from core.domain.lanes import Lane
from core.domain.photograph_spec import CUTOUT_NAME, CUTOUT_REVISION, PhotographSpec, Shadow
from core.domain.states import CacheOutcome, GenerationState, JobState
from core.egress.addresses import Address, read_address
from core.lifecycle import cancellation, submission
from core.object_keys import SOURCES
from core.pictures.provenance import ENHANCED
from core.sources import rows
from core.sources.fetcher import SourceFetcher
from core.sources.store import SourceStore
from ops.eraser import Eraser, RetentionLimits
from tests.pictures import png
from tests.support.photograph_server import HERE, PhotographServer, serving
from tests.support.served import ServedModels
from tests.unit.catalogue.cutouts.drawing import photograph
from worker.cutouts.pool import CutoutPool
from worker.cutouts.preparing import ProductPreparer
from worker.endings import Delivery
from worker.leases import Leases
from worker.runner import Runner

MADE_BY = ModelRevision(name=CUTOUT_NAME, revision=CUTOUT_REVISION)


def drawn(backdrop: int = 240, **values: object) -> bytes:
    stream = BytesIO()
    Picture.fromarray(photograph(backdrop, shadow=0.3, **values)[0][..., :3]).save(stream, "PNG")
    return stream.getvalue()


MUG = drawn()


class NoEngine:
    """What a worker has that draws nothing."""

    ticks = 0
    computing = False

    def submit(self, request: object) -> None:
        raise AssertionError("nothing is drawn here")

    def cancel(self, identity: UUID) -> None:
        """There is no row to cancel."""


async def resolve(host: str, port: int) -> Sequence[Address]:
    return [read_address("169.254.169.254" if host == "metadata.example" else HERE)]


@pytest.fixture
def store(database, storage, settings) -> SourceStore:
    return SourceStore(database=database, storage=storage, max_bytes=settings.max_source_bytes)


@pytest.fixture
def preparer(database, storage, settings, store) -> Iterator[ProductPreparer]:
    own = settings.model_copy(
        update={
            "outbound_allow": HERE,
            "outbound_ports": "1-65535",
            "fetch_host_pause": 0.0,
            "fetch_seconds": 20.0,
        }
    )
    fetcher = SourceFetcher(database=database, store=store, settings=own, resolve=resolve)
    preparer = ProductPreparer(database=database, storage=storage, store=store, fetcher=fetcher)
    yield preparer
    preparer.close()


@pytest.fixture
def pool(preparer) -> CutoutPool:
    return CutoutPool(preparer, threads=1)


@pytest.fixture
def leases(database) -> Leases:
    return Leases(
        database=database, engine=NoEngine(), owner="me", lease_seconds=60, heartbeat_seconds=0.01
    )


@pytest.fixture
def runner(database, storage, pool, leases) -> Runner:
    return Runner(
        database=database,
        storage=storage,
        engine=NoEngine(),
        models=ServedModels(),
        leases=leases,
        max_attempts=3,
        cutouts=pool,
        patience_seconds=5,
        pause_seconds=0,
    )


@pytest.fixture
def keep(store) -> Callable[..., str]:
    """Keep a photograph; return its digest."""

    def keep(body: bytes = MUG, tenant: str = "shop") -> str:
        store.keep(BytesIO(body), tenant=tenant)
        return hashlib.sha256(body).hexdigest()

    return keep


@pytest.fixture
def server() -> Iterator[PhotographServer]:
    with serving() as server:
        yield server


@pytest.fixture
def want(database) -> Callable[..., UUID]:
    """Order a cut-out; return its job."""

    def want(
        source: str,
        *,
        side: int = 200,
        tenant: str = "shop",
        revision: str = CUTOUT_REVISION,
        **wishes: object,
    ) -> UUID:
        made_by = ModelRevision(name=CUTOUT_NAME, revision=revision)
        spec = ImageSpec.cutout(PhotographSpec(source=source, **wishes), width=side, height=side)
        with database.session() as session:
            made = submission.submit(
                session, [ImageRequest(spec=spec, model=made_by)], tenant=tenant, lane=Lane.STANDARD
            )
        return made.job_ids[0]

    return want


@pytest.fixture
def run(runner, shop) -> Callable[[UUID], Delivery]:
    return lambda job_id: runner.run(shop.generation_of(job_id))


def test_a_row_that_waited_since_before_an_update_is_made(keep, want, run):
    assert run(want(keep(MUG), revision="cutout-1")) is Delivery.DONE


def image_of(shop, job_id: UUID) -> Image:
    with shop.database.session() as session:
        found = session.get(Image, shop.job(job_id).image_id)
    assert found is not None
    return found


def test_a_photograph_becomes_its_product_on_white(keep, want, run, shop, storage):
    job = want(keep())
    assert run(job) is Delivery.DONE
    image = image_of(shop, job)
    picture = np.asarray(Picture.open(BytesIO(storage.read(image))))
    assert picture.shape == (200, 200, 3)
    assert (picture[0] == 255).all()
    quality = image.quality
    assert quality["identical"]
    assert (quality["source"], quality["cutout"]) == ("kept", "computed")
    assert quality["source_type"] == ENHANCED
    assert quality["needs_review"] is False
    # What is said of the pixels is true of the file.
    assert quality["compared_pixels"] > 1000


def test_it_is_cut_out_once_and_found_again(keep, want, run, shop, storage, database):
    digest = keep()
    first, second = want(digest), want(digest, background="#102030")
    assert [run(first), run(second)] == [Delivery.DONE, Delivery.DONE]
    assert image_of(shop, second).quality["cutout"] == "cached"
    # The same again needs no worker.
    again = want(digest)
    assert shop.job(again).state is JobState.SUCCEEDED
    assert shop.job(again).cache is CacheOutcome.EXACT
    one, other = (
        np.asarray(Picture.open(BytesIO(storage.read(image_of(shop, job)))))
        for job in (first, second)
    )
    assert tuple(other[0, 0]) == (16, 32, 48)
    assert (
        image_of(shop, first).quality["result_digest"]
        == (image_of(shop, second).quality["result_digest"])
    )
    assert one.shape == other.shape


def test_a_damaged_cutout_is_made_anew(keep, want, run, shop, storage):
    digest = keep()
    run(want(digest))
    (source,) = shop.all(Source)
    (key,) = source.cutout_keys
    storage.put(key, b"damaged", content_type="application/zip")
    job = want(digest, shadow=Shadow.CONTACT)
    assert run(job) is Delivery.DONE
    assert image_of(shop, job).quality["cutout"] == "computed"


def test_cutouts_go_with_their_photograph(keep, want, run, shop, storage, database, settings):
    before = {key for key, _ in storage.listed(SOURCES)}
    run(want(keep()))
    assert len({key for key, _ in storage.listed(SOURCES)} - before) == 2
    with database.session() as session:
        rows.mark(session, text("true"))
    Eraser(
        database=database, storage=storage, limits=RetentionLimits.of(settings)
    ).collect_sources()
    assert {key for key, _ in storage.listed(SOURCES)} <= before


def test_an_address_is_fetched_and_its_image_found_by_its_bytes(want, run, shop, server, database):
    url = server.says("/mug.png", body=MUG, Cache_Control="max-age=600")
    job = want(url)
    assert run(job) is Delivery.DONE
    assert image_of(shop, job).quality["source"] == "fetched"
    other = want(url, background="transparent")
    assert run(other) is Delivery.DONE
    assert image_of(shop, other).quality["source"] == "valid"
    assert server.paths() == ["/mug.png"]
    # Whoever has the photograph itself is answered from store.
    assert shop.job(want(hashlib.sha256(MUG).hexdigest())).cache is CacheOutcome.EXACT


def test_a_mask_that_came_along_is_believed(keep, want, run, shop):
    mask = np.zeros((256, 256), np.uint8)
    mask[100:150, 90:160] = 255
    stream = BytesIO()
    Picture.fromarray(mask).save(stream, "PNG")
    made_of = [keep(), keep(stream.getvalue())]
    job = want(made_of[0], mask=made_of[1])
    assert run(job) is Delivery.DONE
    assert image_of(shop, job).quality["method"] == "mask"
    assert image_of(shop, job).made_of == made_of


def test_a_white_product_s_rendition_is_framed_by_its_box(keep, want, run, shop, storage, database):
    """By whiteness only its dark lid would be found."""
    pixels, mask = np.full((300, 300, 3), 255, np.uint8), np.zeros((300, 300), np.uint8)
    mask[60:240, 100:200] = 255
    pixels[60:90, 100:200] = 90
    photo, outline = (png(Picture.fromarray(one)) for one in (pixels, mask))
    job = want(keep(photo), mask=keep(outline), side=600, fill=0.3)
    assert run(job) is Delivery.DONE
    image = image_of(shop, job)
    assert image.quality["box"] == [250, 210, 350, 390]
    channel = find_channel("google_merchant.png")
    renditions = Renditions(database=database, storage=storage, credentials=None)
    made = renditions.get(image, channel)
    assert (made.fill, made.ground, made.unclear) == (channel.preset.fill, "white", False)
    picture = np.asarray(Picture.open(BytesIO(storage.read(made))))
    # The lid is a sixth of the product, which takes 85 % of the height from its top on.
    lid = np.flatnonzero((picture.min(axis=2) < 128).any(axis=1))
    assert len(lid) / made.height == pytest.approx(0.85 / 6, abs=0.01)
    assert lid[0] / made.height == pytest.approx(0.075, abs=0.01)


def unfit(server: PhotographServer) -> dict[str, tuple[str, str, bool]]:
    """Addresses that give no product: what the error is called, and whether a retry helps."""
    noise = np.random.default_rng(3).integers(0, 255, (256, 256, 3), np.uint8)
    room = BytesIO()
    Picture.fromarray(noise).save(room, "PNG")
    return {
        "gone": (server.says("/gone", 404), "photograph_missing", False),
        "page": (
            server.says("/page", body=b"<!doctype html><title>Sale</title>" * 20),
            "photograph_unreadable",
            False,
        ),
        "secret": (server.says("/secret", 403), "photograph_refused", False),
        "private": ("http://169.254.169.254/mug.png", "forbidden_url", False),
        "hidden": (server.url("/mug.png", host="metadata.example"), "forbidden_url", False),
        "broken": (server.says("/broken", 500), "photograph_server_failed", True),
        "cut": (server.says("/cut", body=MUG[: len(MUG) // 2]), "photograph_truncated", True),
        "room": (server.says("/room", body=room.getvalue()), "product_not_found", False),
    }


@pytest.mark.parametrize(
    "kind", ["gone", "page", "secret", "private", "hidden", "broken", "cut", "room"]
)
def test_what_gives_no_product_fails_by_name(want, run, shop, server, kind: str):
    url, code, helps = unfit(server)[kind]
    job = want(url)
    deliveries = [run(job) for _ in range(3 if helps else 1)]
    assert deliveries == [*[Delivery.LATER] * (len(deliveries) - 1), Delivery.FAILED]
    found = shop.job(job)
    assert (found.state, found.error_code) == (JobState.FAILED, code)
    assert found.error_message
    assert found.error_message.rstrip()[-1] == "."


def test_a_deleted_photograph_and_a_mask_of_another_size_fail_by_name(keep, want, run, shop):
    gone = want("ab" * 32)
    assert run(gone) is Delivery.FAILED
    assert shop.job(gone).error_code == "photograph_gone"
    stream = BytesIO()
    Picture.new("L", (64, 64), 255).save(stream, "PNG")
    wrong = want(keep(), mask=keep(stream.getvalue()))
    assert run(wrong) is Delivery.FAILED
    assert shop.job(wrong).error_code == "mask_mismatch"
    assert "64 × 64" in shop.job(wrong).error_message


def test_another_tenants_photograph_is_none(keep, want, run, shop):
    job = want(keep(tenant="rival"))
    assert run(job) is Delivery.FAILED
    assert shop.job(job).error_code == "photograph_gone"


def test_what_there_is_no_room_for_waits_unclaimed(keep, want, run, shop, pool, monkeypatch):
    job = want(keep())
    pool.room.most = 0
    assert run(job) is Delivery.LATER
    row = shop.generation(shop.generation_of(job))
    assert (row.state, row.attempts) == (GenerationState.QUEUED, 0)
    pool.room.most = 1
    assert run(job) is Delivery.DONE


def test_a_worker_without_a_pool_leaves_them_to_others(database, storage, leases, keep, want, shop):
    runner = Runner(
        database=database,
        storage=storage,
        engine=NoEngine(),
        models=ServedModels("r1"),
        leases=leases,
        max_attempts=3,
        pause_seconds=0,
    )
    job = want(keep())
    assert runner.run(shop.generation_of(job)) is Delivery.LATER
    assert shop.job(job).state is JobState.QUEUED


def test_a_worker_that_stops_gives_back_what_it_has_not_begun(keep, want, run, shop, pool):
    job = want(keep())

    class Stopping:
        def locate(self, *_: object) -> None:
            pool.stop()
            return real(*_)

    real = pool._preparer.locate
    pool._preparer.locate = Stopping().locate
    assert run(job) is Delivery.AGAIN
    row = shop.generation(shop.generation_of(job))
    assert (row.state, row.attempts) == (GenerationState.QUEUED, 0)


def test_nothing_is_recorded_for_a_claim_that_was_lost(keep, want, run, shop, pool, lose):
    job = want(keep())
    real = pool._preparer.prepare

    def killed_meanwhile(located: object):
        lose(shop.current_claim(job))
        return real(located)

    pool._preparer.prepare = killed_meanwhile
    assert run(job) is Delivery.LATER
    assert shop.job(job).state is JobState.QUEUED
    assert not shop.images()
    pool._preparer.prepare = real
    assert run(job) is Delivery.DONE
    assert len(shop.images()) == 1


def test_a_canceled_one_is_not_made(keep, want, run, shop, database):
    job = want(keep())
    with database.session() as session:
        cancellation.cancel_job(session, job)
    assert run(job) is Delivery.CANCELED
    assert not shop.images()


def test_two_rows_of_one_address_are_made_once(want, run, shop, server):
    url = server.says("/mug.png", body=MUG)
    one, other = want(url), want(url)
    assert shop.job(other).cache is CacheOutcome.COALESCED
    assert run(one) is Delivery.DONE
    assert shop.job(other).state is JobState.SUCCEEDED
    assert server.paths() == ["/mug.png"]
