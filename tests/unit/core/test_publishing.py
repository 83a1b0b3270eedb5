"""Credentials that are encrypted, and galleries that are changed and given back."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.publishing.credentials import CredentialBox, NoSecretError, SealedByAnotherError
from core.publishing.records import GalleryImage, placed, restored

SECRET = {"access_token": "shpat_very_secret"}


def test_credentials_open_for_their_target_alone():
    box, target = CredentialBox(["one"]), uuid4()
    sealed = box.seal(target, SECRET)
    assert b"secret" not in sealed
    assert sealed != box.seal(target, SECRET)
    assert box.open(target, sealed) == SECRET
    with pytest.raises(SealedByAnotherError):
        box.open(uuid4(), sealed)
    with pytest.raises(SealedByAnotherError):
        box.open(target, sealed[:-1] + bytes([sealed[-1] ^ 1]))


def test_a_new_secret_in_front_takes_over_from_the_old_one():
    target, old = uuid4(), CredentialBox(["old"])
    both, new = CredentialBox(["new", "old"]), CredentialBox(["new"])
    sealed = old.seal(target, SECRET)
    assert both.open(target, sealed) == SECRET
    with pytest.raises(SealedByAnotherError):
        new.open(target, sealed)
    renewed = both.renew(target, sealed)
    assert new.open(target, renewed) == SECRET
    assert both.renew(target, renewed) is None
    assert new.renew(target, sealed) is None


def test_without_a_secret_nothing_is_kept():
    with pytest.raises(NoSecretError, match="PACKSHOT_SECRET_KEYS"):
        CredentialBox([]).seal(uuid4(), SECRET)


def images(low, high):
    return st.lists(st.integers(low, high), unique=True, max_size=6).map(
        lambda ids: [GalleryImage(id=str(one), alt=f"text {one}") for one in ids]
    )


@given(images(0, 9), images(10, 19), st.booleans())
def test_what_is_placed_and_restored_is_what_was_there(before, added, first):
    now = placed(before, added, first=first, most=None)
    assert [one for one in now if one in before] == before
    assert [one for one in now if one in added] == added
    assert placed(now, added, first=first, most=None) == now
    assert restored(before, now, {one.id for one in added}) == before


@given(images(0, 9), images(10, 19), images(20, 29), st.data())
def test_restoring_loses_nothing_of_others_and_brings_nothing_back(before, added, others, data):
    kept = [one for one in before if data.draw(st.booleans())]
    present = data.draw(st.permutations([*kept, *added, *others]))
    back = restored(before, present, {one.id for one in added})
    assert back[: len(kept)] == kept
    assert sorted(one.id for one in back[len(kept) :]) == sorted(one.id for one in others)
