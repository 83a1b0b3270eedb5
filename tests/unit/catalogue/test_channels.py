"""Channels by name."""

from dataclasses import replace

import pytest

from catalogue.channels import UnknownChannelError, find_channel
from core.pictures.formats import Format


def test_a_channel_has_its_first_format_if_nobody_says_otherwise():
    assert find_channel("web").format is Format.WEBP
    assert find_channel(" Walmart ").name == "walmart"


@pytest.mark.parametrize("name", ["web.avif", "walmart.png"])
def test_another_format_is_a_part_of_the_name(name):
    found = find_channel(name)
    assert (found.name, found.format.value) == (name, name.partition(".")[2])


@pytest.mark.parametrize("name", ["walmart.jpg", "walmart.jpeg"])
def test_the_first_format_has_one_name(name):
    assert find_channel(name) == find_channel("walmart")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wallmart", "Did you mean 'walmart'"),
        ("", "there are google_merchant, amazon_secondary"),
        ("amazon_secondary.webp", "it accepts jpeg, png"),
        ("web.exe", "it accepts webp, avif"),
        ("w" * 10**6, "there are google_merchant"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(name, said):
    with pytest.raises(UnknownChannelError, match=said) as caught:
        find_channel(name)
    assert len(str(caught.value)) < 300


def test_another_figure_is_another_spec():
    channel = find_channel("walmart")
    changed = replace(channel, preset=replace(channel.preset, fill=0.9))
    assert changed.spec != channel.spec
    assert find_channel("walmart.png").spec != channel.spec
    assert find_channel("walmart").spec == channel.spec
