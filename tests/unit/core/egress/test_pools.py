"""Connections are kept for each origin, as long as somebody uses them."""

import asyncio

import httpcore

from core.egress.pools import OriginPools


def pools(kept_seconds: float) -> OriginPools:
    return OriginPools(httpcore.AsyncMockBackend([]), kept_seconds=kept_seconds)


def test_an_origin_has_one_pool_and_another_origin_another():
    async def run() -> None:
        kept = pools(60)
        async with (
            kept.use("http://a:80") as first,
            kept.use("http://a:80") as second,
            kept.use("http://b:80") as other,
        ):
            assert first is second
            assert other is not first
        async with kept.use("http://a:80") as again:
            assert again is first
        await kept.close()

    asyncio.run(run())


def test_a_pool_goes_when_nobody_has_used_it_for_a_while():
    async def run() -> None:
        kept = pools(0)
        async with kept.use("http://a:80") as first:
            async with kept.use("http://b:80"):
                pass
            async with kept.use("http://a:80") as second:
                assert second is first, "it is in use"
        async with kept.use("http://a:80") as third:
            assert third is not first
        await kept.close()

    asyncio.run(run())
