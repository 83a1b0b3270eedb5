"""A shop's server of photographs that is slow, fails, truncates and redirects, as it was drawn."""

import colorsys
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from itertools import pairwise

from PIL import Image, ImageDraw

from tests.support.photograph_server import HERE, Answer, PhotographServer, saying

SIDE = 240
"""Of photographs, in pixels."""
SLOWEST = 3.0
"""Seconds for which a slow answer takes its time, at most."""
MOST_FAILURES = 2
"""Answers of a server that fails before it gives the photograph."""
SHARED = 20
"""One in so many rows names the photograph of the row before, as variants do."""


@dataclass(frozen=True, kw_only=True)
class Mood:
    """How an address behaves."""

    name: str
    share: float
    """Of rows."""
    code: str | None = None
    """Of the error that its row ends with; None: it gives a photograph in the end."""


MOODS: Sequence[Mood] = (
    Mood(name="good", share=0.5),
    Mood(name="slow", share=0.1),
    Mood(name="fails first", share=0.16),
    Mood(name="redirects", share=0.1),
    Mood(name="missing", share=0.03, code="photograph_missing"),
    Mood(name="wants a login", share=0.02, code="photograph_refused"),
    Mood(name="is a page", share=0.02, code="photograph_unreadable"),
    Mood(name="breaks off", share=0.02, code="photograph_unreachable"),
    Mood(name="fails", share=0.02, code="photograph_server_failed"),
    Mood(name="leads inwards", share=0.01, code="forbidden_url"),
    Mood(name="leads on", share=0.01, code="photograph_misdirected"),
    Mood(name="is damaged", share=0.01, code="photograph_truncated"),
)


@dataclass(frozen=True, kw_only=True)
class PhotographRow:
    """A row of the sheet, and what has to become of it."""

    sku: str
    address: str
    mood: Mood
    colour: tuple[int, int, int]
    """Of its product, in levels."""


def draw_rows(number: int, server: PhotographServer, *, seed: int) -> list[PhotographRow]:
    """Draw the rows of a sheet, and have the server answer for them."""
    chance = random.Random(seed)
    rows: list[PhotographRow] = []
    for place in range(number):
        sku = f"S{place}"
        if rows and chance.randrange(SHARED) == 0:
            before = rows[-1]
            rows.append(
                PhotographRow(
                    sku=sku, address=before.address, mood=before.mood, colour=before.colour
                )
            )
            continue
        (mood,) = chance.choices(MOODS, [one.share for one in MOODS])
        colour = _colour(place, number)
        path = f"/photographs/{place}.jpg"
        prepare(server, path, mood, photograph(colour), chance)
        rows.append(
            PhotographRow(sku=sku, address=server.url(path, HERE), mood=mood, colour=colour)
        )
    return rows


def _colour(place: int, number: int) -> tuple[int, int, int]:
    """Return the colour of a row's product: none is another's in a sheet of a thousand."""
    red, green, blue = colorsys.hsv_to_rgb(place / number, 0.55 + 0.4 * (place % 2), 0.75)
    return round(255 * red), round(255 * green), round(255 * blue)


def photograph(colour: tuple[int, int, int]) -> bytes:
    """Photograph a product of one colour on white paper."""
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    ImageDraw.Draw(picture).ellipse((50, 60, 190, 180), fill=colour)
    stream = BytesIO()
    picture.save(stream, "JPEG", quality=92, subsampling=0)
    return stream.getvalue()


def prepare(
    server: PhotographServer, path: str, mood: Mood, body: bytes, chance: random.Random
) -> None:
    """Have an address answer as its mood is."""
    answers: Mapping[str, Callable[[], Answer]] = {
        "good": lambda: _gives(body),
        "slow": lambda: _slowly(body, chance.uniform(0.5, SLOWEST)),
        "fails first": lambda: _failing(body, _failures(chance)),
        "redirects": lambda: _redirecting(server, path, body, hops=chance.randint(1, 3)),
        "missing": lambda: saying(chance.choice((404, 410))),
        "wants a login": lambda: saying(chance.choice((401, 403))),
        "is a page": lambda: _gives(b"<!doctype html><title>Sign in</title>"),
        "breaks off": lambda: _breaks_off(body),
        "fails": lambda: saying(chance.choice((500, 502))),
        "leads inwards": lambda: saying(302, Location="http://169.254.169.254/latest.jpg"),
        "leads on": lambda: saying(302, Location=path),
        "is damaged": lambda: _gives(body[: len(body) // 2]),
    }
    server.answers[path] = answers[mood.name]()


def _gives(body: bytes) -> Answer:
    return saying(200, body, Content_Type="image/jpeg")


def _slowly(body: bytes, seconds: float) -> Answer:
    """Send a part after the other."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        part = -(-len(body) // 10)
        for begin in range(0, len(body), part):
            time.sleep(seconds / 10)
            handler.wfile.write(body[begin : begin + part])

    return answer


def _breaks_off(body: bytes) -> Answer:
    """Announce all of it, and send half."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2])
        handler.close_connection = True

    return answer


def _hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def _failures(chance: random.Random) -> Sequence[str]:
    kinds = ("500", "503", "breaks off", "hangs up")
    return chance.choices(kinds, k=chance.randint(1, MOST_FAILURES))


def _failing(body: bytes, failures: Sequence[str]) -> Answer:
    """Fail some times, and then send it."""
    kinds = {
        "500": saying(500),
        "503": saying(503, Retry_After="1"),
        "breaks off": _breaks_off(body),
        "hangs up": _hangs_up,
    }
    left, lock, good = list(failures), threading.Lock(), _gives(body)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        with lock:
            kind = left.pop() if left else ""
        kinds.get(kind, good)(handler)

    return answer


def _redirecting(server: PhotographServer, path: str, body: bytes, *, hops: int) -> Answer:
    """Lead on some times, to where the photograph is."""
    places = [f"{path}?{hop}" for hop in range(1, hops + 1)]
    for here, there in pairwise(places):
        server.answers[here] = saying(301, Location=there)
    server.answers[places[-1]] = _gives(body)
    return saying(302, Location=places[0])
