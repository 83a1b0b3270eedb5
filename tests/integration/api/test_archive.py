"""images.zip, manifest.jsonl and what results.csv says of files."""

import csv
import io
import json
import tracemalloc
import zipfile

import pytest
from botocore.exceptions import EndpointConnectionError
from PIL import Image
from python_calamine import CalamineWorkbook

from api.exports.archive import MISSING, open_archive
from api.exports.results import open_manifest, open_results
from api.services import open_services
from core.domain.lanes import Lane
from core.errors import GenerationFailedError
from core.storage import Storage
from tests.pictures import TRAINED, marks_of, near_white, png, product

SHEET = "sku,prompt\nMUG 1,a red mug\nMUG 1,a blue mug\nCUP,a cup\nJUG,a jug\n"


@pytest.fixture(scope="module")
def mug() -> bytes:
    return png(near_white(product()))


@pytest.fixture
def sheet(client, worker, send, mug):
    """A sheet of four: two are made, one failed, one is queued."""

    def sheet(**fields: str) -> dict:
        batch = send(client, SHEET, **fields)
        jobs = client.get(batch["links"]["items"]).json()["items"]
        for job in jobs[:2]:
            worker.make(job["id"], mug)
        worker.fail(jobs[2]["id"], GenerationFailedError("too hard"))
        return batch

    return sheet


def archive_of(answer) -> zipfile.ZipFile:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    return archive


def test_what_is_finished_is_in_the_archive_and_the_rest_is_named_in_it(client, sheet, mug):
    batch = sheet()
    archive = archive_of(client.get(batch["links"]["images"]))
    assert archive.namelist() == ["MUG-1_1.png", "MUG-1_1_line3.png", MISSING]
    assert archive.read("MUG-1_1.png") == mug
    assert archive.read(MISSING).decode().splitlines() == [
        "line 4, CUP variant 1: There is no image, because its job failed: too hard",
        "line 5, JUG variant 1: The image is not ready: its job is queued. Ask again in a moment.",
    ]


def test_a_channels_archive_has_its_files_and_names(client, sheet):
    batch = sheet(channels="amazon_secondary,web")
    archive = archive_of(client.get(batch["links"]["images"], params={"channel": "web"}))
    assert archive.namelist()[:2] == ["MUG-1_1.webp", "MUG-1_1_line3.webp"]
    archive = archive_of(
        client.get(batch["links"]["images"], params={"channel": "amazon_secondary"})
    )
    assert archive.namelist()[:2] == ["MUG_1.PT01.jpg", "MUG_1.PT02.jpg"]
    body = archive.read("MUG_1.PT02.jpg")
    assert Image.open(io.BytesIO(body)).format == "JPEG"
    assert marks_of(body) == {TRAINED}
    assert client.get(batch["links"]["images"], params={"channel": "x"}).status_code == 404


def test_lost_and_unreadable_images_break_nothing(client, sheet, shop, storage, monkeypatch):
    batch = sheet()
    first, second = shop.images()
    storage.delete([first.key])
    read = Storage.read

    def away(self, stored):
        if stored.key == second.key:
            raise EndpointConnectionError(endpoint_url="http://s3")
        return read(self, stored)

    monkeypatch.setattr(Storage, "read", away)
    archive = archive_of(client.get(batch["links"]["images"]))
    assert archive.namelist() == [MISSING]
    missing = archive.read(MISSING).decode()
    assert "line 2, MUG 1 variant 1: The stored image was lost or damaged" in missing
    assert "line 3, MUG 1 variant 1: It could not be read" in missing


def test_the_archive_is_sent_in_pieces_of_one_file(settings, shop, storage, worker):
    products = [f"mug {number}" for number in range(30)]
    jobs = shop.want(*products, batch=True, lane=Lane.BULK).job_ids
    for number, job in enumerate(jobs):
        worker.make(str(job), f"{number:0100000}".encode())
    with open_services(settings) as services:
        pieces = list(open_archive(services, "shop", shop.job(jobs[0]).batch_id, None).chunks)
    assert max(map(len, pieces)) < 110_000
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert len(archive.namelist()) == 30
        assert archive.testzip() is None


