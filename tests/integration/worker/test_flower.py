"""The running Flower: closed to strangers, open about states, silent about prompts.

One story told in chapters on one Flower: starting it and a worker takes seconds.
"""

import json
import re
import signal
from uuid import UUID

import httpx
import pytest
from flower.urls import handlers
from sqlalchemy import func, update

from bundles.manifest_file import load_manifest
from core.broker import Broker
from core.db.engine import Database
from core.db.models import Generation
from core.domain.lanes import Lane, Message
from core.domain.states import GenerationState
from core.flower_pass import Kind, make_pass
from core.lifecycle import cancellation, feeding
from core.queue import Publisher, make_celery
from core.settings import Settings
from local.infrastructure import DATABASE
from local.ports import free_port
from ops.feeder import Feeder
from ops.sweeper import Sweeper
from tests.integration.api.conftest import describe_bundle
from tests.integration.shop import Shop, poll, wanted

pytestmark = pytest.mark.slow
"""All of it: a story without some of its chapters is none."""

LOGIN = ("watcher", "flower: a pass:word")
SECONDS = 300
"""Until a test gives up: machines that run tests are busy at times."""
WORKER = "tests.integration.worker.fragile_worker"
SECRET = "gadget"
"""In every prompt."""

ROUTES = [
    handler[0] if isinstance(handler, tuple) else handler.regex.pattern for handler in handlers
]
PATHS = sorted({re.sub(r"\(.*?\)|\.\*", "x", route).rstrip("$?") or "/x" for route in ROUTES})


@pytest.fixture(scope="module")
def place(services, tmp_path_factory):
    """A database and settings for all chapters."""
    folder = tmp_path_factory.mktemp("flower")
    describe_bundle(folder / "bundle")
    services.postgres.create_database("flower", template=DATABASE)
    services.valkey.flush()
    yield services.environment | {
        "PACKSHOT_DATABASE_URL": services.postgres.url("flower"),
        "PACKSHOT_BUNDLE": str(folder / "bundle"),
        "PACKSHOT_HOME": str(folder),
        "PACKSHOT_APPROXIMATE_BUDGET_BYTES": "0",
        "PACKSHOT_HEARTBEAT_SECONDS": "0.2",
        "PACKSHOT_VISIBILITY_TIMEOUT": "4",
        "PACKSHOT_MAX_ATTEMPTS": "2",
        "FLOWER_BASIC_AUTH": ":".join(LOGIN),
        "FLOWER_PORT": str(free_port()),
    }
    services.postgres.drop_database("flower")


