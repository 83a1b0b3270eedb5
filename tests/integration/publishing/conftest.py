"""A batch with images in store, doubles of the stores, and a publisher that runs in the test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlmodel import select

from core.db.engine import Database
from core.db.models import Image, PublishItem, PublishRun
from core.db.models.columns import new_id
from core.domain.states import JobState, PublishState
from core.domain.stores import Placement, StoreKind
from core.egress.client import EgressClient
from core.publishing import runs, targets
from core.publishing.credentials import CredentialBox
from core.settings import Settings
from core.storage import Storage
from ops.publishing.publisher import RunPublisher
from tests.integration.shop import Shop
from tests.pictures import png, product
from tests.specs import wanted
from tests.support import shopify_double, woocommerce_double
from tests.support.shopify_double import ShopifyDouble
from tests.support.store_server import serving_store
from tests.support.woocommerce_double import WooCommerceDouble

CREDENTIALS = {
    StoreKind.SHOPIFY: {"access_token": shopify_double.TOKEN},
    StoreKind.WOOCOMMERCE: {
        "username": woocommerce_double.USER,
        "application_password": woocommerce_double.PASSWORD,
    },
}
FILE = png(product())


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(
        update={
            "secret_keys": Settings(_env_file=None, secret_keys="one").secret_keys,
            "outbound_allow": "127.0.0.1",
            "outbound_ports": "1-65535",
            "publish_timeout": 20.0,
        }
    )


class Publishing:
    """What tests of publishing say in one line."""

    def __init__(self, database: Database, storage: Storage, settings: Settings) -> None:
        self.database = database
        self.storage = storage
        self.settings = settings
        self.shop = Shop(database)
        self.slept: list[float] = []
        self.on_sleep: Callable[[float], None] = self.slept.append

    def batch(self, *skus: str, variants: int = 1) -> UUID:
        """Make a batch whose images are all in store; each has the text `SKU, NUMBER`."""
        asked = [
            wanted(f"{sku} {number}", sku=sku, variant=number, alt_text=f"{sku}, {number}")
            for sku in skus
            for number in range(1, variants + 1)
        ]
        made = self.shop.want(*asked, batch=True)
        for job_id in made.job_ids:
            if self.shop.job(job_id).state is JobState.SUCCEEDED:
                continue
            claim = self.shop.start(job_id)
            stored = self.storage.put_image(
                FILE,
                tenant="shop",
                fingerprint=claim.fingerprint,
                extension="png",
                content_type="image/png",
                generation_id=claim.generation_id,
            )
            image = Image(
                id=new_id(),
                tenant="shop",
                fingerprint=claim.fingerprint,
                generation_id=claim.generation_id,
                key=stored.key,
                content_type="image/png",
                digest=stored.digest,
                size=stored.size,
                width=64,
                height=64,
                seed=1,
            )
            assert self.shop.succeed(claim, image)
        return self.shop.batch_of(made.job_ids[0]).id

    def target(self, kind: StoreKind, address: str, **values: Any) -> Any:
        with self.database.session() as session:
            return targets.add(
                session,
                CredentialBox.of(self.settings),
                "shop",
                **{
                    "name": kind.value,
                    "kind": kind,
                    "address": address,
                    "credentials": CREDENTIALS.get(kind, {}),
                }
                | values,
            )

    def plan(
        self,
        target: Any,
        batch_id: UUID,
        placement: Placement = Placement.LAST,
        *,
        channel: str | None = None,
    ) -> UUID:
        with self.database.session() as session:
            run = runs.create(session, "shop", target, batch_id, placement, channel)
        self.work()
        return run.id

    def start(self, run_id: UUID, *, work: bool = True) -> None:
        with self.database.session() as session:
            runs.start(session, runs.find(session, "shop", run_id, lock=True))
        if work:
            self.work()

    def undo(self, run_id: UUID, *, work: bool = True) -> None:
        with self.database.session() as session:
            runs.undo(session, runs.find(session, "shop", run_id, lock=True))
        if work:
            self.work()

    def work(self) -> None:
        """Do what is due, as a process that has just begun."""

        async def sleep(seconds: float) -> None:
            self.on_sleep(seconds)

        RunPublisher(
            database=self.database, storage=self.storage, settings=self.settings, sleep=sleep
        ).publish()

    def hasten(self) -> None:
        """Let every wait and every lease be over."""
        with self.database.session() as session:
            session.execute(update(PublishRun).values(not_before=PublishRun.created_at))

    def work_until_done(self, run_id: UUID) -> PublishRun:
        for _ in range(60):
            run = self.run(run_id)
            if run.state not in (
                PublishState.PLANNING,
                PublishState.RUNNING,
                PublishState.UNDOING,
            ):
                return run
            self.hasten()
            self.work()
        raise AssertionError(f"The run goes on for ever: {run.error}")

    def run(self, run_id: UUID) -> PublishRun:
        with self.database.session() as session:
            return session.get_one(PublishRun, run_id)

    def items(self, run_id: UUID) -> list[PublishItem]:
        with self.database.session() as session:
            statement = select(PublishItem).where(PublishItem.run_id == run_id)
            return list(session.exec(statement.order_by(PublishItem.position)).all())


@pytest.fixture
def publishing(database: Database, storage: Storage, settings: Settings) -> Publishing:
    return Publishing(database, storage, settings)


@pytest.fixture
def shopify() -> Iterator[Callable[..., ShopifyDouble]]:
    """Start a shop of Shopify."""
    with ExitStack() as stack:

        def start(**values: Any) -> ShopifyDouble:
            double = ShopifyDouble(**values)
            stack.enter_context(serving_store(double.server))
            return double

        yield start


@pytest.fixture
def woocommerce() -> Iterator[Callable[[], WooCommerceDouble]]:
    """Start a shop of WooCommerce."""
    with ExitStack() as stack:

        def start() -> WooCommerceDouble:
            double = WooCommerceDouble()
            stack.enter_context(serving_store(double.server))
            return double

        yield start


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bool], None]:
    """End the process at a request from now: before it is sent, or after it had its effect."""
    request = EgressClient.request

    def plan(number: int, after: bool) -> None:
        left = [number]

        async def dying(self: EgressClient, *arguments: Any) -> Any:
            left[0] -= 1
            dies = left[0] == 0
            if dies and not after:
                raise Killed
            answer = await request(self, *arguments)
            if dies:
                raise Killed
            return answer

        monkeypatch.setattr(EgressClient, "request", dying)

    return plan


@pytest.fixture
def interrupted(
    publishing: Publishing, kill_at: Callable[[int, bool], None]
) -> Callable[..., bool]:
    """Ask for something, die at a request, and go on until it is done; return whether it died."""

    def carry_out(
        ask: Callable[..., None], run_id: UUID, done: PublishState, number: int, *, after: bool
    ) -> bool:
        ask(run_id, work=False)
        kill_at(number, after)
        killed = False
        try:
            publishing.work()
        except Killed:
            killed = True
        kill_at(0, after)
        assert publishing.work_until_done(run_id).state is done
        return killed

    return carry_out
