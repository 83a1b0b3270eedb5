"""More requests at once than there are threads and connections."""

import asyncio

import httpx

CONNECTIONS = 3
"""The fewest that an API process may have."""
REQUESTS = 150
"""Far more than an API process has threads."""


async def _all_at_once(client: httpx.Client, headers: list[dict[str, str]]) -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=client.base_url,
        headers=client.headers,
        timeout=120,
        limits=limits,
        trust_env=False,
    ) as many:
        return await asyncio.gather(
            *(
                many.post("/v1/jobs", json={"prompt": f"red mug {number}"}, headers=own)
                for number, own in enumerate(headers)
            )
        )


def test_requests_never_wait_for_each_other_for_ever(serve, settings):
    client = serve(settings.model_copy(update={"database_pool_size": CONNECTIONS}))
    answers = asyncio.run(_all_at_once(client, [{}] * REQUESTS))
    assert {answer.status_code for answer in answers} == {202}


def test_nor_do_those_that_are_to_be_done_once(serve, settings):
    client = serve(settings.model_copy(update={"database_pool_size": CONNECTIONS}))
    keys = [{"Idempotency-Key": f"{number}"} for number in range(REQUESTS)]
    answers = asyncio.run(_all_at_once(client, keys))
    assert {answer.status_code for answer in answers} == {202}
