"""`packshot review`, against a real server."""

import json

import pytest

from cli.main import main
from core.db.models import Image


@pytest.fixture
def run(client, monkeypatch, capsys):
    """Run the command; give exit code, standard output and error."""
    monkeypatch.setenv("PACKSHOT_URL", str(client.base_url))
    monkeypatch.setenv("PACKSHOT_KEY", client.headers["Authorization"].removeprefix("Bearer "))

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["packshot", "review", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_images_are_listed_and_judged(run, client, send, worker, database):
    batch = send(client, "sku,prompt\nA,a mug\nB,a jug\nC,a pot\n")
    jobs = [one["id"] for one in client.get(batch["links"]["items"]).json()["items"]]
    images = [worker.make(job) for job in jobs]
    with database.session() as session:
        quality = {"needs_review": True, "reasons": ["holes"], "source": "kept", "notes": []}
        session.get_one(Image, images[2].id).quality = quality
    code, out, _ = run(batch["id"], "--json")
    assert (code, [one["id"] for one in json.loads(out)]) == (0, jobs)

    code, _, said = run(batch["id"], "--reject", jobs[0], "--reason", "The handle is gone.")
    assert (code, said) == (0, "1 image is judged.\n")
    code, _, said = run(batch["id"], "--all-unflagged")
    assert (code, said) == (0, "1 image is judged.\n")
    (waiting,) = json.loads(run(batch["id"], "--json")[1])
    assert waiting["id"] == jobs[2]

    code, _, said = run(batch["id"], "--approve", jobs[0])
    assert code == 1
    assert "is left as it is: psk_" in said
    code, _, said = run(batch["id"], "--approve", jobs[0], "--again")
    assert (code, said) == (0, "1 image is judged.\n")
    states = [
        one["approval"]["state"] for one in client.get(batch["links"]["items"]).json()["items"]
    ]
    assert states == ["approved", "approved", "pending"]


def test_what_is_judged_is_named_in_one_way(run, client, send):
    batch = send(client, "sku,prompt\nA,a mug\n")
    (job,) = client.get(batch["links"]["items"]).json()["items"]
    code, _, said = run(batch["id"], "--all-unflagged", "--approve", job["id"])
    assert code == 1
    assert "but not both" in said
    code, _, said = run(batch["id"], "--approve", job["id"])
    assert (code, said.splitlines()[1]) == (1, f"{job['id']} has no image yet, or none any more.")


def test_images_are_made_again_from_the_command(run, client, send, worker):
    batch = send(client, "sku,prompt\nA,a mug\nB,a jug\nC,a pot\n")
    jobs = [one["id"] for one in client.get(batch["links"]["items"]).json()["items"]]
    for job in jobs:
        worker.make(job)
    said = ("--prompt", "a red mug", "--seed", "7", "--steps", "3")
    code, out, _ = run(batch["id"], "--redo", jobs[0], *said, "--json")
    (made,) = json.loads(out)
    assert (code, made["replaces"]) == (0, jobs[0])
    assert (made["prompt"], made["seed"], made["steps"]) == ("a red mug", 7, 3)

    run(batch["id"], "--reject", jobs[1])
    code, _, told = run(batch["id"], "--redo-rejected")
    assert (code, told) == (0, "1 image is made again.\n")

    run(batch["id"], "--approve", jobs[2])
    other = client.post("/v1/jobs", json={"prompt": "a bowl"}).json()["id"]
    code, _, told = run(batch["id"], "--redo", jobs[2], "--redo", other)
    assert code == 1
    assert told.startswith("0 images are made again.\n")
    assert f"{jobs[2]}: " in told
    assert "has approved the image" in told
    assert f"{other}: It is no job of this batch." in told


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--redo-rejected", "--redo"), "but not both"),
        (("--redo-rejected", "--approve"), "but not both at once"),
        (("--prompt", "a mug", "--reject"), "--prompt is of images made again"),
    ],
)
def test_what_is_made_again_is_named_in_one_way(run, client, send, arguments, sentence):
    batch = send(client, "sku,prompt\nA,a mug\n")
    (job,) = client.get(batch["links"]["items"]).json()["items"]
    code, _, told = run(batch["id"], *arguments, job["id"])
    assert code == 1
    assert sentence in told
