"""Requests to one host wait for each other, and those to others do not."""

import asyncio
import time

import pytest

from core.egress.politeness import HostRestsError, Politeness

SOON = 30.0


def test_no_more_than_so_many_are_at_one_host_at_once():
    running: dict[str, int] = {"slow.example": 0, "other.example": 0}
    most = dict(running)

    async def ask(politeness: Politeness, host: str) -> None:
        async with politeness.visit(host, until=time.monotonic() + SOON):
            running[host] += 1
            most[host] = max(most[host], running[host])
            await asyncio.sleep(0.01)
            running[host] -= 1

    async def run() -> None:
        politeness = Politeness(at_once=2, pause_seconds=0)
        hosts = ["slow.example"] * 8 + ["other.example"]
        await asyncio.gather(*(ask(politeness, host) for host in hosts))

    asyncio.run(run())
    assert most == {"slow.example": 2, "other.example": 1}


def test_two_begin_with_a_pause_between_them():
    begun: list[float] = []
    start = time.monotonic()

    async def ask(politeness: Politeness) -> None:
        async with politeness.visit("shop.example", until=time.monotonic() + SOON):
            begun.append(time.monotonic())

    async def run() -> None:
        politeness = Politeness(at_once=8, pause_seconds=0.05)
        await asyncio.gather(*(ask(politeness) for _ in range(4)))

    asyncio.run(run())
    # Late, a machine may be; early, none may begin.
    assert all(at - start > 0.05 * number - 0.001 for number, at in enumerate(sorted(begun)))


def test_a_host_that_rests_is_not_asked_when_there_is_no_time_for_that():
    async def run() -> None:
        politeness = Politeness(at_once=2, pause_seconds=0)
        politeness.rest("shop.example", seconds=100)
        until = time.monotonic() + SOON
        with pytest.raises(HostRestsError) as caught:
            async with politeness.visit("shop.example", until=until):
                pytest.fail("it was asked")
        assert 90 < caught.value.seconds <= 100
        async with politeness.visit("other.example", until=until):
            pass

    asyncio.run(run())


def test_who_waits_for_a_place_in_vain_is_told_and_takes_none():
    async def run() -> None:
        politeness = Politeness(at_once=1, pause_seconds=0)
        async with politeness.visit("shop.example", until=time.monotonic() + SOON):
            with pytest.raises(TimeoutError):
                async with politeness.visit("shop.example", until=time.monotonic() + 0.01):
                    pytest.fail("it was asked")
        async with politeness.visit("shop.example", until=time.monotonic() + SOON):
            pass

    asyncio.run(run())


def test_hosts_that_nobody_asks_are_forgotten():
    async def run() -> int:
        politeness = Politeness(at_once=1, pause_seconds=0)
        for number in range(100):
            name = f"{number}.example"
            async with politeness.visit(name, until=time.monotonic() + SOON):
                pass
        return len(politeness._hosts)

    assert asyncio.run(run()) == 1
