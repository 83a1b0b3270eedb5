"""`packshot fetch --channel` and `--zip`."""

from pathlib import Path

import httpx
import pytest

from cli.client.collection import Collection, Collector
from cli.client.http import Client
from cli.commands.fetch import known_channel
from cli.errors import ImagesFailedError, UsageError
from cli.submission import fetch, fetch_archive
from tests.unit.cli.server import KEY, FakeServer, Job, png


def client_of(server: FakeServer) -> Client:
    return Client("http://shop.test", KEY, patience=0, transport=server.transport)


def collect(server: FakeServer, folder: Path, channel: str | None) -> Collection:
    client = client_of(server)
    return Collector(client, client.batch("b1"), folder, channel=channel).collect()


def test_a_channels_files_lie_under_the_names_that_it_wants(tmp_path: Path) -> None:
    server = FakeServer([Job("MUG", renditions={"walmart": "MUG.PT01.jpg"}), Job("CUP")])
    collect(server, tmp_path, "walmart")
    assert {file.name for file in tmp_path.iterdir()} == {"MUG.PT01.jpg", "CUP_1.jpg"}
    assert (tmp_path / "CUP_1.jpg").read_bytes() == b"walmart of 1"


def test_the_originals_lie_under_the_names_that_were_asked_for(tmp_path: Path) -> None:
    server = FakeServer([Job("MUG", file_name="spring-MUG.png")])
    collect(server, tmp_path, None)
    assert (tmp_path / "spring-MUG.png").read_bytes() == png()


def test_a_servers_names_stay_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    collect(FakeServer([Job("MUG", file_name="../../MUG.png")]), folder, None)
    assert [file.name for file in folder.iterdir()] == ["MUG.png"]


def test_an_image_that_does_not_suit_the_channel_is_named_and_the_others_come(
    tmp_path: Path,
) -> None:
    server = FakeServer([Job("MUG"), Job("CUP")])

    def refuse(request: httpx.Request) -> httpx.Response | None:
        if request.url.path == "/v1/jobs/0/renditions/walmart":
            return httpx.Response(422, json={"detail": "It is too large.", "status": 422})
        return None

    server.intercept = refuse
    collection = collect(server, tmp_path, "walmart")
    (missing,) = collection.missing
    assert "It is too large." in (missing.item.error or "")
    assert (tmp_path / "CUP_1.jpg").is_file()


def test_a_zip_is_fetched_when_all_is_finished(tmp_path: Path) -> None:
    job = Job("MUG", state="queued")
    server = FakeServer([job])
    looks: list[int] = []

    def pause() -> None:
        looks.append(1)
        job.state = "succeeded"

    client = client_of(server)
    file = fetch_archive(client, client.batch("b1"), tmp_path, "web", pause=pause)
    assert looks == [1]
    assert file == tmp_path / "images-web.zip"
    assert file.read_bytes() == b"zip for web"
    assert [one.name for one in tmp_path.iterdir()] == [file.name]


def test_missing_images_are_told_after_the_zip_is_there(tmp_path: Path) -> None:
    client = client_of(FakeServer([Job("MUG"), Job("CUP", state="failed", error="too dark")]))
    with pytest.raises(ImagesFailedError, match=r"1 of 2 images are missing; MISSING.txt"):
        fetch_archive(client, client.batch("b1"), tmp_path, None, pause=lambda: None)
    assert (tmp_path / "images.zip").read_bytes() == b"zip for everybody"


KEPT, SCALED = "The background is not white.", "It was enlarged 2×."


def noted(sku: str, **notes: str) -> Job:
    return Job(sku, renditions={"walmart": f"{sku}.jpg", "web": f"{sku}.webp"}, notes=notes)


def test_every_note_is_told_once_with_the_first_sku(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = FakeServer(
        [
            noted("MUG"),
            noted("CUP", walmart=KEPT),
            noted("JUG", walmart=SCALED, web=SCALED),
            noted("JAR", walmart=KEPT),
        ]
    )
    client = client_of(server)
    fetch(client, client.batch("b1"), tmp_path)
    told = capsys.readouterr().err.splitlines()
    assert told[-3:] == [
        f"walmart, 2 images, first CUP: {KEPT}",
        f"walmart, 1 image JUG: {SCALED}",
        f"web, 1 image JUG: {SCALED}",
    ]


def test_notes_that_differ_by_a_factor_are_told_as_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enlarged = "It was enlarged {}×, which adds no detail."
    factors = ["2.3", "12", "4", "2.3", "1.7"]
    jobs = [noted(f"MUG{n}", web=enlarged.format(one)) for n, one in enumerate(factors)]
    jobs.append(noted("CUP", web=f"{KEPT} {enlarged.format(3)}"))
    client = client_of(FakeServer(jobs))
    fetch(client, client.batch("b1"), tmp_path)
    assert capsys.readouterr().err.splitlines()[-2:] == [
        f"web, 5 images, first MUG0: {enlarged.format('1.7 to 12')}",
        f"web, 1 image CUP: {KEPT} {enlarged.format(3)}",
    ]


@pytest.mark.parametrize("archive", [False, True])
def test_the_notes_on_other_channels_are_not_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], archive: bool
) -> None:
    server = FakeServer([noted("MUG", walmart=KEPT, web=SCALED)])

    def picture(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(200, content=png()) if "/renditions/" in request.url.path else None

    server.intercept = picture
    client = client_of(server)
    if archive:
        fetch_archive(client, client.batch("b1"), tmp_path, "web", pause=lambda: None)
    else:
        fetch(client, client.batch("b1"), tmp_path, channel="web")
    told = capsys.readouterr().err
    assert f"web, 1 image MUG: {SCALED}" in told
    assert KEPT not in told


def test_who_named_no_channel_is_asked_for_no_notes(tmp_path: Path) -> None:
    server = FakeServer([Job("MUG")])
    client = client_of(server)
    fetch(client, client.batch("b1"), tmp_path)
    assert not [one for one in server.requests if one.url.path.endswith("manifest.jsonl")]


def test_a_great_number_of_notes_is_cut_short(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [noted(f"MUG{n}", web=f"Its corner {n} is dark.") for n in range(25)]
    client = client_of(FakeServer(jobs))
    fetch(client, client.batch("b1"), tmp_path)
    assert "and 5 more notes; results.csv has them" in capsys.readouterr().err


def test_an_unknown_channel_is_told_before_anything_is_waited_for() -> None:
    with pytest.raises(UsageError, match="Did you mean 'walmart'"):
        known_channel("wallmart")
    assert known_channel("Web.avif") == "web.avif"
    assert known_channel(None) is None
