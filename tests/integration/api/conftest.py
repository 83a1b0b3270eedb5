"""The API on a real port and the real services, with a model that is only described."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import uvicorn
from anyio.from_thread import start_blocking_portal
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from api.app import create_app
from api.process.connections import Connections, Limits
from bundles.manifest import Defaults, Manifest, Sizes
from bundles.manifest_file import save_manifest
from core.db.engine import Database
from core.db.models import Image, Job
from core.domain.states import JobState
from core.keys import create_key
from core.lifecycle import completion
from core.settings import Settings
from core.storage import Storage
from local.ports import free_port
from tests.integration.shop import Shop, finished, image_of, poll
from tests.pictures import near_white, png, product
from tests.support.shopify_double import ShopifyDouble
from tests.support.store_server import serving_store

PIXELS = b"\x89PNG these are not pixels, but bytes that must come back as they are"


def describe_bundle(folder: Path, *, revision: str = "1") -> None:
    """Write what the API reads of a bundle."""
    (folder / "tokenizer").mkdir(parents=True, exist_ok=True)
    words = Tokenizer(WordLevel({"[unknown]": 0}, unk_token="[unknown]"))
    words.pre_tokenizer = Whitespace()
    words.save(str(folder / "tokenizer" / "tokenizer.json"))
    manifest = Manifest(
        name="described",
        revision=revision * 64,
        source="nowhere",
        defaults=Defaults(steps=4, guidance_scale=3.0, scheduler="ddim", width=64, height=64),
        sizes=Sizes(min=32, max=128, multiple_of=32, tested=((64, 64),)),
        max_tokens=12,
    )
    save_manifest(manifest, folder)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """The folder of a bundle whose model reads ten words and makes 32 to 128 pixels."""
    describe_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def settings(settings: Settings, bundle: Path) -> Settings:
    secret = Settings(_env_file=None, secret_keys="of the tests").secret_keys
    values = {"models": {"default": bundle}, "connect_timeout": 1.0, "secret_keys": secret}
    return settings.model_copy(update=values)


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Run the API in a thread of this process, and give its URL."""
    config = uvicorn.Config(
        create_app(settings),
        http=Connections(Limits.of(settings)),
        log_config=None,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        poll(lambda: server.started or not thread.is_alive())
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def serve(database: Database) -> Iterator[Callable[..., httpx.Client]]:
    """Start the API with some settings, and open a client; without a tenant it has no key."""
    with ExitStack() as stack:

        def serve(settings: Settings, *, tenant: str | None = "shop") -> httpx.Client:
            url = stack.enter_context(serving(settings))
            client = connect(database, url, tenant)
            return stack.enter_context(client)

        yield serve


def connect(database: Database, url: str, tenant: str | None) -> httpx.Client:
    headers = {}
    if tenant:
        with database.session() as session:
            headers["Authorization"] = f"Bearer {create_key(session, tenant)[1]}"
    return httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False)


