"""Scenes, by a worker whose engine is the test's: prepared, drawn once for all, and composed."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from uuid import UUID

import numpy as np
import pytest
from PIL import Image as Picture
from sqlalchemy import update
from sqlmodel import col

from catalogue.cutouts.finishing import placement_rule
from catalogue.cutouts.pasting import well_inside
from catalogue.cutouts.placement import place
from catalogue.scenes.composing import placed_product
from core.db.models import Generation, Image
from core.domain.image_request import ImageRequest
from core.domain.image_spec import ModelInput
from core.domain.lanes import Lane
from core.domain.photograph_spec import ImageMode, PhotographSpec
from core.domain.states import CacheOutcome, GenerationState, JobState
from core.lifecycle import submission
from core.pictures.marking import Watermark, derive_key
from core.pictures.provenance import COMPOSITE, source_type_of
from core.pictures.watermark.detection import detect
from tests.integration.shop import poll
from tests.pictures import near_white, product
from tests.specs import wanted as drawn
from tests.support.photograph_server import PhotographServer, serving
from tests.support.served import ServedModels
from tests.unit.catalogue.cutouts.drawing import photograph
from worker.cutouts.pool import CutoutPool
from worker.endings import Delivery
from worker.leases import Leases
from worker.room import PromptedRoom
from worker.rows import RowCanceledError, RowFailedError, RowResult, Ticket
from worker.runner import Runner
from worker.scenes import making
from worker.scenes.backgrounds import Backgrounds
from worker.scenes.making import SceneMaker
from worker.walk import Picture as BeginPicture

ROOM = np.random.default_rng(5).integers(60, 200, (64, 64, 3), np.uint8)


def photographed(backdrop: int) -> bytes:
    stream = BytesIO()
    Picture.fromarray(photograph(backdrop, shadow=0.3)[0][..., :3]).save(stream, "PNG")
    return stream.getvalue()


MUG, POT = photographed(240), photographed(230)


class Painter:
    """Draws the same room for whatever it is asked, when told."""

    ticks = 0
    computing = False

    def __init__(self) -> None:
        self.requests: list = []
        self.errors: list[Exception] = []
        self.pictures: list[Callable[[BeginPicture], np.ndarray]] = []
        """What it draws over the pictures that it is given, one after the other."""
        self.gate = threading.Event()
        self.gate.set()

    def submit(self, request):
        self.requests.append(request)
        ticket = Ticket(request=request, submitted=0.0)
        threading.Thread(target=self._answer, args=(ticket,), daemon=True).start()
        return ticket

    def _answer(self, ticket) -> None:
        self.gate.wait(60)
        begin = ticket.request.begin
        if self.errors:
            ticket.fail(self.errors.pop(0))
        elif isinstance(begin, BeginPicture):
            try:
                picture = self.pictures.pop(0)(begin)
            except Exception as error:
                ticket.fail(error)
            else:
                ticket.fulfil(RowResult(image=picture, seconds=2.0, steps=3))
        else:
            times = ticket.request.spec.width // 64
            room = ROOM.repeat(times, 0).repeat(times, 1)
            ticket.fulfil(RowResult(image=room, seconds=2.0, steps=4))

    def cancel(self, identity: UUID) -> None:
        """Rows end by themselves."""


@pytest.fixture
def engine() -> Painter:
    return Painter()


@pytest.fixture
def scenes(preparer, database, storage) -> SceneMaker:
    pool = CutoutPool(preparer, threads=2)
    return SceneMaker(
        pool=pool, backgrounds=Backgrounds(database=database, storage=storage), room=PromptedRoom(4)
    )


@pytest.fixture
def runner(database, storage, engine, scenes) -> Runner:
    return Runner(
        database=database,
        storage=storage,
        engine=engine,
        models=ServedModels("r1"),
        leases=Leases(
            database=database, engine=engine, owner="me", lease_seconds=60, heartbeat_seconds=0.01
        ),
        max_attempts=3,
        cutouts=scenes._pool,
        scenes=scenes,
        room=scenes._room,
        patience_seconds=5,
        pause_seconds=0,
    )


@pytest.fixture
def run(runner, shop) -> Callable[[UUID], Delivery]:
    return lambda job_id: runner.run(shop.generation_of(job_id))


@pytest.fixture
def server() -> Iterator[PhotographServer]:
    with serving() as server:
        yield server


def scene(
    source: str, prompt: str = "on a table", *, blend: bool = False, **values: object
) -> ImageRequest:
    # Around a product that fills no latent there is nothing to blend with.
    size = {"width": 128, "height": 128} if blend else {}
    background = drawn(prompt, **{**size, **values})
    product = PhotographSpec(source=source, **({"blend": True, "strength": 0.8} if blend else {}))
    return replace(background, spec=background.spec.with_product(product, width=200, height=200))


@pytest.fixture
def want(database) -> Callable[..., UUID]:
    """Order a scene; return its job."""

    def want(source: str, prompt: str = "on a table", tenant: str = "shop", **values) -> UUID:
        with database.session() as session:
            made = submission.submit(
                session, [scene(source, prompt, **values)], tenant=tenant, lane=Lane.STANDARD
            )
        return made.job_ids[0]

    return want


def image_of(shop, job_id: UUID) -> Image:
    with shop.database.session() as session:
        found = session.get(Image, shop.job(job_id).image_id)
    assert found is not None
    return found


def test_a_scene_has_its_products_own_pixels(keep, want, run, shop, storage, preparer, engine):
    digest = keep(MUG)
    job = want(digest)
    assert run(job) is Delivery.DONE
    image = image_of(shop, job)
    body = storage.read(image)
    pixels = np.asarray(Picture.open(BytesIO(body)))
    product = PhotographSpec(source=digest)
    cutout = preparer.prepare(preparer.locate(product, "shop")).stored.cutout
    spot = place(cutout.pixels[..., 3], placement_rule(product, width=200, height=200))
    placed = placed_product(cutout, spot)
    inside = well_inside(placed[..., 3] == 255)
    window = pixels[spot.top :, spot.left :][: spot.size[1], : spot.size[0]]
    assert np.count_nonzero(inside) > 1000
    assert (window[inside] == placed[inside][:, :3]).all()
    # What is around it was drawn.
    assert not (pixels[0] == 255).all()
    assert source_type_of(body) == COMPOSITE
    quality = image.quality
    assert quality["identical"]
    assert quality["compared_pixels"] == np.count_nonzero(inside)
    assert (quality["expansion"], quality["background"]) == (0.0, "computed")
    assert quality["box"] == list(spot.box)
    assert (image.width, image.height) == (200, 200)
    (request,) = engine.requests
    assert (request.spec.mode, request.spec.photograph) == (ImageMode.TEXT, None)
    assert (request.spec.width, request.spec.height) == (64, 64)


def test_a_catalogue_shares_one_background(keep, want, run, shop, engine):
    one, other = want(keep(MUG)), want(keep(POT), sku="POT")
    assert [run(one), run(other)] == [Delivery.DONE, Delivery.DONE]
    assert len(engine.requests) == 1
    assert image_of(shop, other).quality["background"] == "cached"
    assert image_of(shop, one).seed == image_of(shop, other).seed
    # It is an image like others, which whoever asks for it finds.
    (background,) = (one for one in shop.images() if one.quality is None)
    row = shop.generation(background.generation_id)
    assert (row.state, row.seconds) == (GenerationState.SUCCEEDED, 2.0)
    assert background.uses == 1
    with shop.database.session() as session:
        made = submission.submit(
            session,
            [drawn("on a table", seed=background.seed)],
            tenant="shop",
            lane=Lane.STANDARD,
        )
    assert made.outcomes == {CacheOutcome.EXACT: 1}


def test_a_background_is_marked_in_store_and_its_scenes_are_the_same_with_either(
    keep, want, shop, database, storage
):
    watermark = Watermark(key=derive_key("a secret"))
    backgrounds = Backgrounds(database=database, storage=storage, watermark=watermark)
    claim = shop.start(want(keep(MUG), width=256, height=256))
    room = np.asarray(near_white(product().resize((256, 256), Picture.Resampling.BICUBIC)))
    row = RowResult(image=room, seconds=2.0, steps=4)
    drawn, found = (
        backgrounds.get(claim, ModelInput(), lambda: row, check=lambda: None) for _ in range(2)
    )
    assert [one.outcome for one in (drawn, found)] == ["computed", "cached"]
    assert np.array_equal(drawn.pixels, found.pixels)
    error = np.abs(drawn.pixels.astype(int) - room)
    # Beyond the ends of the levels nothing can be added, and so taken off.
    assert error[(room > 16) & (room < 239)].max() <= 2
    assert np.percentile(error, 99) <= 3
    assert detect(drawn.pixels, watermark.key) is None
    (image,) = shop.all(Image)
    mark = detect(np.asarray(Picture.open(BytesIO(storage.read(image)))), watermark.key)
    assert mark is not None
    assert mark.payload is not None
    assert image.fingerprint.startswith(mark.payload.reference)


def test_a_background_of_before_there_were_marks_is_as_it_was(keep, want, shop, database, storage):
    claim = shop.start(want(keep(MUG), width=256, height=256))
    room = np.asarray(near_white(product().resize((256, 256), Picture.Resampling.BICUBIC)))
    row = RowResult(image=room, seconds=2.0, steps=4)
    for watermark in (None, Watermark(key=derive_key("a secret"))):
        backgrounds = Backgrounds(database=database, storage=storage, watermark=watermark)
        got = backgrounds.get(claim, ModelInput(), lambda: row, check=lambda: None)
        assert np.array_equal(got.pixels, room)
    assert got.outcome == "cached"


def test_another_seed_or_prompt_is_another_background(keep, want, run, engine):
    digest = keep(MUG)
    jobs = [
        want(digest),
        want(digest, "in a garden"),
        want(digest, seed=4),
        want(digest, variant=2),
    ]
    assert {run(one) for one in jobs} == {Delivery.DONE}
    assert len(engine.requests) == 4


def test_rows_of_one_moment_wait_for_one_background(keep, want, run, shop, engine):
    jobs = [want(keep(MUG)), want(keep(POT))]
    engine.gate.clear()
    with ThreadPoolExecutor(2) as threads:
        ends = [threads.submit(run, job) for job in jobs]
        # Both are claimed before anything is drawn.
        poll(lambda: all(shop.job(one).state is JobState.RUNNING for one in jobs))
        poll(lambda: engine.requests)
        engine.gate.set()
        assert [end.result() for end in ends] == [Delivery.DONE, Delivery.DONE]
    assert len(engine.requests) == 1
    outcomes = {image_of(shop, one).quality["background"] for one in jobs}
    assert outcomes in ({"computed", "shared"}, {"computed", "cached"})


def test_another_tenants_background_is_none(keep, want, run, engine):
    one, other = want(keep(MUG)), want(keep(MUG, tenant="rival"), tenant="rival")
    assert [run(one), run(other)] == [Delivery.DONE, Delivery.DONE]
    assert len(engine.requests) == 2


def test_a_bad_photograph_costs_no_drawing(keep, want, run, shop, engine):
    noise = np.random.default_rng(3).integers(0, 255, (256, 256, 3), np.uint8)
    stream = BytesIO()
    Picture.fromarray(noise).save(stream, "PNG")
    room, gone = want(keep(stream.getvalue())), want("ab" * 32)
    assert [run(room), run(gone)] == [Delivery.FAILED, Delivery.FAILED]
    codes = [shop.job(one).error_code for one in (room, gone)]
    assert codes == ["product_not_found", "photograph_gone"]
    assert engine.requests == []


def test_who_is_killed_in_the_middle_leaves_the_background_to_the_next(
    keep, want, run, shop, engine, lose, monkeypatch
):
    job = want(keep(MUG))
    compose = making._compose

    def killed(*arguments: object, **values: object):
        lose(shop.current_claim(job))
        return compose(*arguments, **values)

    monkeypatch.setattr(making, "_compose", killed)
    assert run(job) is Delivery.LATER
    assert [one.quality for one in shop.images()] == [None]
    monkeypatch.setattr(making, "_compose", compose)
    assert run(job) is Delivery.DONE
    assert len(engine.requests) == 1
    assert image_of(shop, job).quality["background"] == "cached"


def test_a_row_that_ends_early_takes_nobody_elses_along(keep, want, run, shop, engine):
    jobs = [want(keep(MUG)), want(keep(POT))]
    engine.errors = [RowCanceledError("of one alone")]
    engine.gate.clear()
    with ThreadPoolExecutor(2) as threads:
        ends = [threads.submit(run, job) for job in jobs]
        poll(lambda: all(shop.job(one).state is JobState.RUNNING for one in jobs))
        poll(lambda: engine.requests)
        engine.gate.set()
        found = sorted(end.result().name for end in ends)
    assert found == ["AGAIN", "DONE"]
    (left,) = (one for one in jobs if shop.job(one).state is JobState.QUEUED)
    assert run(left) is Delivery.DONE


def test_a_model_that_fails_fails_the_scene_after_its_attempts(keep, want, run, shop, engine):
    job = want(keep(MUG))
    engine.errors = [RowFailedError("RuntimeError: no")] * 3
    assert [run(job) for _ in range(3)] == [Delivery.LATER, Delivery.LATER, Delivery.FAILED]
    assert shop.job(job).error_code == "generation_failed"
    assert [one.solo for one in engine.requests] == [False, True, True]


def test_a_lost_background_is_drawn_anew(keep, want, run, shop, storage, engine):
    run(want(keep(MUG)))
    (background,) = (one for one in shop.images() if one.quality is None)
    storage.delete([background.key])
    job = want(keep(POT))
    assert run(job) is Delivery.DONE
    assert len(engine.requests) == 2
    assert image_of(shop, job).quality["background"] == "computed"
    third = want(keep(photographed(235)))
    assert run(third) is Delivery.DONE
    assert len(engine.requests) == 2


def test_an_address_gives_a_scene_that_is_found_by_its_bytes(want, run, shop, server, keep):
    job = want(server.says("/mug.png", body=MUG, Cache_Control="max-age=600"))
    assert run(job) is Delivery.DONE
    assert image_of(shop, job).quality["source"] == "fetched"
    assert shop.job(want(keep(MUG))).cache is CacheOutcome.EXACT


def test_what_there_is_no_room_for_waits_and_texts_do_not(keep, want, run, shop, scenes):
    job = want(keep(MUG))
    scenes._room.most = 0
    assert run(job) is Delivery.LATER
    row = shop.generation(shop.generation_of(job))
    assert (row.state, row.attempts) == (GenerationState.QUEUED, 0)
    (text,) = shop.want("a red mug").job_ids
    assert run(text) is Delivery.DONE
    scenes._room.most = 1
    with shop.database.session() as session:
        session.execute(
            update(Generation).where(col(Generation.id) == row.id).values(not_before=None)
        )
    assert run(job) is Delivery.DONE


def test_a_worker_without_a_pool_leaves_scenes_to_others(
    database, storage, engine, keep, want, shop
):
    runner = Runner(
        database=database,
        storage=storage,
        engine=engine,
        models=ServedModels("r1"),
        leases=Leases(
            database=database, engine=engine, owner="me", lease_seconds=60, heartbeat_seconds=0.01
        ),
        max_attempts=3,
        pause_seconds=0,
    )
    job = want(keep(MUG))
    assert runner.run(shop.generation_of(job)) is Delivery.LATER
    assert shop.job(job).state is JobState.QUEUED


def kept(begin: BeginPicture) -> np.ndarray:
    """Draw nothing that looks like the product: the room around it is green."""
    seen = begin.pixels.copy()
    may = begin.mask[0].repeat(8, 0).repeat(8, 1) > 0
    seen[may] = (20, 160, 40)
    return seen


def grown(begin: BeginPicture) -> np.ndarray:
    """Go on with the product's colour beyond it, far more than is allowed."""
    seen = kept(begin)
    inside = begin.mask[0].repeat(8, 0).repeat(8, 1) == 0
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    colour = np.median(begin.pixels[inside], axis=0)
    seen[rows[0] : rows[-1] + 1, columns[0] - 14 : columns[-1] + 15] = colour
    return seen


