"""The MCP server as the official SDK's own client sees it, before a served API."""

import asyncio
import base64
import json
import os
import socket
import sys
import threading
from contextlib import asynccontextmanager
from io import BytesIO
from uuid import UUID

import httpx2
import pytest
import uvicorn
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from PIL import Image

from cli.mcp.packshot_api import PackshotApi
from cli.mcp.server import make_server
from core.domain.scopes import Scope
from core.keys import create_key
from tests.integration.shop import poll
from tests.pictures import near_white, png, product

ROWS = [{"sku": "MUG", "prompt": "a red mug"}, {"sku": "CUP", "prompt": "a blue cup"}]


@pytest.fixture
def key(client) -> str:
    return client.headers["Authorization"].removeprefix("Bearer ")


@pytest.fixture
def in_process(client, key):
    """Open the SDK's client on a server in this process."""

    def opened(key: str | None = key) -> Client:
        return Client(make_server(PackshotApi(str(client.base_url), key)))

    return opened


async def call(mcp: Client, tool: str, **arguments):
    result = await mcp.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def refusal(mcp: Client, tool: str, **arguments) -> str:
    result = await mcp.call_tool(tool, arguments)
    assert result.is_error
    (content,) = result.content
    return content.text


def test_an_agent_takes_a_sheet_to_its_images(in_process, worker):
    async def drive() -> None:
        async with in_process() as mcp:
            (model,) = (await call(mcp, "list_models"))["items"]
            assert model["name"] == "default"
            report = await call(mcp, "check_products", rows=ROWS)
            assert report["images"] == 2
            batch = await call(
                mcp, "submit_products", rows=ROWS, fields={"steps": 3}, idempotency_key="one"
            )
            again = await call(
                mcp, "submit_products", rows=ROWS, fields={"steps": 3}, idempotency_key="one"
            )
            assert again["id"] == batch["id"]
            listed = (await call(mcp, "list_images", batch_id=batch["id"]))["items"]
            assert [(one["sku"], one["steps"]) for one in listed] == [("MUG", 3), ("CUP", 3)]
            waits = asyncio.create_task(
                call(mcp, "batch_status", batch_id=batch["id"], wait_seconds=60)
            )
            for one in listed:
                await asyncio.to_thread(worker.make, one["id"], PHOTOGRAPH)
            assert (await waits)["state"] == "completed"
            found = await call(mcp, "find_jobs", sku="CUP", state="succeeded")
            assert [one["id"] for one in found["items"]] == [listed[1]["id"]]
            await looks(mcp, batch["id"], listed[0]["id"])

    asyncio.run(drive())


PHOTOGRAPH = png(near_white(product()))


async def looks(mcp: Client, batch_id: str, job_id: str) -> None:
    result = await mcp.call_tool("show_image", {"job_id": job_id})
    (shown,) = result.content
    with Image.open(BytesIO(base64.b64decode(shown.data))) as image:
        assert Image.MIME[image.format] == shown.mime_type
    result = await mcp.call_tool("show_image", {"job_id": job_id, "channel": "original"})
    assert base64.b64decode(result.content[0].data) == PHOTOGRAPH
    assert (await call(mcp, "detect_marks", job_id=job_id))["width"] == 128
    file = base64.b64encode(PHOTOGRAPH).decode()
    assert (await call(mcp, "detect_marks", image_base64=file))["content_type"] == "image/png"
    (blob,) = (await mcp.read_resource(f"packshot://jobs/{job_id}/image")).contents
    assert base64.b64decode(blob.blob) == PHOTOGRAPH
    (text,) = (await mcp.read_resource(f"packshot://batches/{batch_id}")).contents
    assert json.loads(text.text)["state"] == "completed"
    (table,) = (await mcp.read_resource(f"packshot://batches/{batch_id}/results.csv")).contents
    assert table.text.count("succeeded") == 2


def test_what_is_wrong_comes_back_as_a_sentence(in_process):
    async def drive() -> None:
        async with in_process() as mcp:
            bad = await refusal(mcp, "submit_products", rows=[{"sku": "A"}, {"prompt": "a mug"}])
            assert "sku" in bad
            assert "prompt" in bad
            unknown = await refusal(mcp, "submit_image", prompt="a mug", fields={"stepz": 4})
            assert "Did you mean 'steps'?" in unknown
            missing = await refusal(mcp, "job_status", job_id=str(UUID(int=1)))
            assert "There is no job" in missing
            assert "UUID" in await refusal(mcp, "job_status", job_id="../keys")
            assert "image_base64" in await refusal(mcp, "detect_marks")
            assert "base64" in await refusal(mcp, "detect_marks", image_base64="???")
            with pytest.raises(MCPError, match="is no id"):
                await mcp.read_resource("packshot://jobs/7")
            with pytest.raises(MCPError, match="There is no batch"):
                await mcp.read_resource(f"packshot://batches/{UUID(int=1)}")

    asyncio.run(drive())


