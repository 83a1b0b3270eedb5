"""How long somebody who has never seen packshot takes to a first approved image.

`python -m benchmarks.first_time --checkout DIR [--pace 2] [--sheet FILE]`: DIR is a fresh clone.
`./run.sh up` installs and starts everything, and a person in Debian's Chromium signs in with the
key that it printed, drops a sheet on *New batch*, looks at how it is read, queues it, and approves
the first image in *Review*, with so many seconds to read before each step. What packages and a
model's conversion take is in it.
"""

import argparse
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from benchmarks.report import show

CHROMIUM = "/usr/bin/chromium"
PATIENCE_SECONDS = 3600.0
STEP_MS = 60_000


class Steps:
    """What was done one after the other, and when."""

    def __init__(self, pace: float) -> None:
        self._pace = pace
        self._begun = time.monotonic()
        self.done: list[tuple[str, float]] = []

    def take(self, what: str) -> None:
        """Note a step that is done, and read what it led to."""
        self.done.append((what, time.monotonic() - self._begun))
        time.sleep(self._pace)


def main() -> None:
    """Measure, and show it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkout", type=Path, required=True, help="a fresh clone")
    parser.add_argument("--pace", type=float, default=2.0, help="seconds before each step")
    parser.add_argument("--sheet", type=Path, help="else examples/catalogue.csv")
    arguments = parser.parse_args()
    checkout = arguments.checkout.resolve()
    steps = Steps(arguments.pace)
    with _up(checkout) as (address, key):
        steps.take("`./run.sh up`")
        _approve_one(steps, address, key, arguments.sheet or checkout / "examples/catalogue.csv")
    rows = [{"step": what, "after, s": f"{seconds:.0f}"} for what, seconds in steps.done]
    result = {"pace": arguments.pace, "steps": [list(one) for one in steps.done]}
    show("first_time", rows, result)


@contextmanager
def _up(checkout: Path) -> Iterator[tuple[str, str]]:
    """Start the stack as README says; give its address and the key that it printed."""
    process = subprocess.Popen(
        [checkout / "run.sh", "up"],
        cwd=checkout, env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield _address_and_key(process)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait()


def _address_and_key(process: "subprocess.Popen[str]") -> tuple[str, str]:
    assert process.stdout
    said = ""
    deadline = time.monotonic() + PATIENCE_SECONDS
    for line in process.stdout:
        said += line
        address = re.search(r"http://127\.0\.0\.1:\d+", said)
        key = re.search(r"psk_\w+", said)
        if address and key:
            # What is said later must be read too: a full pipe would stop whoever writes into it.
            Thread(target=process.stdout.read, daemon=True).start()
            return address[0], key[0]
        if time.monotonic() > deadline:
            break
    raise SystemExit(f"It did not start:\n{said[-3000:]}")


def _approve_one(steps: Steps, address: str, key: str, sheet: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.set_default_timeout(STEP_MS)
        page.goto(address)
        steps.take("open the address")
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="New batch").first.wait_for()
        steps.take("sign in with the key")
        page.get_by_role("link", name="New batch").first.click()
        page.get_by_label("Sheet", exact=False).first.set_input_files(sheet)
        page.get_by_role("button", name="Look at the sheet").click()
        queue = page.get_by_role("button", name=re.compile(r"^Queue [\d,]+ images?$"))
        queue.wait_for()
        steps.take("drop a sheet, and look at how it is read")
        queue.click()
        page.wait_for_url("**/batches/*")
        steps.take("queue it")
        _review(steps, page)
        browser.close()


def _review(steps: Steps, page: Any) -> None:
    batch = page.url.split("?")[0]
    while True:
        page.goto(f"{batch}/review")
        if page.locator("input[name=chosen]").count():
            break
        time.sleep(0.5)
    steps.take("see its first images in Review")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("a")
    page.locator(".badge.approved").first.wait_for()
    steps.take("approve one")


if __name__ == "__main__":
    main()
