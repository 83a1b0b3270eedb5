"""How long an answer is valid, by RFC 9111."""

from datetime import UTC, datetime, timedelta

import pytest

from core.sources.freshness import GUESSED_MOST, LEAST, MOST, fresh_until

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DATE = "Sun, 01 Mar 2026 12:00:00 GMT"


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


@pytest.mark.parametrize(
    ("headers", "lifetime"),
    [
        ({}, LEAST),
        ({"cache-control": "public, max-age=7200"}, hours(2)),
        ({"cache-control": "Max-Age=7200, immutable"}, hours(2)),
        ({"cache-control": 'max-age="7200"'}, hours(2)),
        # Another directive, for caches that many share.
        ({"cache-control": "s-maxage=7200"}, LEAST),
        ({"cache-control": "max-age=7200", "age": "3600"}, hours(1)),
        ({"cache-control": "max-age=7200", "age": "9999999"}, LEAST),
        ({"cache-control": "max-age=7200, no-cache"}, LEAST),
        ({"cache-control": "no-store"}, LEAST),
        ({"cache-control": "max-age=9999999999"}, MOST),
        ({"cache-control": "max-age=-1"}, LEAST),
        # max-age wins over Expires (5.3).
        ({"cache-control": "max-age=7200", "expires": "0"}, hours(2)),
        ({"expires": "Sun, 01 Mar 2026 15:00:00 GMT", "date": DATE}, hours(3)),
        # By the server's own clock, which may be wrong.
        (
            {
                "expires": "Sun, 01 Mar 2020 15:00:00 GMT",
                "date": "Sun, 01 Mar 2020 12:00:00 GMT",
            },
            hours(3),
        ),
        ({"expires": "0"}, LEAST),
        ({"expires": "never"}, LEAST),
        # A tenth of its age (4.2.2).
        ({"last-modified": "Sun, 01 Mar 2026 02:00:00 GMT", "date": DATE}, hours(1)),
        ({"last-modified": "Sun, 01 Mar 2020 12:00:00 GMT"}, GUESSED_MOST),
        ({"last-modified": "Sun, 01 Mar 2099 12:00:00 GMT"}, LEAST),
        ({"last-modified": "yesterday"}, LEAST),
    ],
)
def test_an_answer_is_valid_as_long_as_its_server_says(headers, lifetime):
    assert fresh_until(headers, now=NOW) == NOW + lifetime
