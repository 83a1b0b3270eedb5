"""`packshot up` in one terminal, other commands in another."""

import csv
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.command import ROOT, Packshot, Stack, until
from tests.integration.api.browser import Browser

PRODUCTS = ROOT / "examples" / "products.csv"
TEMPLATE = "a {{ pattern }} {{ color }} {{ kind }} on a {{ background }}"


@pytest.fixture(scope="module")
def packshot(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Packshot:
    folder = tmp_path_factory.mktemp("up")
    return Packshot(home=folder / "home", bundle=bundle, folder=folder)


@pytest.fixture(scope="module")
def stack(packshot: Packshot) -> Iterator[Stack]:
    with packshot.up() as stack:
        yield stack
    assert packshot.pids() == []


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_second_one_on_the_same_data_is_refused(packshot: Packshot, stack: Stack) -> None:
    second = packshot.run("up")
    assert second.returncode == 1
    assert f"already runs on {packshot.home} (process {stack.process.pid})" in second.stderr
    assert stack.url in second.stderr
    assert httpx.get(f"{stack.url}/healthz", trust_env=False).is_success


def test_flower_asks_for_its_password_and_shows_the_worker_but_no_prompts(
    packshot: Packshot, stack: Stack
) -> None:
    sheet = packshot.folder / "secret.csv"
    sheet.write_text("sku,prompt\nX,an unreleased purple gadget\n")
    assert packshot.run("submit", sheet, "--out", "secret").returncode == 0
    login = ("packshot", stack.flower_password)
    with httpx.Client(base_url=stack.flower, trust_env=False, timeout=30) as flower:
        assert flower.get("/").status_code == 401
        until(lambda: '"stats"' in flower.get("/api/workers?refresh=1", auth=login).text)
        until(lambda: "packshot.generate" in flower.get("/api/tasks", auth=login).text)
        for page in ("/api/tasks", "/tasks", "/workers", "/broker"):
            answer = flower.get(page, auth=login)
            assert answer.status_code == 200
            assert "gadget" not in answer.text


def test_who_is_signed_in_to_the_workbench_comes_to_flower(stack: Stack) -> None:
    with Browser(stack.url) as browser:
        browser.sign_in(stack.key)
        assert 'href="/workbench/system/flower"' in browser.get("/workbench/system").text
        page = browser.get("/workbench/system/flower")
    assert page.status_code == 200
    assert str(page.url) == f"{stack.flower}/"
    assert "autorefresh" in page.text


def test_a_template_makes_the_prompts(packshot: Packshot, stack: Stack) -> None:
    done = packshot.run(
        "submit", PRODUCTS, "--template", TEMPLATE, "--variants", "2", "--out", "products"
    )
    assert done.returncode == 0, done.stderr
    rows = read(packshot.folder / "products" / "results.csv")
    assert len(rows) == 2 * len(read(PRODUCTS))
    assert (packshot.folder / "products" / "LMP-1_2.png").is_file()
    assert re.search(r"^12 images in [\d.]+ s", done.stdout, re.MULTILINE)


def test_the_demo_uses_the_server_that_runs(packshot: Packshot, stack: Stack) -> None:
    sheet = packshot.folder / "two.csv"
    sheet.write_text("sku,prompt\nA,a red mug\nA,a blue mug\n")
    done = packshot.run("demo", "--exit", sheet, "--out", "two")
    assert done.returncode == 0, done.stderr
    assert f"already runs here; using {stack.url}" in done.stderr
    names = [row["image"] for row in read(packshot.folder / "two" / "results.csv")]
    assert names == ["A_1.png", "A_1_line3.png"]
    assert stack.process.poll() is None


def test_a_sheet_that_is_refused(packshot: Packshot, stack: Stack) -> None:
    sheet = packshot.folder / "bad.csv"
    sheet.write_text("sku,prompt,steps\nMUG,a red mug,2\nCUP,a blue cup,many\nPOT,,2\n")
    refused = packshot.run("demo", "--exit", sheet)
    assert refused.returncode == 1
    assert "line 3, column steps" in refused.stderr
    assert "line 4" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert stack.process.poll() is None


def test_a_batch_sent_earlier_is_fetched(packshot: Packshot, stack: Stack) -> None:
    sheet = packshot.folder / "later.jsonl"
    sheet.write_text('{"sku": "J1", "prompt": "a green lamp"}\n')
    sent = packshot.run("submit", sheet, "--detach")
    assert sent.returncode == 0, sent.stderr
    fetched = packshot.run("fetch", sent.stdout.strip(), "--out", "later")
    assert fetched.returncode == 0, fetched.stderr
    assert (packshot.folder / "later" / "J1_1.png").is_file()


def test_keys_are_made_listed_and_revoked(packshot: Packshot, stack: Stack) -> None:
    made = packshot.run("keys", "create", "--tenant", "other", "--name", "from a test")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    identity = re.search(r"Key (\S+) of tenant 'other'", made.stderr)
    assert identity

    sheet = packshot.folder / "theirs.csv"
    sheet.write_text("sku,prompt\nT,a red mug\n")
    sending = ["submit", sheet, "--url", stack.url, "--key", key, "--out", "theirs"]
    done = packshot.run(*sending)
    assert done.returncode == 0, done.stderr

    listed = packshot.run("keys", "list", "--tenant", "other").stdout
    assert identity[1] in listed
    assert "from a test" in listed
    assert key not in listed

    assert packshot.run("keys", "revoke", identity[1]).returncode == 0
    refused = packshot.run(*sending)
    assert refused.returncode == 1
    assert "API key" in refused.stderr
    assert packshot.run("keys", "revoke", identity[1]).returncode == 1


def test_an_image_that_fails_is_named_and_the_exit_code_says_so(
    packshot: Packshot, stack: Stack
) -> None:
    sheet = packshot.folder / "late.csv"
    sheet.write_text("sku,prompt\nDONE,a red mug\nLATE,never seen before\n")
    assert packshot.run("submit", sheet, "--out", "warm").returncode == 0
    sheet.write_text("sku,prompt\nDONE,a red mug\nLATE,never seen before either\n")
    workers = [pid for pid in packshot.pids() if "celeryd: worker-" in packshot.words(pid)]
    assert len(workers) == 1
    os.kill(workers[0], signal.SIGSTOP)
    try:
        late = packshot.run("submit", sheet, "--deadline-seconds", "1", "--out", "late")
    finally:
        os.kill(workers[0], signal.SIGCONT)
    assert late.returncode == 3
    assert "1 of 2 images are missing:\n  line 3, LATE variant 1 failed: " in late.stderr
    rows = read(packshot.folder / "late" / "results.csv")
    assert [(row["sku"], row["status"], row["image"]) for row in rows] == [
        ("DONE", "succeeded", "DONE_1.png"),
        ("LATE", "failed", ""),
    ]
    assert rows[1]["error"]
    assert (packshot.folder / "late" / "contact-sheet.png").is_file()


def test_a_migration_may_be_repeated(packshot: Packshot, stack: Stack) -> None:
    assert packshot.run("migrate").returncode == 0