def test_a_blend_is_drawn_around_the_product_and_has_its_own_pixels(
    keep, want, run, shop, storage, preparer, engine
):
    digest = keep(MUG)
    engine.pictures = [kept]
    job = want(digest, blend=True)
    assert run(job) is Delivery.DONE, shop.job(job).error_message
    background, around = engine.requests
    assert around.spec == background.spec
    begin = around.begin
    assert begin.strength == 0.8
    assert begin.pixels.shape == (128, 128, 3)
    # The product's inside stays; the rest begins with the background that rows share.
    assert 0 < np.count_nonzero(begin.mask == 0) < begin.mask.size
    assert (begin.pixels[0] == ROOM[0].repeat(2, 0)).all()
    image = image_of(shop, job)
    pixels = np.asarray(Picture.open(BytesIO(storage.read(image))))
    cutout = preparer.prepare(preparer.locate(PhotographSpec(source=digest), "shop")).stored.cutout
    rule = placement_rule(PhotographSpec(source=digest), width=200, height=200)
    spot = place(cutout.pixels[..., 3], rule)
    placed = placed_product(cutout, spot)
    inside = well_inside(placed[..., 3] == 255)
    window = pixels[spot.top :, spot.left :][: spot.size[1], : spot.size[0]]
    assert (window[inside] == placed[inside][:, :3]).all()
    quality = image.quality
    assert (quality["identical"], quality["tries"], quality["background"]) == (True, 1, "computed")
    assert quality["expansion"] <= 0.01
    # What is around was drawn over the background.
    assert pixels[0, 0, 1] > pixels[0, 0, 0] + 80