class SharedServer:
    """One server in a thread, to which each test lends what an application of its own opens.

    Whatever the API keeps in memory is part of that, so nothing of a test is there for the next.
    """

    def __init__(self, listener: socket.socket) -> None:
        settings = Settings(_env_file=None)
        http = Connections(Limits.of(settings))
        config = uvicorn.Config(create_app(settings), http=http, log_config=None, lifespan="off")
        self.server = uvicorn.Server(config)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listener]})
        self.thread.start()
        poll(lambda: self.server.started or not self.thread.is_alive())

    @contextmanager
    def serving(self, settings: Settings) -> Iterator[str]:
        """Answer requests with these settings inside the block, and give the URL."""
        app = create_app(settings)
        lent = self.server.lifespan.state
        with start_blocking_portal() as portal:
            opened = app.router.lifespan_context(app)
            with portal.wrap_async_context_manager(opened) as state:
                lent.update(state)
                try:
                    yield self.url
                finally:
                    # Background tasks go on after the answer.
                    poll(lambda: not self.server.server_state.tasks)
                    lent.clear()

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture(scope="session")
def server() -> Iterator[SharedServer]:
    """The server of all tests that need no settings of the server's own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = SharedServer(listener)
        yield server
        server.stop()


@pytest.fixture
def client(server: SharedServer, settings: Settings, database: Database) -> Iterator[httpx.Client]:
    """A client of the tenant `shop`."""
    with server.serving(settings) as url, connect(database, url, "shop") as client:
        yield client


@pytest.fixture
def stranger(client: httpx.Client, database: Database) -> Iterator[httpx.Client]:
    """A client of the same server, but of another tenant."""
    with connect(database, str(client.base_url), "stranger") as stranger:
        yield stranger


class Worker:
    """Finishes jobs, as a worker does, without a model."""

    def __init__(self, shop: Shop, storage: Storage) -> None:
        self.shop = shop
        self.storage = storage

    def start(self, job_id: str) -> None:
        self.shop.start(self._job(job_id).id)

    def make(self, job_id: str, pixels: bytes = PIXELS) -> Image:
        """Store an image for a job, and finish whatever waits for it."""
        claim = self.shop.start(self._job(job_id).id)
        stored = self.storage.put_image(
            pixels,
            tenant=claim.tenant,
            fingerprint=claim.fingerprint,
            extension="png",
            content_type="image/png",
            generation_id=claim.generation_id,
        )
        image = image_of(claim)
        image.key, image.digest, image.size = stored.key, stored.digest, stored.size
        with self.shop.database.session() as session:
            assert completion.succeed(session, [finished(claim, image)])
        return image

    def fail(self, job_id: str, error: Exception) -> None:
        claim = self.shop.start(self._job(job_id).id)
        with self.shop.database.session() as session:
            assert completion.fail(session, claim, error)

    def _job(self, job_id: str) -> Job:
        job = self.shop.job(job_id)
        assert job.state == JobState.QUEUED
        return job


@pytest.fixture
def worker(shop: Shop, storage: Storage) -> Worker:
    return Worker(shop, storage)


@pytest.fixture
def send() -> Callable[..., dict]:
    """Send a CSV that is good, and give the batch."""

    def send(client: httpx.Client, sheet: str, **fields: object) -> dict:
        answer = client.post(
            "/v1/batches", files={"file": ("sheet.csv", sheet, "text/csv")}, data=fields
        )
        assert answer.status_code == 202, answer.text
        return answer.json()

    return send


@pytest.fixture
def things(client, database, send, worker) -> dict[str, str]:
    """Things of the tenant `shop`, by the path parameter that names them.

    A route with a new kind of thing adds it here.
    """
    batch = send(client, "sku,prompt\nA,a red mug\n", columns='{"sku": "sku"}')
    (mapping,) = client.get("/v1/mappings").json()["items"]
    (job,) = client.get(batch["links"]["items"]).json()["items"]
    worker.make(job["id"])
    with database.session() as session:
        key, _ = create_key(session, "shop")
    recipe = client.post("/v1/recipes", json={"name": "summer", "fields": {"steps": 4}})
    assert recipe.status_code == 201, recipe.text
    photograph = png(near_white(product()))
    source = client.post("/v1/sources", files={"file": ("mug.png", photograph)})
    assert source.status_code == 201, source.text
    spare = client.post("/v1/sources", files={"file": ("mug.png", photograph + b".")})
    erasure = client.delete(f"/v1/sources/{spare.json()['id']}").json()
    hook = client.post("/v1/webhook-endpoints", json={"url": "https://shop.example/"}).json()
    delivery = client.post(f"/v1/webhook-endpoints/{hook['id']}/test").json()
    store = {"name": "summer", "kind": "shopify", "address": "https://shop.example"}
    store["credentials"] = {"access_token": "shpat_of_the_tests"}
    assert client.post("/v1/publish-targets", json=store).status_code == 201
    plan = {"batch_id": batch["id"], "target": "summer"}
    run = client.post("/v1/publishes", json=plan).json()
    return {
        "batch_id": batch["id"],
        "job_id": job["id"],
        "mapping_id": mapping["id"],
        "key_id": str(key.id),
        "source_id": source.json()["id"],
        "erasure_id": erasure["id"],
        "endpoint_id": hook["id"],
        "delivery_id": delivery["id"],
        "run_id": run["id"],
        "channel": "walmart",
        "name": "summer",
        "version": "1",
    }


class ApiProcess:
    """`python -m api` or `python -m api.sheets`, which may not have started yet."""

    def __init__(
        self,
        environment: Mapping[str, str],
        bundle: Path,
        port: int | None = None,
        module: str = "api",
    ) -> None:
        self.port = port or free_port()
        self._url = f"http://127.0.0.1:{self.port}"
        extra = {"PACKSHOT_API_PORT": str(self.port), "PACKSHOT_BUNDLE": str(bundle)}
        self.popen = subprocess.Popen(
            [sys.executable, "-m", module],
            env=os.environ
            | {"PACKSHOT_LOG_LEVEL": "WARNING", "PACKSHOT_DRAIN_SECONDS": "0"}
            | environment
            | extra,
        )

    def url(self) -> str:
        """Give its address, as soon as it answers there."""
        poll(self._answers, seconds=300)
        return self._url

    def _answers(self) -> bool:
        assert self.popen.poll() is None
        try:
            return httpx.get(f"{self._url}/healthz", trust_env=False).is_success
        except httpx.TransportError:
            return False

    @property
    def workers(self) -> Sequence[psutil.Process]:
        """Those of its processes that answer requests."""
        first = psutil.Process(self.popen.pid)
        started = [one for one in first.children() if "--multiprocessing-fork" in one.cmdline()]
        return started or [first]

    @property
    def readers(self) -> Sequence[psutil.Process]:
        """Those of its processes that read sheets."""
        every = psutil.Process(self.popen.pid).children(recursive=True)
        servers = {one.pid for one in every if "forkserver" in " ".join(one.cmdline())}
        return [one for one in every if one.ppid() in servers]


def connections_at(process: psutil.Process, port: int) -> Sequence[Any]:
    """Give the connections that a process has taken at a port of this machine."""
    return [
        one
        for one in process.net_connections("tcp")
        if one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED
    ]


@contextmanager
def api_process(
    environment: Mapping[str, str], bundle: Path, port: int | None = None, module: str = "api"
) -> Iterator[ApiProcess]:
    """Run the API, or its service for sheets, in processes of its own."""
    process = ApiProcess(environment, bundle, port, module)
    try:
        yield process
    finally:
        process.popen.terminate()
        process.popen.wait()


@pytest.fixture
def double() -> Iterator[ShopifyDouble]:
    """A shop of Shopify's that answers as often as it is asked."""
    double = ShopifyDouble(points=1e9, most_points=1e9)
    with serving_store(double.server):
        yield double
