"""An upgrade without downtime: the version before runs on the tables of this one, beside this one.

Its processes are real ones, out of the repository's history: its API answers, its housekeeping
keeps house, its worker (with a model that costs nothing) finishes jobs, whichever API took them.
"""

import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from alembic.script import ScriptDirectory

import migrations
from local.ports import free_port
from tests.integration.shop import poll
from tests.integration.worker.conftest import PATIENCE_SECONDS, ROOT, Process

pytestmark = pytest.mark.slow  # seven processes, one after the other

MIGRATE = """
import os, migrations
migrations.upgrade(os.environ["PACKSHOT_DATABASE_URL"])
"""
MAKE_KEY = """
from core.db.engine import Database
from core.keys import create_key
from core.settings import Settings
with Database(Settings()).session() as session:
    print(create_key(session, "shop")[1])
"""


def git(*arguments: str) -> str | None:
    """Ask the repository; None: it does not know, or there is none."""
    try:
        asked = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None


def version_before() -> str | None:
    """Name the newest release whose tables are older, else what was before the newest revision."""
    head = ScriptDirectory.from_config(migrations.configuration("")).get_current_head()
    (file,) = (ROOT / "migrations" / "versions").glob(f"{head}_*.py")
    path = file.relative_to(ROOT).as_posix()
    released = git("describe", "--tags", "--abbrev=0")
    if released and git("cat-file", "-e", f"{released}:{path}") is None:
        return released
    added = git("log", "-1", "--diff-filter=A", "--format=%H", "--", path)
    # One that is not committed yet comes after all that is.
    commit = "HEAD" if added == "" else f"{added}^"
    return git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the version before."""
    commit = version_before()
    if not commit:
        pytest.skip("the version before is not in this clone's history (a shallow one?)")
    folder = tmp_path_factory.mktemp("before")
    archive = folder.with_suffix(".tar")
    assert git("archive", "--output", str(archive), commit) is not None
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder


@pytest.fixture
def environment(services, bundle: Path) -> Iterator[dict[str, str]]:
    """The settings of processes of both versions; their database has no tables yet."""
    services.postgres.create_database("upgrade")
    services.valkey.flush()
    yield services.environment | {
        "PACKSHOT_DATABASE_URL": services.postgres.url("upgrade"),
        "PACKSHOT_BUNDLE": str(bundle),
        "PACKSHOT_LOG_LEVEL": "WARNING",
        "PACKSHOT_DRAIN_SECONDS": "0",
        "PACKSHOT_SWEEP_SECONDS": "0.3",
    }
    services.postgres.drop_database("upgrade")


class Api:
    """One API process, and a client of it."""

    def __init__(self, process: Process, url: str, key: str) -> None:
        self.process = process
        self._client = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )
        poll(self._answers, seconds=PATIENCE_SECONDS)

    def close(self) -> None:
        self._client.close()

    def _answers(self) -> bool:
        assert self.process.popen.poll() is None, self.process.log.read_text()
        try:
            return self._client.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def ask(self, method: str, path: str) -> httpx.Response:
        answer = self._client.request(method, path)
        assert answer.is_success, (path, answer.text)
        return answer

    def submit(self, name: str, images: int = 2) -> str:
        """Submit a sheet; give the batch's path."""
        rows = [
            {"sku": f"{name}-{number}", "prompt": f"{name} {number}", "steps": 1,
             "guidance_scale": 1, "width": 32, "height": 32}
            for number in range(images)
        ]  # fmt: skip
        answer = self._client.post("/v1/batches", json={"rows": rows, "name": name})
        assert answer.status_code == 202, answer.text
        path: str = answer.json()["links"]["self"]
        return path

    def assert_finished(self, batch: str) -> None:
        """Wait for a batch: all of its images are made, and can be downloaded."""
        poll(lambda: self.ask("GET", batch).json()["state"] != "running", seconds=PATIENCE_SECONDS)
        for job in self.ask("GET", f"{batch}/items").json()["items"]:
            assert job["state"] == "succeeded", job
            assert self.ask("GET", job["image"]["url"]).headers["Content-Type"] == "image/png"


@pytest.fixture
def run(environment: dict[str, str]) -> Callable[[Path, str], str]:
    """Run code of a version in a process of its own; give what it prints."""

    def run(root: Path, code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env=os.environ | environment | {"PYTHONPATH": str(root)},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout.strip()

    return run


@pytest.fixture
def api(before, environment, launch, run) -> Iterator[Callable[[Path], Api]]:
    """Start the API of a version; the tables are those of the version before."""
    run(before, MIGRATE)
    key = run(before, MAKE_KEY)
    with ExitStack() as opened:

        def api(root: Path) -> Api:
            port = free_port()
            process = launch("api", environment | {"PACKSHOT_API_PORT": str(port)}, root)
            started = Api(process, f"http://127.0.0.1:{port}", key)
            opened.callback(started.close)
            return started

        yield api


def test_it_answers_and_finishes_jobs_on_the_newer_tables_and_beside_the_newer_version(
    api, before, environment, launch, services
):
    housekeeping = launch("ops.housekeeping", environment, before)
    worker = launch("benchmarks.free_model", environment, before)
    older = api(before)
    older.assert_finished(older.submit("before the upgrade"))

    under_way = older.submit("under way", images=20)
    migrations.upgrade(services.postgres.url("upgrade"))
    older.assert_finished(under_way)
    after = older.submit("after the upgrade")
    older.assert_finished(after)
    for path in ("/v1/batches", "/v1/jobs", "/v1/stats", f"{after}/results.csv"):
        older.ask("GET", path)
    older.ask("DELETE", under_way)

    newer = api(ROOT)
    newer.assert_finished(after)
    # The message is the newer version's, who reads it the older one.
    newer.assert_finished(newer.submit("of the newer, by the older"))
    launch("benchmarks.free_model", environment)
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0, worker.log.read_text()
    newest = older.submit("of the older, by the newer")
    newer.assert_finished(newest)
    older.assert_finished(newest)
    older.process.send(signal.SIGTERM)
    assert older.process.wait() == 0, older.process.log.read_text()
    newer.assert_finished(newer.submit("of the newer alone"))
    for one in (housekeeping, worker, older.process):
        assert "psycopg.errors" not in one.log.read_text(), one.log.read_text()
