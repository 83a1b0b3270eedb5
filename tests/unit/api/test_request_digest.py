"""The digest of a request that may come twice: the same parts have one, and no other has it."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from api.idempotency import DigestedRequest

PARTS = st.lists(
    st.tuples(st.text("ab1", min_size=1, max_size=4), st.binary(max_size=30)), max_size=3
)


def digest(content_type: str, body: bytes, *, chunk: int = 2**16) -> str:
    chunks = [body[start : start + chunk] for start in range(0, len(body), chunk)] or [b""]

    async def receive() -> dict:
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    scope = {"type": "http", "method": "POST", "path": "/v1/batches", "query_string": b""}
    headers = [(b"content-type", content_type.encode())]
    return asyncio.run(DigestedRequest(Request(scope | {"headers": headers}, receive)).digest())


def form(boundary: str, parts: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for name, data in parts
    )
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


@given(PARTS, PARTS, st.integers(1, 40))
def test_forms_have_one_digest_where_their_parts_are_the_same(one, other, chunk):
    digests = [
        digest(*form("a", one), chunk=chunk),
        digest(*form("another-boundary", one)),
        digest(*form("a", other)),
    ]
    held = any(b"\r\n--a" in data for _, data in (*one, *other))
    assert held or digests[0] == digests[1]
    assert held or (digests[0] == digests[2]) == (one == other)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 300, ""],
)
def test_what_is_no_form_is_digested_as_it_is(content_type):
    assert digest(content_type, b"one", chunk=1) == digest(content_type, b"one")
    assert digest(content_type, b"one") != digest(content_type, b"two")


def test_a_broken_form_is_digested_too():
    content_type = "multipart/form-data; boundary=a"
    assert digest(content_type, b"no form") != digest(content_type, b"no other form")