def test_a_product_that_grew_is_tried_with_another_seed(keep, want, run, shop, engine):
    engine.pictures = [grown, kept]
    job = want(keep(MUG), blend=True, seed=7)
    assert run(job) is Delivery.DONE, shop.job(job).error_message
    assert [one.spec.seed for one in engine.requests] == [7, 7, 8]
    quality = image_of(shop, job).quality
    assert quality["tries"] == 2
    assert any("the seed 8" in note for note in quality["notes"])


def test_a_product_that_grows_with_every_seed_is_refused(keep, want, run, shop, engine):
    engine.pictures = [grown] * 4
    job = want(keep(MUG), blend=True, seed=7)
    assert run(job) is Delivery.FAILED
    assert shop.job(job).error_code == "product_changed"
    assert [one.spec.seed for one in engine.requests] == [7, 7, 8, 9]


def test_blends_share_their_background_and_not_what_is_around(keep, want, run, engine):
    engine.pictures = [kept, kept]
    assert [run(want(keep(one), blend=True)) for one in (MUG, POT)] == [Delivery.DONE] * 2
    assert [isinstance(one.begin, BeginPicture) for one in engine.requests] == [False, True, True]


def test_a_product_that_fills_no_latent_is_told(keep, want, run, shop, engine):
    engine.pictures = [kept]
    job = want(keep(MUG), blend=True, width=64, height=64)
    assert run(job) is Delivery.DONE, shop.job(job).error_message
    assert engine.requests[1].begin.mask.all()
    assert any("fill" in note for note in image_of(shop, job).quality["notes"])