def test_files_of_a_batch_take_no_more_memory_however_many_images_it_has(
    settings, shop, worker, monkeypatch
):
    monkeypatch.setattr("api.exports.results.PAGE_ROWS", 10)
    monkeypatch.setattr("api.exports.archive.PAGE_ROWS", 10)
    few, many = (
        shop.want(*(f"{name} {number}" for number in range(count)), batch=True, lane=Lane.BULK)
        for name, count in (("cup", 20), ("mug", 120))
    )
    for number, job in enumerate((*few.job_ids, *many.job_ids)):
        worker.make(str(job), f"{number:0100000}".encode())
    with open_services(settings) as services:

        def peak(submission, stream) -> int:
            batch = shop.job(submission.job_ids[0]).batch_id
            tracemalloc.start()
            try:
                for _ in stream(services, "shop", batch).chunks:
                    pass
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

        for stream in (
            lambda *batch: open_archive(*batch, None),
            open_results,
            open_manifest,
        ):
            peak(few, stream)  # what is imported and compiled once
            # A ZIP's directory grows by its names: some hundred bytes for each image.
            assert peak(many, stream) < 1.3 * peak(few, stream) + 100 * 1000


def test_the_manifest_has_a_line_for_each_image(client, sheet):
    batch = sheet(channels="web", file_name="{{ line }}-{{ sku }}")
    answer = client.get(batch["links"]["manifest"])
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [(one["sku"], one["state"]) for one in lines] == [
        ("MUG 1", "succeeded"), ("MUG 1", "succeeded"), ("CUP", "failed"), ("JUG", "queued"),
    ]  # fmt: skip
    assert lines[0]["file_name"] == "2-MUG-1.png"
    assert lines[0]["row"] == {"sku": "MUG 1", "prompt": "a red mug"}
    assert lines[0]["renditions"][0]["public_url"].endswith("/web/2-MUG-1.webp")
    assert lines[2]["error"]["message"] == "too hard"


def test_the_results_name_files_and_their_addresses(client, sheet):
    batch = sheet(channels="walmart")
    text = client.get(batch["links"]["results"]).text
    first, _, failed, _ = csv.DictReader(io.StringIO(text))
    assert first["file_name"] == "MUG-1_1.png"
    assert first["walmart_file"] == "MUG-1_1.jpg"
    assert first["walmart_url"].endswith("/walmart/MUG-1_1.jpg")
    assert failed["walmart_url"] == ""


def test_the_workbook_says_the_same_and_shows_what_is_made(client, sheet):
    batch = sheet(channels="walmart")
    answer = client.get(f"/v1/batches/{batch['id']}/results.xlsx")
    assert answer.status_code == 200, answer.text
    table = CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0)
    header, *rows = table.to_python()
    written = list(csv.reader(io.StringIO(client.get(batch["links"]["results"]).text)))
    assert header == [*written[0], "thumbnail"]
    assert [row[:4] for row in rows] == [
        [*line[:2], float(line[2]), line[3]] for line in written[1:]
    ]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        drawing = archive.read("xl/drawings/drawing1.xml").decode()
    assert drawing.count("<xdr:pic>") == 2


def test_what_falls_short_of_a_channel_is_told_in_job_manifest_and_results(client, worker, send):
    batch = send(client, "sku,prompt\nA,a red mug\nB,a blue mug\n", channels="walmart,web")
    jobs = client.get(batch["links"]["items"]).json()["items"]
    assert jobs[0]["renditions"][0]["ground"] is None
    wooden = png(product(backdrop="wood"))
    for job, drawn in zip(jobs, (wooden, png(near_white(product()))), strict=True):
        worker.make(job["id"], drawn)
        for link in job["renditions"]:
            assert client.get(link["url"]).status_code == 200
    note = "The background is not white, as walmart wants it"
    job = client.get(f"/v1/jobs/{jobs[0]['id']}").json()
    walmart, web = job["renditions"]
    assert (walmart["ground"], web["ground"]) == ("kept", "kept")
    assert walmart["note"].startswith(note)
    assert "It was enlarged" in walmart["note"]
    assert web["note"] is None
    manifest = client.get(batch["links"]["manifest"]).text.splitlines()
    assert json.loads(manifest[0])["renditions"] == job["renditions"]
    first, second = csv.DictReader(io.StringIO(client.get(batch["links"]["results"]).text))
    assert first["walmart_note"] == walmart["note"]
    assert second["walmart_note"].startswith("It was enlarged")
    assert first["web_note"] == second["web_note"] == ""
