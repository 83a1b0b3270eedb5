"""OpenAI's images API, asked by OpenAI's own client, and with the requests of Open WebUI."""

import asyncio
import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from io import BytesIO
from uuid import UUID, uuid4

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from api.waiting.end_watch import EndWatch
from core.db.models import Job, Source
from core.domain.lanes import Lane
from core.domain.photograph_spec import ImageMode
from core.errors import GenerationFailedError, GenerationImpossibleError
from core.keys import create_key
from core.lifecycle.cancellation import cancel_job
from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.pictures.provenance import COMPOSITE, source_type_of
from tests.integration.api.conftest import connect, serving
from tests.integration.api.test_sources import jpeg
from tests.integration.shop import poll
from tests.pictures import png

PROMPT = "a red mug"


@pytest.fixture
def ask() -> Iterator[Callable[..., Future]]:
    """Send a request in a thread of its own: it waits for its image."""
    with ThreadPoolExecutor(8) as threads:
        yield threads.submit


@pytest.fixture
def clients() -> Iterator[Callable[[httpx.Client], openai.OpenAI]]:
    """Make OpenAI's client of the address and key of another one."""
    opened = []

    def make(client: httpx.Client, **options) -> openai.OpenAI:
        key = client.headers["authorization"].removeprefix("Bearer ")
        base_url = f"{str(client.base_url).rstrip('/')}/openai/v1"
        opened.append(openai.OpenAI(api_key=key, base_url=base_url, **options))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def images(client, clients):
    return clients(client).images


def coming(shop, number: int = 1) -> list[Job]:
    """Wait until so many jobs are there, in the order in which they came."""
    poll(lambda: len(shop.all(Job)) >= number)
    return sorted(shop.all(Job), key=lambda job: job.created_at)


def picture(colour: str = "red", mode: str = "RGB") -> bytes:
    return encode(Image.new(mode, (64, 64), colour), Format.PNG, source_type=COMPOSITE)


def answered(ask, shop, worker, call, *, bodies: tuple[bytes, ...] = (), **fields):
    """Call, make what is asked for, and return the answer."""
    bodies = bodies or (picture(),)
    future = ask(call, **fields)
    poll(lambda: future.done() or len(shop.all(Job)) == len(bodies))
    if not future.done():
        for job, body in zip(coming(shop, len(bodies)), bodies, strict=True):
            worker.make(str(job.id), body)
    return future.result(60)


def opened(datum) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(datum.b64_json)))


def test_a_prompt_gives_an_image(images, ask, shop, worker, client):
    body = picture()
    answer = answered(ask, shop, worker, images.generate, bodies=(body,), prompt=PROMPT)
    (datum,) = answer.data
    assert base64.b64decode(datum.b64_json) == body
    assert datum.url is None
    assert (answer.output_format, answer.background) == ("png", "opaque")
    (job,) = shop.all(Job)
    assert (job.mode, job.prompt, job.lane) == (ImageMode.TEXT, PROMPT, Lane.INTERACTIVE)
    assert answer.created == int(job.created_at.timestamp())
    # What packshot tells of it stands where it always does.
    assert client.get(f"/v1/jobs/{datum.job}").json()["state"] == "succeeded"


def test_workers_are_told_while_the_request_waits(images, ask, shop, worker):
    future = ask(images.generate, prompt=PROMPT)
    (job,) = coming(shop)
    poll(lambda: shop.generation(job.generation_id).published_at is not None)
    assert not future.done()
    worker.make(str(job.id), picture())
    assert future.result(60).data


def test_what_is_in_store_answers_at_once(images, ask, shop, worker):
    first = answered(ask, shop, worker, images.generate, prompt=PROMPT)
    again = images.generate(prompt=PROMPT)
    assert again.data[0].b64_json == first.data[0].b64_json
    assert [job.cache.value for job in coming(shop, 2)] == ["miss", "exact"]


def test_n_gives_as_many_variants(images, ask, shop, worker):
    bodies = tuple(map(picture, ("red", "green", "blue")))
    answer = answered(ask, shop, worker, images.generate, bodies=bodies, prompt=PROMPT, n=3)
    assert [base64.b64decode(one.b64_json) for one in answer.data] == list(bodies)
    assert [job.variant for job in coming(shop, 3)] == [1, 2, 3]