def test_the_scopes_of_the_key_hold(in_process, client, database):
    with database.session() as session:
        _, reads = create_key(session, "shop", scopes=[Scope.READ])

    async def drive() -> None:
        async with in_process(reads) as mcp:
            assert (await call(mcp, "list_models"))["items"]
            assert "scope" in await refusal(mcp, "submit_image", prompt="a red mug")
        async with in_process("psk_wrong") as mcp:
            assert "unknown, revoked or expired" in await refusal(mcp, "list_models")
        async with in_process(None) as mcp:
            assert "Authorization: Bearer" in await refusal(mcp, "list_models")

    asyncio.run(drive())
    assert client.get("/v1/jobs").json()["items"] == []


def test_an_image_is_judged_with_the_scope_for_that(in_process, client, worker, database):
    job = client.post("/v1/jobs", json={"prompt": "a red mug"}).json()
    worker.make(job["id"], PHOTOGRAPH)
    with database.session() as session:
        _, reads = create_key(session, "shop", scopes=[Scope.READ])

    async def drive() -> None:
        async with in_process(reads) as mcp:
            assert "scope" in await refusal(mcp, "review_image", job_id=job["id"], state="approved")
        async with in_process() as mcp:
            said = {"state": "rejected", "reason": "the handle is missing"}
            judged = await call(mcp, "review_image", job_id=job["id"], **said)
            assert judged["approval"]["state"] == "rejected"
            late = await refusal(mcp, "review_image", job_id=job["id"], state="approved")
            assert "rejected" in late
            version = judged["approval"]["version"]
            again = {"state": "approved", "version": version}
            judged = await call(mcp, "review_image", job_id=job["id"], **again)
            assert judged["approval"]["state"] == "approved"

    asyncio.run(drive())


def test_images_are_made_again_by_an_agent(in_process, client, send, worker, database):
    batch = send(client, "sku,prompt\nMUG,a red mug\nJUG,a blue jug\n")
    mug, jug = (one["id"] for one in client.get(batch["links"]["items"]).json()["items"])
    for job in (mug, jug):
        worker.make(job, PHOTOGRAPH)
    with database.session() as session:
        _, reads = create_key(session, "shop", scopes=[Scope.READ])

    async def drive() -> None:
        async with in_process(reads) as mcp:
            assert "scope" in await refusal(mcp, "redo_image", job_id=mug)
        async with in_process() as mcp:
            said = {"prompt": "a green mug", "seed": 7, "fields": {"steps": 3}}
            made = await call(mcp, "redo_image", job_id=mug, **said, idempotency_key="one")
            again = await call(mcp, "redo_image", job_id=mug, **said, idempotency_key="one")
            assert made["id"] == again["id"]
            assert (made["replaces"], made["prompt"]) == (mug, "a green mug")
            assert (made["seed"], made["steps"]) == (7, 3)
            await call(mcp, "review_image", job_id=jug, state="rejected")
            after = await call(mcp, "redo_rejected_images", batch_id=batch["id"])
            assert after["total"] == 4
            assert "preset" in await refusal(mcp, "redo_image", job_id=jug, preset="nonesuch")

    asyncio.run(drive())


def test_a_server_that_is_away_is_named(key):
    async def drive() -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{held.getsockname()[1]}"
            async with Client(make_server(PackshotApi(url, key))) as mcp:
                assert f"No packshot answers at {url}" in await refusal(mcp, "list_models")

    asyncio.run(drive())


def test_over_standard_input_and_output(client, key):
    """The command itself, as programs with agents start it."""

    async def drive() -> None:
        started = StdioServerParameters(
            command=sys.executable,
            args=["-m", "cli", "mcp"],
            env={
                "PACKSHOT_URL": str(client.base_url),
                "PACKSHOT_KEY": key,
                "PYTHONPATH": os.getcwd(),
            },
        )
        async with Client(stdio_client(started)) as mcp:
            names = {one.name for one in (await mcp.list_tools()).tools}
            assert names >= {"submit_products", "batch_status", "show_image", "detect_marks"}
            job = await call(mcp, "submit_image", prompt="a red mug")
            assert (await call(mcp, "job_status", job_id=job["id"]))["state"] == "queued"

    asyncio.run(drive())


@asynccontextmanager
async def over_http(url: str, key: str | None):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http)) as mcp,
    ):
        yield mcp


def test_over_http_each_request_brings_its_own_key(client, stranger, key):
    app = make_server(PackshotApi(str(client.base_url), None)).streamable_http_app(
        stateless_http=True
    )
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    other = stranger.headers["Authorization"].removeprefix("Bearer ")

    async def drive(url: str) -> None:
        async with over_http(url, key) as mcp:
            job = await call(mcp, "submit_image", prompt="a red mug")
            assert (await call(mcp, "job_status", job_id=job["id"]))["id"] == job["id"]
        async with over_http(url, other) as mcp:
            assert "There is no job" in await refusal(mcp, "job_status", job_id=job["id"])
        async with over_http(url, None) as mcp:
            assert "Authorization: Bearer" in await refusal(mcp, "list_models")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            poll(lambda: server.started or not thread.is_alive())
            asyncio.run(drive(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"))
        finally:
            server.should_exit = True
            thread.join()