@pytest.fixture(scope="module")
def factory(place):
    """A shop whose images real workers make; the test sweeps."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in place.items():
            patch.setenv(name, value)
        settings = Settings(_env_file=None)
    database, broker = Database(settings), Broker(settings)
    factory = Factory(database, broker, settings)
    yield factory
    factory.publisher.celery.close()
    broker.close()
    database.close()


class Factory(Shop):
    def __init__(self, database: Database, broker: Broker, settings: Settings) -> None:
        super().__init__(
            database, bundle_revision=load_manifest(next(iter(settings.models.values()))).revision
        )
        self.publisher = Publisher(make_celery(settings))
        self.sweeper = Sweeper(
            database=database,
            broker=broker,
            publisher=self.publisher,
            feeder=Feeder(
                database=database,
                broker=broker,
                publisher=self.publisher,
                window=100,
                republish_seconds=3600,
            ),
            max_attempts=settings.max_attempts,
            republish_seconds=3600,
            sweep_seconds=3600,
        )

    def order(self, prompt: str, *, steps: int = 4, send: bool = True) -> tuple[UUID, UUID]:
        """Ask for an image; give its job and its generation."""
        image = wanted(f"{prompt} {SECRET}", width=64, height=64, steps=steps)
        submission = self.want(image, lane=Lane.BULK)
        ((identity, _),) = submission.published
        if send:
            self.send(identity)
        return submission.job_ids[0], identity

    def send(self, identity: UUID) -> None:
        messages = [Message(identity, Lane.BULK)]
        self.publisher.publish(messages)
        with self.database.session() as session:
            feeding.mark_published(session, messages)

    def state(self, identity: UUID) -> GenerationState:
        return self.generation(identity).state

    def expire_leases(self) -> None:
        with self.database.session() as session:
            session.execute(update(Generation).values(lease_expires_at=func.now()))


@pytest.fixture(scope="module")
def flower(place, launch):
    process = launch("ops.flower", place)
    url = f"http://127.0.0.1:{place['FLOWER_PORT']}"
    with httpx.Client(base_url=url, auth=LOGIN, trust_env=False, timeout=60) as client:

        def is_up() -> bool:
            assert process.popen.poll() is None, process.log.read_text()
            try:
                return client.get("/healthcheck").is_success
            except httpx.TransportError:
                return False

        poll(is_up, seconds=SECONDS)
        yield client


@pytest.fixture(scope="module")
def worker(flower, factory, place, launch):
    """A worker that Flower knows: it began to listen before."""
    return hire(place, launch)


def hire(place, launch):
    worker = launch(WORKER, place)
    worker.wait_until_said("ready.")
    return worker


def shown(flower: httpx.Client, identity: UUID) -> dict:
    """What Flower knows of a generation."""
    answer = flower.get(f"/api/task/info/{identity}")
    return answer.json() if answer.is_success else {"state": None}


def shows(flower: httpx.Client, identity: UUID, state: str) -> None:
    poll(lambda: shown(flower, identity)["state"] == state, seconds=SECONDS)


def stands(factory: Factory, identity: UUID, state: GenerationState) -> None:
    poll(lambda: factory.state(identity) is state, seconds=SECONDS)


@pytest.mark.parametrize("path", [*PATHS, "/nothing/here"])
def test_every_route_asks_for_the_password(flower, path):
    with httpx.Client(base_url=flower.base_url, trust_env=False, timeout=60) as stranger:
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"):
            for login in (None, ("watcher", "guess"), ("", "")):
                answer = stranger.request(method, path, auth=login)
                assert answer.status_code == 401, (method, path)
                assert "Basic" in answer.headers["www-authenticate"]
        for header in ("Basic", "Basic %%%", "Bearer x", f"Basic{LOGIN}"):
            answer = stranger.get(path, headers={"Authorization": header})
            assert answer.status_code == 401


def test_a_ticket_of_the_workbench_opens_it_for_a_while_to_look_at_only(flower):
    login = ":".join(LOGIN)
    with httpx.Client(base_url=flower.base_url, trust_env=False, timeout=60) as person:
        for guess in ("", "1.x", make_pass(Kind.VISIT, login), make_pass(Kind.TICKET, "a:b")):
            assert person.get("/", params={"ticket": guess}).status_code == 401
            person.cookies.set("packshot_flower", make_pass(Kind.TICKET, login))
            assert person.get("/workers").status_code == 401
            person.cookies.clear()
        ticket = {"ticket": make_pass(Kind.TICKET, login)}
        assert person.post("/api/tasks", params=ticket).status_code == 401
        first = person.get("/", params=ticket)
        assert first.status_code == 303
        assert first.headers["location"] == "./"
        kept = {part.strip().lower() for part in first.headers["set-cookie"].split(";")}
        assert {"httponly", "samesite=lax"} <= kept
        for path in ("/", "/metrics", "/workers", "/tasks", "/static/css/flower.css"):
            assert person.get(path).status_code == 200, path
        refused = person.post("/api/worker/shutdown/x", json={})
        assert refused.status_code == 403


def test_routes_of_every_kind_were_tried():
    assert {"/", "/metrics", "/healthcheck", "/api/tasks", "/static/x", "/login/"} <= set(PATHS)
    assert len(PATHS) > 30


def test_the_password_opens_it_to_look_at_only(flower):
    for path in ("/metrics", "/healthcheck", "/workers", "/tasks"):
        assert flower.get(path).status_code == 200
    for path in ("/api/task/revoke/x", "/api/worker/shutdown/x", "/api/task/send-task/x"):
        answer = flower.post(path, json={"args": []})
        assert answer.status_code == 403
        assert "ead only" in answer.text


def test_flower_without_a_password_does_not_start(place, launch):
    process = launch("ops.flower", place | {"FLOWER_BASIC_AUTH": ""})
    assert process.wait() == 3
    assert process.said("set FLOWER_BASIC_AUTH to user:password")


def test_a_finished_image_is_a_success_with_its_lane_and_runtime(flower, factory, worker):
    _, identity = factory.order("a red")
    stands(factory, identity, GenerationState.SUCCEEDED)
    shows(flower, identity, "SUCCESS")
    task = shown(flower, identity)
    assert task["name"] == "packshot.generate.bulk"
    assert task["runtime"] > 0
    assert f"worker-{worker.popen.pid}-" in task["worker"]


def test_a_failure_is_retried_and_then_a_failure(flower, factory, worker):
    _, identity = factory.order("a broken")
    shows(flower, identity, "RETRY")
    stands(factory, identity, GenerationState.QUEUED)
    sweep_until(factory, identity, GenerationState.FAILED)
    shows(flower, identity, "FAILURE")


def test_a_failure_is_retried_and_then_a_success(flower, factory, worker):
    _, identity = factory.order("a flaky")
    shows(flower, identity, "RETRY")
    sweep_until(factory, identity, GenerationState.SUCCEEDED)
    shows(flower, identity, "SUCCESS")


def sweep_until(factory: Factory, identity: UUID, state: GenerationState) -> None:
    """Sweep until the retry's delay is over and a worker is through with it."""

    def is_so() -> bool:
        factory.sweeper.sweep()
        return factory.state(identity) is state

    poll(is_so, seconds=SECONDS)