def test_the_size_is_the_image_s(images, ask, shop, worker):
    answered(ask, shop, worker, images.generate, prompt=PROMPT, size="96x128", model="default")
    (job,) = shop.all(Job)
    assert (job.width, job.height) == (96, 128)


@pytest.mark.parametrize("format_", ["jpeg", "webp"])
def test_another_format_keeps_the_marks(images, ask, shop, worker, format_):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    noise[:32] = 255, 0, 0
    answer = answered(
        ask,
        shop,
        worker,
        images.generate,
        bodies=(encode(Image.fromarray(noise), Format.PNG, source_type=COMPOSITE),),
        prompt=PROMPT,
        output_format=format_,
        output_compression=60,
    )
    (datum,) = answer.data
    assert opened(datum).format == format_.upper()
    assert opened(datum).size == (64, 64)
    red, green, blue = opened(datum).getpixel((16, 16))
    assert red > 240
    assert max(green, blue) < 20
    assert source_type_of(base64.b64decode(datum.b64_json)) == COMPOSITE
    finer = images.generate(prompt=PROMPT, output_format=format_, output_compression=100)
    assert len(finer.data[0].b64_json) > len(datum.b64_json)
    assert answer.output_format == format_


def test_a_url_needs_no_key(images, ask, shop, worker):
    body = picture()
    answer = answered(
        ask, shop, worker, images.generate, bodies=(body,), prompt=PROMPT, response_format="url"
    )
    (datum,) = answer.data
    assert datum.b64_json is None
    assert httpx.get(datum.url, trust_env=False).content == body


def test_what_packshot_has_more_is_an_extra_of_the_client_s(images, ask, shop, worker):
    extra = {"seed": 5, "negative_prompt": "blue"}
    answered(ask, shop, worker, images.generate, prompt=PROMPT, extra_body=extra)
    (job,) = shop.all(Job)
    assert (job.seed, job.negative_prompt) == (5, "blue")


@pytest.mark.parametrize(
    ("quality", "steps"), [("low", 2), ("high", 30), ("medium", 4), ("auto", 4), ("hd", 30)]
)
def test_quality_is_a_preset_where_the_model_has_it(
    bundle, images, ask, shop, worker, quality, steps
):
    manifest = bundle / "manifest.json"
    presets = (
        '"presets": {"draft": {"steps": 2, "guidance_scale": 1.0, "scheduler": "euler"}, '
        '"best": {"steps": 30, "guidance_scale": 4.0, "scheduler": "unipc"}},'
    )
    manifest.write_text("{" + presets + manifest.read_text().replace('"presets": {},', "")[1:])
    answered(ask, shop, worker, images.generate, prompt=PROMPT, quality=quality)
    assert shop.all(Job)[0].steps == steps


def masked(size: tuple[int, int] = (40, 30)) -> bytes:
    """Draw a mask as OpenAI has it: its left half is transparent, and may be drawn anew."""
    mask = Image.new("RGBA", size, "black")
    mask.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    return png(mask)


def sent_mask(shop, storage, job: Job) -> np.ndarray:
    (row,) = [one for one in shop.all(Source) if one.digest == job.photograph["mask"]]
    return np.asarray(Image.open(BytesIO(storage.read(row))))


def test_an_edit_draws_where_its_mask_is_transparent(images, ask, shop, worker, storage):
    answered(
        ask,
        shop,
        worker,
        images.edit,
        image=("mug.jpg", jpeg()),
        mask=("mask.png", masked()),
        prompt="in the snow",
        extra_body={"strength": 0.75},
    )
    (job,) = shop.all(Job)
    assert (job.mode, job.prompt) == (ImageMode.EDIT, "in the snow")
    assert job.photograph["strength"] == 0.75
    # packshot's is light where it may be drawn anew.
    mask = sent_mask(shop, storage, job)
    assert (mask[:, :20] == 255).all()
    assert (mask[:, 20:] == 0).all()


