"""Places where sheets are read are shared fairly, whatever a tenant sends."""

import asyncio
from collections import Counter
from contextlib import ExitStack, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.sheets.places import Places
from core.errors import ServiceDownError, TooManySheetsError


async def until_idle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class House:
    """Tenants with sheets that are read until somebody says that they are done."""

    def __init__(self, places: int) -> None:
        self.places = Places(places=places, queue=1000)
        self.reading: list[tuple[str, asyncio.Event]] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def send(self, tenant: str) -> asyncio.Task[None]:
        self.tasks.append(asyncio.create_task(self._read(tenant)))
        await until_idle()
        return self.tasks[-1]

    async def _read(self, tenant: str) -> None:
        async with self.places.place(tenant):
            entry = tenant, asyncio.Event()
            self.reading.append(entry)
            try:
                await entry[1].wait()
            finally:
                self.reading.remove(entry)

    async def finish(self, tenant: str) -> None:
        next(done for who, done in self.reading if who == tenant).set()
        await until_idle()

    @property
    def held(self) -> Counter[str]:
        return Counter(tenant for tenant, _ in self.reading)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with suppress(asyncio.CancelledError):
                await task


def test_a_tenant_leaves_half_of_the_places_to_others():
    async def run() -> None:
        house = House(4)
        for _ in range(45):
            await house.send("flood")
        assert house.held == {"flood": 2}
        await house.send("shop")
        assert house.held == {"flood": 2, "shop": 1}
        await house.close()

    asyncio.run(run())


def test_tenants_take_turns_and_each_tenants_sheets_their_order():
    async def run() -> None:
        house = House(2)
        for tenant in ("a", "b", "a", "a", "c", "b"):
            await house.send(tenant)
        order = []
        while house.reading:
            order.append(house.reading[0][0])
            await house.finish(order[-1])
            assert max(house.held.values(), default=0) <= 1
        assert order.index("c") <= 3
        assert Counter(order) == {"a": 3, "b": 2, "c": 1}

    asyncio.run(run())


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["send", "finish", "leave"]), st.sampled_from("abc"), st.integers(0)
        ),
        max_size=60,
    ),
    st.integers(2, 5),
)
def test_no_place_is_lost_whoever_comes_and_leaves(steps, number):
    async def run() -> None:
        house = House(number)
        for what, tenant, which in steps:
            if what == "send":
                await house.send(tenant)
            elif what == "finish" and house.held[tenant]:
                await house.finish(tenant)
            elif what == "leave" and house.tasks:
                house.tasks[which % len(house.tasks)].cancel()
                await until_idle()
            share = max(1, number // 2)
            waiting = Counter(task for task in house.tasks if not task.done()).total() - len(
                house.reading
            )
            assert max(house.held.values(), default=0) <= share
            assert len(house.reading) <= number
            # Nobody waits beside a free place that is theirs to take.
            if waiting and len(house.reading) < number:
                assert share in house.held.values()
        await house.close()
        assert not house.reading
        for tenant in "xyz"[: min(3, number)]:
            await house.send(tenant)
        assert house.held == Counter("xyz"[: min(3, number)])
        await house.close()

    asyncio.run(run())


def test_the_queue_is_bounded_for_each_and_for_all():
    places = Places(places=2, queue=6)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(places.admit("flood"))
        with pytest.raises(TooManySheetsError) as refused, places.admit("flood"):
            pass
        assert refused.value.extensions["retry_after"] > 0
        for tenant in "abc":
            stack.enter_context(places.admit(tenant))
        with pytest.raises(ServiceDownError) as full, places.admit("d"):
            pass
        assert full.value.extensions["retry_after"] > 0
    with places.admit("flood"):
        pass