def test_a_cancelled_image_is_revoked_whether_it_runs_or_waits(flower, factory, worker):
    job_id, running = factory.order("a slow", steps=900)
    stands(factory, running, GenerationState.RUNNING)
    shows(flower, running, "STARTED")
    waiting_job, waiting = factory.order("an unsent", send=False)
    for one in (job_id, waiting_job):
        with factory.database.session() as session:
            cancellation.cancel_job(session, one)
    # As if the revocation, which is best effort, had not come through.
    factory.send(waiting)
    for identity in (running, waiting):
        assert factory.state(identity) is GenerationState.CANCELED
        shows(flower, identity, "REVOKED")


def test_a_killed_workers_images_go_on_or_fail_in_both(flower, factory, worker, place, launch):
    _, first = factory.order("a slow first", steps=900)
    _, last = factory.order("a slow last", steps=20)
    for identity in (first, last):
        stands(factory, identity, GenerationState.RUNNING)
        shows(flower, identity, "STARTED")
    with factory.database.session() as session:
        session.get_one(Generation, first).attempts = 2
    worker.send(signal.SIGKILL)
    worker.wait()

    factory.expire_leases()
    factory.sweeper.sweep()
    other = hire(place, launch)

    stands(factory, first, GenerationState.FAILED)
    shows(flower, first, "FAILURE")
    stands(factory, last, GenerationState.SUCCEEDED)
    shows(flower, last, "SUCCESS")
    assert f"worker-{other.popen.pid}-" in shown(flower, last)["worker"]


def test_no_page_shows_a_prompt_or_a_password(flower, factory, services):
    tasks = flower.get("/api/tasks").json()
    assert {task["state"] for task in tasks.values()} >= {"SUCCESS", "FAILURE", "REVOKED"}
    names = [f"/task/{identity}" for identity in tasks]
    names += [f"/worker/{task['worker']}" for task in tasks.values()]
    flower.get("/api/workers?refresh=1")
    pages = {*names, *(f"/api{name.replace('/task/', '/task/info/')}" for name in names), *PATHS}
    for page in sorted(pages):
        text = flower.get(page).text
        assert SECRET not in text, page
        assert services.valkey.password not in text, page


def test_the_workers_lines_name_their_image_and_job_but_no_prompt(factory, worker):
    # Libraries say things before there is a log.
    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if line[0] == "{"]
    assert not [line for line in lines if line["level"] != "error" and SECRET in str(line)]
    stored = [line for line in lines if line["message"] == "image stored"]
    assert stored
    for line in stored:
        assert str(factory.generation_of(UUID(line["job"]))) == line["generation"]
