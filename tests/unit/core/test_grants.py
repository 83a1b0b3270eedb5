"""Nobody gives more than they have."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from api.schemas.keys import KeyRequest
from core.db.models import ApiKey
from core.domain.grants import RULES, WITHOUT_POWER, Grant, exceeding
from core.domain.scopes import Scope
from core.keys import grant_of, hash_key
from core.settings import Settings

LIMITS = st.integers(0, 4)
"""Few, so that equal ones and 0, no limit, come often."""
DAYS = st.none() | st.integers(0, 3).map(lambda day: datetime(2030, 1, 1 + day, tzinfo=UTC))
GRANTS = st.builds(
    Grant,
    tenant=st.sampled_from(["shop", "other"]),
    scopes=st.frozensets(st.sampled_from(Scope)),
    expires_at=DAYS,
    requests_per_minute=LIMITS,
    queued_images=LIMITS,
    source_bytes=LIMITS,
)
FIRST = datetime(2029, 12, 31, tzinfo=UTC)


def opens(
    grant: Grant, *, tenant: str, scope: Scope, at: datetime, sent: int, queued: int, held: int
) -> bool:
    """What a server lets pass: the meaning of each field, written down a second time."""
    return (
        tenant == grant.tenant
        and scope in grant.scopes
        and (grant.expires_at is None or at < grant.expires_at)
        and (not grant.requests_per_minute or sent <= grant.requests_per_minute)
        and (not grant.queued_images or queued <= grant.queued_images)
        and (not grant.source_bytes or held <= grant.source_bytes)
    )


@given(
    GRANTS,
    GRANTS,
    st.fixed_dictionaries(
        {
            "tenant": st.sampled_from(["shop", "other"]),
            "scope": st.sampled_from(Scope),
            "at": st.integers(0, 4).map(lambda day: FIRST + timedelta(day)),
            "sent": st.integers(1, 6),
            "queued": st.integers(1, 6),
            "held": st.integers(1, 6),
        }
    ),
)
def test_what_a_granted_key_opens_its_giver_could_open(given, own, request):
    if not exceeding(given, own):
        assert not opens(given, **request) or opens(own, **request)


@given(GRANTS, GRANTS, GRANTS)
def test_it_holds_over_any_number_of_hands(first, second, third):
    assert not exceeding(first, first)
    if not exceeding(second, first) and not exceeding(third, second):
        assert not exceeding(third, first)


@given(GRANTS, GRANTS)
def test_each_field_is_judged_by_itself_and_named(given, own):
    named = {
        field.name
        for field in fields(Grant)
        if exceeding(replace(own, **{field.name: getattr(given, field.name)}), own)
    }
    assert set(exceeding(given, own)) == named


def test_every_field_of_a_key_has_a_rule_or_a_reason_to_need_none():
    columns = set(ApiKey.__table__.columns.keys())
    assert set(RULES) | set(WITHOUT_POWER) == columns
    assert not set(RULES) & set(WITHOUT_POWER)
    assert set(RULES) == {field.name for field in fields(Grant)}


def test_whatever_a_request_for_a_key_says_is_a_column_of_it():
    asked = {name.replace("expires_seconds", "expires_at") for name in KeyRequest.model_fields}
    assert asked <= set(RULES) | set(WITHOUT_POWER)


def test_a_grant_counts_what_the_settings_decide_and_which_secret_came():
    settings = Settings(_env_file=None, requests_per_minute=7, queued_images=9, source_bytes=8)
    soon, later = (datetime(2030, 1, day, tzinfo=UTC) for day in (1, 2))
    key = ApiKey(
        tenant="shop",
        name="",
        prefix="psk_",
        digest=hash_key("new"),
        previous_digest=hash_key("old"),
        previous_until=soon,
        queued_images=0,
    )
    assert grant_of(key, settings, sent="new") == Grant(
        tenant="shop",
        scopes=frozenset(Scope),
        expires_at=None,
        requests_per_minute=7,
        queued_images=0,
        source_bytes=8,
    )
    assert grant_of(key, settings, sent="old").expires_at == soon
    key.expires_at = later
    assert grant_of(key, settings).expires_at == later
    assert grant_of(key, settings, sent="old").expires_at == soon
