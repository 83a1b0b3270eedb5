"""Images that somebody asks about: with a key or, where that is allowed, without one."""

import re

import numpy as np
import pytest
from PIL import Image

from api.turns import detections
from core.keys import create_key
from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.pictures.marking import PUBLIC_KEY, derive_key
from core.pictures.marks import MarkReader
from core.pictures.provenance import TRAINED
from core.pictures.watermark.code import Kind, Payload
from core.pictures.watermark.embedding import embed
from tests.pictures import animation, bomb, near_white, png, product, write_source_type

SECRET = "a shop's secret"


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    return np.asarray(near_white(product().resize((512, 512), Image.Resampling.BICUBIC)))


def watermarked(pixels: np.ndarray, reference: str, key: bytes = PUBLIC_KEY) -> bytes:
    payload = Payload(kind=Kind.GENERATED, reference=reference[:10])
    return png(Image.fromarray(embed(pixels, payload, key)))


def ask(client, content: bytes, **options):
    return client.post("/v1/detect", files={"file": ("a.png", content)}, **options)


def test_what_another_program_wrote_is_found_in_a_form_and_in_a_body(client, tmp_path):
    file = tmp_path / "mug.jpg"
    product().save(file)
    write_source_type(file, TRAINED)
    body = file.read_bytes()
    answer = ask(client, body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["content_type"], found["width"], found["ai_use"]) == (
        "image/jpeg",
        128,
        "generated",
    )
    (mark,) = found["marks"]
    assert (mark["carrier"], mark["confidence"], mark["source_type"]) == ("xmp", "stated", TRAINED)
    assert found["job_id"] is None
    sent = client.post("/v1/detect", content=body, headers={"Content-Type": "image/jpeg"})
    assert sent.json() == found


def test_a_watermark_leads_its_own_tenant_to_the_job_and_nobody_else(
    client, stranger, worker, drawn
):
    job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()["id"]
    image = worker.make(job)
    body = watermarked(drawn, image.fingerprint)
    found = ask(client, body).json()
    assert found["job_id"] == job
    assert found["marks"][0]["reference"] == image.fingerprint[:10]
    others = ask(stranger, body).json()
    assert others["job_id"] is None
    assert others["marks"] == found["marks"]


def test_the_deployments_secret_tells_its_own_images_from_others(serve, settings, drawn):
    changed = {"watermark_secret": SECRET}
    client = serve(type(settings).model_validate(settings.model_dump() | changed))
    for key, origin in ((derive_key(SECRET), "this_deployment"), (PUBLIC_KEY, "unknown")):
        (mark,) = ask(client, watermarked(drawn, "0123456789", key)).json()["marks"]
        assert (mark["origin"], mark["confidence"]) == (origin, "measured")
        assert mark["chance"] <= 1e-7
    assert ask(client, watermarked(drawn, "0123456789", derive_key("b"))).json()["marks"] == []


def test_what_this_deployment_signed_is_said_to_be_its_own(client, worker):
    job = client.post("/v1/jobs", json={"prompt": "a signed mug"}).json()["id"]
    worker.make(job, encode(product(), Format.PNG))
    rendition = client.get(f"/v1/jobs/{job}/renditions/web")
    assert rendition.status_code == 200, rendition.text
    found = {mark["carrier"]: mark for mark in ask(client, rendition.content).json()["marks"]}
    assert found["c2pa"]["confidence"] == "signed"
    assert found["c2pa"]["origin"] == "this_deployment"
    assert found["c2pa"]["signer"]["organisation"] == "packshot (self-issued)"


def test_without_a_key_it_is_answered_where_that_is_allowed_and_so_often(serve, settings):
    open_ = settings.model_copy(update={"public_detections_per_minute": 2})
    nobody, body = serve(open_, tenant=None), png(product())
    for left in (1, 0):
        answer = ask(nobody, body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["ratelimit"].startswith(f'"requests";r={left};t=')
    refused = ask(nobody, body)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.json()["detail"].startswith("An address without a key may send 2 requests")
    # A wrong key is none, and everything else asks for one.
    assert ask(nobody, body, headers={"Authorization": "Bearer psk_wrong"}).status_code == 401
    assert nobody.get("/v1/batches").status_code == 401
    assert nobody.post("/v1/detect/").status_code == 401


def test_where_it_is_not_allowed_it_asks_for_a_key_that_reads(client, database):
    with database.session() as session:
        _, plain = create_key(session, "shop", scopes=["submit"])
    headers = {"Authorization": f"Bearer {plain}"}
    assert ask(client, png(product()), headers=headers).status_code == 403
    client.headers.pop("Authorization")
    assert ask(client, png(product())).status_code == 401


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (lambda: b"no image", "photograph_unreadable"),
        (lambda: png(Image.new("RGB", (8, 8))), "photograph_too_small"),
        (animation, "photograph_animated"),
        (lambda: png(near_white(product()))[:-2000], "photograph_truncated"),
        (lambda: bomb(8_000), "photograph_too_large"),
    ],
    ids=["text", "tiny", "animation", "truncated", "bomb"],
)
def test_what_is_no_picture_is_refused_in_a_sentence(client, body, code):
    refused = ask(client, body())
    assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
    assert re.fullmatch(r"[A-Z].*\.", refused.json()["detail"])


def test_a_body_of_too_many_bytes_is_refused(serve, settings):
    client = serve(settings.model_copy(update={"max_source_bytes": 1000}))
    for size in (1001, 100_000):
        answer = ask(client, bytes(size))
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert "PACKSHOT_MAX_SOURCE_BYTES" in answer.json()["detail"]


def test_a_picture_that_takes_too_much_memory_ends_alone(client, monkeypatch):
    monkeypatch.setattr(detections, "_run", _run_out)
    refused = ask(client, png(product()))
    assert (refused.status_code, refused.json()["code"]) == (422, "image_too_costly")
    monkeypatch.undo()
    assert ask(client, png(product())).status_code == 200


def _run_out(answers, reader: MarkReader, body: bytes) -> None:
    """End as a process does that the kernel kills."""
    import os

    os._exit(137)