def test_an_edit_without_a_background_is_a_cut_out(images, ask, shop, worker, storage):
    body = picture((255, 0, 0, 0), "RGBA")
    answer = answered(
        ask,
        shop,
        worker,
        images.edit,
        bodies=(body,),
        # A client that sends a list calls it otherwise.
        image=[("mug.jpg", jpeg())],
        mask=("mask.png", masked()),
        prompt="remove the background",
        model="default",
        background="transparent",
        output_format="webp",
        size="200x100",
    )
    (job,) = shop.all(Job)
    assert job.mode is ImageMode.CUTOUT
    assert (job.photograph["background"], job.width, job.height) == ("transparent", 200, 100)
    # What may not be drawn anew is the product.
    mask = sent_mask(shop, storage, job)
    assert (mask[:, :20] == 0).all()
    assert (mask[:, 20:] == 255).all()
    assert answer.background == "transparent"
    assert opened(answer.data[0]).convert("RGBA").getpixel((9, 9))[3] == 0


def test_a_cut_out_needs_no_prompt(client, ask, shop, worker):
    def post() -> httpx.Response:
        return client.post(
            "/openai/v1/images/edits",
            data={"background": "transparent"},
            files={"image": ("mug.jpg", jpeg())},
        )

    answer = answered(ask, shop, worker, post)
    assert answer.status_code == 200, answer.text
    assert shop.all(Job)[0].mode is ImageMode.CUTOUT


def test_a_photograph_that_lies_on_its_side_has_an_upright_mask(images, ask, shop, worker):
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = BytesIO()
    Image.new("RGB", (40, 30), "red").save(stream, "JPEG", exif=exif)
    fields = {"image": ("a.jpg", stream.getvalue()), "prompt": "snow"}
    with pytest.raises(openai.BadRequestError):
        images.edit(**fields, mask=("mask.png", masked((40, 30))))
    mask = ("mask.png", masked((30, 40)))
    answered(ask, shop, worker, images.edit, **fields, mask=mask)


def test_a_scene_is_a_mode_of_edits(images, ask, shop, worker):
    answered(
        ask,
        shop,
        worker,
        images.edit,
        image=("mug.jpg", jpeg()),
        prompt="on a table",
        size="800x600",
        extra_body={"mode": "scene"},
    )
    (job,) = shop.all(Job)
    assert (job.mode, job.width, job.height) == (ImageMode.SCENE, 800, 600)


def test_models_are_listed_and_found(client, clients):
    models = clients(client).models
    (one,) = models.list().data
    assert (one.id, one.object, one.owned_by) == ("default", "model", "packshot")
    assert one.created > 1_700_000_000
    assert models.retrieve("default") == one
    with pytest.raises(openai.NotFoundError) as raised:
        models.retrieve("gpt-image-1")
    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")


# Open WebUI, backend/open_webui/routers/images.py: `image_generations` and `image_edits`.


def test_open_webui_generates(client, ask, shop, worker):
    def post() -> httpx.Response:
        return client.post(
            "/openai/v1/images/generations?api-version=2025-04-01",
            json={
                "model": "default",
                "prompt": PROMPT,
                "n": 1,
                "size": "64x64",
                "response_format": "b64_json",
            },
        )

    body = picture()
    answer = answered(ask, shop, worker, post, bodies=(body,))
    (image,) = answer.json()["data"]
    assert image.get("url") is None  # it would fetch that
    assert base64.b64decode(image["b64_json"]) == body


@pytest.mark.parametrize("name", ["image", "image[]"])
def test_open_webui_edits(client, ask, shop, worker, name):
    def post() -> httpx.Response:
        fields = {
            "model": "default",
            "prompt": "in the snow",
            "n": "1",
            "size": "64x64",
            "response_format": "b64_json",
        }
        file = (f"{uuid4()}.jpg", io.BytesIO(jpeg()), "image/jpeg")
        return client.post("/openai/v1/images/edits", data=fields, files=[(name, file)])

    answer = answered(ask, shop, worker, post)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"][0]["b64_json"]


