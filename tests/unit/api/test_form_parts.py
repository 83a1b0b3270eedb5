"""Forms with many files: each part is gone before the next one is asked for."""

import asyncio
from io import BytesIO

import httpx
import pytest
from fastapi import Request
from hypothesis import given, settings
from hypothesis import strategies as st

from api.submission.form_parts import FormField, FormFile, form_parts
from core.errors import InvalidRequestError

PNG = b"\x89PNG\r\n--not the boundary\r\n"


def request_of(body: bytes, content_type: str, size: int) -> Request:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]

    async def receive():
        more = len(pieces) > 1
        return {"type": "http.request", "body": pieces.pop(0), "more_body": more}

    headers = [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def encoded(files, data) -> httpx.Request:
    return httpx.Request("POST", "http://shop.test/", files=files, data=data)


def read(request: Request) -> list[tuple[str, str, bytes | str]]:
    async def gather():
        found = []
        before = None
        async for part in form_parts(request):
            assert before is None or before.stream.closed
            if isinstance(part, FormField):
                found.append((part.name, "", part.value))
                before = None
            else:
                assert isinstance(part, FormFile)
                found.append((part.name, part.file_name, part.stream.read()))
                before = part
        assert before is None or before.stream.closed
        return found

    return asyncio.run(gather())


@settings(max_examples=30)
@given(
    contents=st.lists(st.binary(max_size=200), max_size=4),
    value=st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    size=st.integers(5, 300),
)
def test_parts_are_those_that_were_sent_however_they_are_cut(contents, value, size):
    # The encoding is httpx's.
    files = [("photos", (f"{n} ä.jpg", BytesIO(one))) for n, one in enumerate(contents)]
    sent = encoded([*files, ("photos", ("last.jpg", b""))], {"name": value})
    request = request_of(sent.read(), sent.headers["content-type"], size)
    expected = [("photos", f"{n} ä.jpg", one) for n, one in enumerate(contents)]
    assert read(request) == [("name", "", value), *expected, ("photos", "last.jpg", b"")]


def test_an_input_without_a_file_is_a_file_without_a_name():
    body = (
        b'--x\r\nContent-Disposition: form-data; name="photos"; filename=""\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\r\n--x--\r\n"
    )
    assert read(request_of(body, "multipart/form-data; boundary=x", 10)) == [("photos", "", b"")]


def test_a_large_file_waits_on_a_disk_and_is_whole():
    content = PNG * 100_000
    sent = encoded([("photos", ("a.png", content))], {})
    request = request_of(sent.read(), sent.headers["content-type"], 65_536)
    assert read(request) == [("photos", "a.png", content)]


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_form_that_ends_in_the_middle_is_refused(kept):
    sent = encoded([("photos", ("a.png", PNG * 100))], {})
    body = sent.read()
    request = request_of(body[: int(len(body) * kept)], sent.headers["content-type"], 100)
    with pytest.raises(InvalidRequestError):
        read(request)
