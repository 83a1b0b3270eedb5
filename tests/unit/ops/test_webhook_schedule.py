"""When a message is sent again, and what an answer means."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.webhooks.attempts import AttemptVerdict
from ops.webhooks.retry_schedule import DELAYS, JITTER, LONGEST_WAIT, decide, retry, retry_after


def never() -> float:
    return 0.0


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_alone_is_success(status: int):
    assert decide(1, status, {}, chance=never).verdict is AttemptVerdict.DELIVERED


@pytest.mark.parametrize("status", [100, 199, 300, 301, 307, 400, 401, 404, 409, 422, 500, 503])
def test_everything_else_is_sent_again(status: int):
    decision = decide(1, status, {}, chance=never)
    assert decision.verdict is AttemptVerdict.RETRY
    assert str(status) in (decision.error or "")


def test_410_ends_it_at_once():
    assert decide(1, 410, {}, chance=never).verdict is AttemptVerdict.GONE


def test_the_schedule_is_the_published_one():
    delays = [retry(n, "no", chance=never).delay_seconds for n in range(1, len(DELAYS) + 1)]
    minute, hour = 60, 3600
    assert delays == [
        *(5, 5 * minute, 30 * minute, 2 * hour, 5 * hour),
        *(10 * hour, 14 * hour, 20 * hour, 24 * hour),
    ]
    assert retry(len(DELAYS) + 1, "no", chance=never).verdict is AttemptVerdict.GIVEN_UP


@settings(max_examples=50)
@given(st.integers(1, len(DELAYS)), st.floats(0, 1))
def test_chance_only_adds(attempt: int, number: float):
    delay = retry(attempt, "no", chance=lambda: number).delay_seconds
    assert DELAYS[attempt - 1] <= delay <= DELAYS[attempt - 1] * (1 + JITTER)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_throttling_receiver_is_left_alone_as_long_as_it_asks(status: int):
    decision = decide(1, status, {"retry-after": "120"}, chance=never)
    assert (decision.delay_seconds, decision.pause_seconds) == (120, 120)
    late = decide(5, status, {"retry-after": "120"}, chance=never)
    assert late.delay_seconds == DELAYS[4]


def test_others_cannot_ask_for_that():
    decision = decide(1, 500, {"retry-after": "120"}, chance=never)
    assert (decision.delay_seconds, decision.pause_seconds) == (5, 0)


def test_retry_after_may_be_a_date():
    moment = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    assert 590 < retry_after(moment) <= 600
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after("Wed, 21 Oct 2015 07:28:00") == 0


@settings(max_examples=100)
@given(st.text(max_size=40) | st.integers().map(str) | st.integers(0, 10**30).map(str))
def test_whatever_it_says_the_wait_is_bounded(value: str):
    assert 0 <= retry_after(value) <= LONGEST_WAIT