@pytest.mark.parametrize(
    ("fields", "param", "says"),
    [
        ({"prompt": PROMPT, "size": "huge"}, "size", "WIDTHxHEIGHT"),
        ({"prompt": PROMPT, "size": "4096x4096"}, "size", "128"),
        ({"prompt": PROMPT, "size": "65x64"}, "size", "32"),
        ({"prompt": PROMPT, "n": 0}, "n", "greater than or equal to 1"),
        ({"prompt": PROMPT, "n": 11}, "n", "less than or equal to 10"),
        ({}, "prompt", "required"),
        ({"prompt": "  "}, "prompt", "prompt"),
        ({"prompt": PROMPT, "stream": True}, "stream", "Nothing is streamed"),
        ({"prompt": PROMPT, "background": "transparent"}, "background", "images/edits"),
        ({"prompt": PROMPT, "output_format": "gif"}, "output_format", "jpeg"),
        ({"prompt": PROMPT, "output_compression": 50}, "output_compression", "jpeg or webp"),
        (
            {"prompt": PROMPT, "response_format": "url", "output_format": "webp"},
            "response_format",
            "b64_json",
        ),
        ({"prompt": PROMPT, "qualty": "low"}, "qualty", "quality"),
    ],
)
def test_a_bad_request_is_refused_in_openai_s_shape(images, shop, fields, param, says):
    with pytest.raises(openai.BadRequestError) as raised:
        images._post("/images/generations", body=fields, cast_to=object)
    error = raised.value
    assert (error.status_code, error.type, error.param) == (400, "invalid_request_error", param)
    assert error.code == "invalid_request"
    assert says in error.body["message"]
    assert error.request_id == error.body["request_id"]
    assert not shop.all(Job)


def test_a_model_that_is_not_there_is_named(images, shop):
    with pytest.raises(openai.NotFoundError) as raised:
        images.generate(prompt=PROMPT, model="gpt-image-1")
    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")
    assert "default" in raised.value.body["message"]
    assert not shop.all(Job)


def test_n_may_be_no_more_than_the_server_makes(serve, settings, clients, shop):
    client = serve(settings.model_copy(update={"max_variants": 2}))
    with pytest.raises(openai.BadRequestError) as raised:
        clients(client).images.generate(prompt=PROMPT, n=3)
    assert (raised.value.param, "2 images" in str(raised.value)) == ("n", True)


@pytest.mark.parametrize(
    ("fields", "param", "says"),
    [
        ({"mask": ("m.png", masked((30, 40)))}, "mask", "30 × 40 pixels, and the image 40 × 30"),
        ({"mask": ("m.png", jpeg("white"))}, "mask", "no transparency"),
        ({"image": [("a.jpg", jpeg()), ("b.jpg", jpeg())]}, "image", "one photograph, not 2"),
        ({"background": "transparent", "n": 2}, "n", "one cut-out"),
        ({"background": "transparent", "output_format": "jpeg"}, "output_format", "png or webp"),
        (
            {"background": "transparent", "extra_body": {"mode": "edit"}},
            "background",
            "no transparency",
        ),
        ({"extra_body": {"strength": 2}}, "strength", "less than or equal to 1"),
        ({"extra_body": {"mode": "scene", "strength": 0.5}}, "strength", "Leave it out"),
        ({"prompt": ""}, "prompt", "required"),
    ],
)
def test_a_bad_edit_is_refused_in_openai_s_shape(images, shop, fields, param, says):
    said = {"image": ("mug.jpg", jpeg()), "prompt": "in the snow", **fields}
    with pytest.raises(openai.BadRequestError) as raised:
        images.edit(**said)
    assert (raised.value.param, raised.value.type) == (param, "invalid_request_error")
    assert says in raised.value.body["message"]
    assert not shop.all(Job)


def test_what_is_no_photograph_is_refused(images, shop):
    with pytest.raises(openai.BadRequestError) as raised:
        images.edit(image=("a.pdf", b"%PDF-1.7 ..."), prompt="snow")
    assert raised.value.code == "photograph_unreadable"
    assert "a PDF" in raised.value.body["message"]


