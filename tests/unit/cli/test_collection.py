"""Waiting for a batch and downloading it."""

import csv
from pathlib import Path

import httpx
import pytest

from cli.client.collection import Collection, Collector, prepare_folder
from cli.client.http import Client
from cli.client.records import BatchRecord
from cli.errors import ImagesFailedError, UsageError
from cli.submission import require_all, write_results
from tests.unit.cli.server import KEY, FakeServer, Job, png


def client_of(server: FakeServer) -> Client:
    return Client("http://shop.test", KEY, patience=0, transport=server.transport)


def collect(server: FakeServer, folder: Path, **options: object) -> Collection:
    client = client_of(server)
    return Collector(client, client.batch("b1"), folder, **options).collect()  # type: ignore[arg-type]


def test_every_image_lies_under_its_sku_and_variant(tmp_path: Path) -> None:
    jobs = [Job("MUG", 1), Job("MUG", 2, body=png("blue")), Job("MUG", 1, line=7)]
    collection = collect(FakeServer(jobs), tmp_path)
    names = [entry.file.name for entry in collection.entries if entry.file]
    assert names == ["MUG_1.png", "MUG_2.png", "MUG_1_line7.png"]
    assert (tmp_path / "MUG_2.png").read_bytes() == png("blue")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_pages_are_read_to_the_end(tmp_path: Path) -> None:
    jobs = [Job(f"SKU{number}") for number in range(7)]
    collection = collect(FakeServer(jobs, page=3), tmp_path)
    assert [entry.item.sku for entry in collection.entries] == [job.sku for job in jobs]


def test_an_image_is_downloaded_when_it_is_ready_and_once(tmp_path: Path) -> None:
    jobs = [Job("A", state="queued"), Job("B"), Job("C", state="running")]
    server = FakeServer(jobs)
    told: list[int] = []

    def next_look() -> None:
        (tmp_path / "B_1.png").stat()  # it is there before its neighbours are ready
        next(job for job in jobs if job.state != "succeeded").state = "succeeded"

    def tell(batch: BatchRecord) -> None:
        told.append(batch.finished)

    collection = collect(server, tmp_path, pause=next_look, tell=tell)
    assert told == [1, 2, 3]
    assert server.downloads() == ["/v1/jobs/1/image", "/v1/jobs/0/image", "/v1/jobs/2/image"]
    assert [entry.item.sku for entry in collection.entries] == ["A", "B", "C"]


def test_what_lies_there_already_is_not_downloaded_again(tmp_path: Path) -> None:
    server = FakeServer([Job("MUG"), Job("CUP", body=png("green"))])
    collect(server, tmp_path)
    (tmp_path / "CUP_1.png").write_bytes(b"half")
    server.requests.clear()
    collect(server, tmp_path)
    assert server.downloads() == ["/v1/jobs/1/image"]
    assert (tmp_path / "CUP_1.png").read_bytes() == png("green")


def test_an_empty_batch_is_done_at_once(tmp_path: Path) -> None:
    assert list(collect(FakeServer([]), tmp_path).entries) == []


def test_an_interrupted_download_leaves_no_half_image(tmp_path: Path) -> None:
    server = FakeServer([Job("MUG")])

    def broken(request: httpx.Request) -> httpx.Response | None:
        if request.url.path.endswith("/image"):
            raise httpx.ReadError("reset")
        return None

    server.intercept = broken
    with pytest.raises(Exception, match="reset"):
        collect(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_failed_images_are_named(tmp_path: Path) -> None:
    jobs = [Job("MUG"), Job("CUP", line=3, state="failed", error="too dark")]
    collection = collect(FakeServer(jobs), tmp_path)
    with pytest.raises(ImagesFailedError) as caught:
        require_all(collection)
    assert caught.value.exit_code == 3
    assert caught.value.detail == (
        "1 of 2 images are missing:\n  line 3, CUP variant 1 failed: too dark"
    )


def test_results_name_the_files_that_lie_here(tmp_path: Path) -> None:
    jobs = [Job("MUG"), Job("CUP", state="failed", error="too dark"), Job("MUG", line=9)]
    server = FakeServer(jobs)
    file = write_results(client_of(server), collect(server, tmp_path))
    with file.open(newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == ["sku", "image", "variant", "status", "error", "image", "cache"]
    assert [row[5] for row in rows] == ["MUG_1.png", "", "MUG_1_line9.png"]
    assert [row[1] for row in rows] == ["old.jpg"] * 3
    assert not list(tmp_path.glob("*.part"))


def test_a_folder_that_cannot_be_written_is_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Choose another folder with --out"):
        prepare_folder(tmp_path / "file" / "out")
