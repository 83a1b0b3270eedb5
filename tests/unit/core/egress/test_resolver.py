"""Names are looked up in threads that others do not wait for."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from core.egress import resolver
from core.egress.addresses import Address, read_address
from core.egress.resolver import SystemResolver


class Names:
    """What the system is asked; names that begin with `stalling` are answered at the end."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ended = threading.Event()

    def look_up(self, host: str, port: int) -> list[Address]:
        self.asked.append(host)
        if host.startswith("stalling"):
            self.ended.wait()
        if host.endswith(".invalid"):
            raise OSError("no such host")
        return [read_address("192.0.2.1")]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    names = Names()
    monkeypatch.setattr(resolver, "_look_up", names.look_up)
    yield names
    names.ended.set()


async def give_up(system: SystemResolver, host: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await system.resolve(host, 443)


def test_requests_for_one_name_share_a_look_up(names: Names):
    async def run() -> None:
        system = SystemResolver(at_once=2)
        waiting = [asyncio.create_task(system.resolve("stalling.example", 443)) for _ in range(9)]
        await give_up(system, "stalling.example")
        assert names.asked == ["stalling.example"]
        names.ended.set()
        assert all(len(found) == 1 for found in await asyncio.gather(*waiting))
        await system.resolve("stalling.example", 443)
        assert len(names.asked) == 2, "it is kept for nobody who comes later"
        system.close()

    asyncio.run(run())


def test_what_was_given_up_keeps_no_other_waiting(names: Names):
    async def run() -> None:
        system = SystemResolver(at_once=4)
        for number in range(5):
            await give_up(system, f"stalling-{number}.invalid")
        async with asyncio.timeout(30):
            assert await system.resolve("healthy.example", 443)
        names.ended.set()
        system.close()

    asyncio.run(run())
