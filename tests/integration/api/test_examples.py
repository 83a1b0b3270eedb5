"""The clients of `examples/clients`, run as they are."""

import csv
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.integration.api.conftest import PIXELS
from tests.integration.shop import poll

CLIENTS = Path(__file__).parents[3] / "examples" / "clients"
LANGUAGES = {
    "py": ("python", [sys.executable]),
    "mts": ("node", ["node", "--no-warnings", "--experimental-strip-types"]),
    "sh": ("curl", ["sh"]),
}


def takes_typescript() -> bool:
    """Whether there is a node that runs TypeScript by itself: from 22.6 on."""
    asked = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    major, minor, *_ = asked.stdout.removeprefix("v").split(".")
    return (int(major), int(minor)) >= (22, 6)


@pytest.fixture(params=LANGUAGES)
def run(request, client, tmp_path):
    """Start a client on a sheet that is given."""
    program, command = LANGUAGES[request.param]
    if program != "python" and shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    if program == "node" and not takes_typescript():
        pytest.skip("this node runs no TypeScript: 22.6 does")
    started = []

    def run(sheet: str) -> subprocess.Popen:
        (tmp_path / "sheet.csv").write_text(sheet)
        key = client.headers["Authorization"].removeprefix("Bearer ")
        url = str(client.base_url).rstrip("/")
        started.append(
            subprocess.Popen(
                [*command, CLIENTS / f"client.{request.param}", "sheet.csv", "out"],
                cwd=tmp_path,
                env=os.environ | {"PACKSHOT_URL": url, "PACKSHOT_KEY": key, "NO_PROXY": "*"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[0]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_a_sheet_becomes_files(run, client, worker, tmp_path):
    process = run("sku,prompt\nMUG,a red mug\nCUP,a blue cup\n")
    poll(lambda: client.get("/v1/batches").json()["items"] or process.poll() is not None)
    (batch,) = client.get("/v1/batches").json()["items"]
    for job in client.get(batch["links"]["items"]).json()["items"]:
        worker.make(job["id"])
    said, wrong = process.communicate(timeout=120)
    assert (process.returncode, wrong) == (0, "")
    assert "completed" in said
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        assert [(row["sku"], row["status"]) for row in csv.DictReader(file)] == [
            ("MUG", "succeeded"),
            ("CUP", "succeeded"),
        ]
    with zipfile.ZipFile(tmp_path / "out" / "images.zip") as images:
        assert [images.read(name) for name in images.namelist()] == [PIXELS, PIXELS]


def test_what_is_wrong_with_a_sheet_is_said(run, client):
    process = run("sku,prompt\nMUG,\n")
    said, wrong = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "prompt" in said + wrong
    assert client.get("/v1/batches").json()["items"] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_has_thirty_lines(language):
    lines = (CLIENTS / f"client.{language}").read_text().splitlines()
    assert len(lines) <= 30