def test_files_that_are_missing_or_texts_are_named(client):
    def post(**form) -> dict:
        answer = client.post("/openai/v1/images/edits", **form)
        assert answer.status_code == 400, answer.text
        return answer.json()["error"]

    other = {"files": {"photo": ("a.jpg", jpeg())}}
    assert post(data={"prompt": "snow"}, files={"mask": ("m.png", masked())})["param"] == "image"
    assert post(data={"prompt": "snow"}, **other)["param"] == "photo"
    texts = {"data": {"prompt": "snow", "image": "aGk="}, "files": {"mask": ("m.png", masked())}}
    assert post(**texts)["param"] == "image"
    answer = client.post("/openai/v1/images/edits", json={"prompt": "snow"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


def test_a_file_that_is_too_large_is_refused(serve, settings):
    client = serve(settings.model_copy(update={"max_source_bytes": 1000}))
    file = {"image": ("a.jpg", b"x" * 100_000)}
    answer = client.post("/openai/v1/images/edits", data={"prompt": "snow"}, files=file)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_a_wrong_key_and_one_that_may_not_are_refused(client, clients, database):
    with database.session() as session:
        _, reader = create_key(session, "shop", scopes=["read"])
    wrong = clients(client).with_options(api_key="psk_wrong")
    with pytest.raises(openai.AuthenticationError) as raised:
        wrong.images.generate(prompt=PROMPT)
    assert raised.value.code == "invalid_api_key"
    with pytest.raises(openai.AuthenticationError):
        wrong.models.list()
    reading = clients(client).with_options(api_key=reader)
    assert reading.models.list().data
    with pytest.raises(openai.PermissionDeniedError) as raised:
        reading.images.generate(prompt=PROMPT)
    assert raised.value.code == "forbidden"


def test_a_path_that_is_not_there_answers_in_the_same_shape(client):
    answer = client.post("/openai/v1/images/variations")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert client.get("/openai/v1/images/edits").json()["error"]["code"] == "method_not_allowed"


def test_the_limits_of_a_key_hold(client, clients, database, ask, shop, worker):
    with database.session() as session:
        _, key = create_key(session, "shop", queued_images=1)
    limited = clients(client).with_options(api_key=key, max_retries=0)
    with pytest.raises(openai.RateLimitError) as raised:
        limited.images.generate(prompt=PROMPT, n=2)
    assert (raised.value.code, raised.value.type) == ("too_many_queued", "rate_limit_error")
    assert not shop.all(Job)  # neither of the two
    answered(ask, shop, worker, limited.images.generate, prompt=PROMPT)


def test_who_sends_too_much_is_told_so_in_the_same_shape(serve, settings, clients):
    client = serve(settings.model_copy(update={"requests_per_minute": 1}))
    models = clients(client, max_retries=0).models
    assert models.list().data
    with pytest.raises(openai.RateLimitError) as raised:
        models.list()
    assert (raised.value.code, raised.value.type) == ("rate_limit_exceeded", "rate_limit_error")
    assert int(raised.value.response.headers["retry-after"]) >= 1


def test_a_server_that_ends_tells_who_waits(settings, database, clients, ask, shop, worker):
    with serving(settings) as url, connect(database, url, "shop") as client:
        future = ask(clients(client, max_retries=0).images.generate, prompt=PROMPT)
        (job,) = coming(shop)
    with pytest.raises(openai.InternalServerError) as raised:
        future.result(60)
    assert (raised.value.status_code, raised.value.type) == (503, "server_error")
    assert raised.value.response.headers["x-should-retry"] == "true"
    # Sent again, elsewhere, it waits for the same image.
    worker.make(str(job.id), picture())
    with serving(settings) as url, connect(database, url, "shop") as client:
        assert clients(client).images.generate(prompt=PROMPT).data


def test_an_idempotency_key_is_done_once_and_waits_again(client, ask, shop, worker):
    def post() -> httpx.Response:
        headers = {"Idempotency-Key": "one"}
        body = {"prompt": PROMPT}
        return client.post("/openai/v1/images/generations", json=body, headers=headers)

    first = ask(post)
    (job,) = coming(shop)
    second = ask(post)
    worker.make(str(job.id), picture())
    assert first.result(60).content == second.result(60).content
    assert second.result().headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.result().headers
    assert len(shop.all(Job)) == 1


def test_after_the_limit_it_is_said_how_to_ask(serve, settings, clients, shop, worker):
    client = serve(settings.model_copy(update={"openai_wait_seconds": 0.5}))
    with pytest.raises(openai.InternalServerError) as raised:
        clients(client).images.generate(prompt=PROMPT)
    error = raised.value
    assert (error.status_code, error.code, error.type) == (504, "images_not_ready", "server_error")
    # The client would have waited two more times.
    (job,) = shop.all(Job)
    assert error.body["jobs"] == [str(job.id)]
    assert f"GET /v1/jobs/{job.id}" in error.body["message"]
    worker.make(str(job.id), picture())
    assert client.get(f"/v1/jobs/{job.id}/image").status_code == 200
    assert clients(client).images.generate(prompt=PROMPT).data[0].b64_json


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (GenerationImpossibleError("It is too much."), 400, "invalid_request_error"),
        (GenerationFailedError("It is too much."), 500, "server_error"),
    ],
)
def test_what_was_not_made_says_why(client, clients, ask, shop, worker, error, status, kind):
    future = ask(clients(client, max_retries=0).images.generate, prompt=PROMPT)
    (job,) = coming(shop)
    worker.fail(str(job.id), error)
    with pytest.raises(openai.APIStatusError) as raised:
        future.result(60)
    told = raised.value
    assert (told.status_code, told.type, told.code) == (status, kind, error.code)
    assert "It is too much." in told.body["message"]


