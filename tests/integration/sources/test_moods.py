"""The server of `benchmarks.photographs` fails in the ways that the benchmark expects of it."""

import random
from contextlib import suppress

import pytest

from benchmarks.photograph_moods import MOODS, MOST_FAILURES, Mood, photograph, prepare
from core.db.models import Source
from core.errors import PackshotError
from core.pictures.photograph import read_photograph
from core.sources.fetch_errors import PhotographServerFailedError, PhotographUnreachableError
from tests.integration.sources.test_fetcher import make, server
from tests.support.photograph_server import HERE

__all__ = ["make", "server"]

BODY = photograph((200, 30, 40))


@pytest.fixture
def use(make, server, shop, storage):
    """Fetch an address, and use what it gave."""
    fetcher = make()

    def use(path: str) -> bytes:
        fetcher.fetch(server.url(path, HERE), tenant="shop")
        (source,) = shop.all(Source)
        body = storage.read(source)
        read_photograph(body)
        return body

    return use


@pytest.mark.parametrize("mood", [one for one in MOODS if one.code], ids=lambda one: one.name)
def test_a_bad_mood_has_its_code(use, server, mood: Mood):
    prepare(server, "/a.jpg", mood, BODY, random.Random(1))
    with pytest.raises(PackshotError) as caught:
        use("/a.jpg")
    assert caught.value.code == mood.code


@pytest.mark.parametrize("name", ["fails first", "redirects"])
def test_others_give_the_photograph_in_the_end(use, server, name: str):
    mood = next(one for one in MOODS if one.name == name)
    prepare(server, "/a.jpg", mood, BODY, random.Random(1))
    for _ in range(MOST_FAILURES):
        with suppress(PhotographServerFailedError, PhotographUnreachableError):
            use("/a.jpg")
    assert use("/a.jpg") == BODY