def test_one_that_was_cancelled_is_not_waited_for(images, ask, shop, database):
    future = ask(images.generate, prompt=PROMPT)
    (job,) = coming(shop)
    with database.session() as session:
        cancel_job(session, job.id)
    with pytest.raises(openai.APIStatusError) as raised:
        future.result(60)
    assert (raised.value.status_code, raised.value.code) == (410, "gone")


def test_a_tenant_has_half_of_the_places_to_wait_in(serve, settings, clients, ask, shop, worker):
    client = serve(settings.model_copy(update={"openai_waiting": 2}))
    patient = clients(client, max_retries=0).images
    future = ask(patient.generate, prompt=PROMPT)
    (job,) = coming(shop)
    with pytest.raises(openai.RateLimitError) as raised:
        patient.generate(prompt="another")
    assert raised.value.code == "too_many_waiting"
    worker.make(str(job.id), picture())
    assert future.result(60).data
    # Its place is free again.
    answered_again = ask(patient.generate, prompt=PROMPT)
    assert answered_again.result(60).data


def test_who_leaves_gives_its_place_back_and_the_image_is_made(
    serve, settings, clients, shop, worker
):
    client = serve(settings.model_copy(update={"openai_waiting": 2}))
    url = client.base_url
    with closing(HTTPConnection(url.host, url.port, timeout=60)) as connection:
        headers = {**client.headers, "content-type": "application/json"}
        body = json.dumps({"prompt": PROMPT})
        connection.request("POST", "/openai/v1/images/generations", body, headers)
        (job,) = coming(shop)
    patient = clients(client, max_retries=0).images
    worker.make(str(job.id), picture())

    def answered_now() -> bool:
        try:
            return bool(patient.generate(prompt=PROMPT).data)
        except openai.RateLimitError:
            return False

    poll(answered_now)


def test_many_wait_with_no_connection_and_one_thread(database, shop):
    """Fifty requests wait for fifty jobs; the pool has not a connection less meanwhile."""
    jobs = list(shop.want(*(f"mug {number}" for number in range(50))).job_ids)
    threads = threading.active_count()

    async def wait() -> list[bool]:
        watch = EndWatch(database)
        waits = [asyncio.create_task(watch.wait([job], seconds=60)) for job in jobs]
        missing = asyncio.create_task(watch.wait([UUID(int=1)], seconds=60))
        late = asyncio.create_task(watch.wait([jobs[-1]], seconds=0.2))
        assert await missing  # what was deleted is not waited for
        assert not await late
        assert not any(one.done() for one in waits)
        assert threading.active_count() <= threads + 1
        assert database.engine.pool.checkedout() <= 1
        with database.session() as session:
            for job in jobs:
                cancel_job(session, job)
        return await asyncio.gather(*waits)

    assert asyncio.run(wait()) == [True] * 50
