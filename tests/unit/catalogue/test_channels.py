"""Channels by name."""

from dataclasses import replace

import pytest

from catalogue.channels import (
    PRESETS,
    UnknownChannelError,
    check_channels,
    find_channel,
    note_on,
    refusal,
)
from catalogue.issues import Issues
from core.pictures.formats import Format
from tests.integration.shop import wanted


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
        ("", "there are google_merchant, amazon_main"),
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


# Of before there were names and rules among the figures: stored renditions have them.
SPECS = {
    "google_merchant": "36b19cefb86fd35b",
    "amazon_secondary": "cb8e5ca80f7c5a28",
    "web.avif": "e4ee1459e235a7e0",
}


@pytest.mark.parametrize("name", SPECS)
def test_renditions_in_store_are_still_those_of_their_channels(name):
    assert find_channel(name).spec == SPECS[name]


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("mode", ["text", "cutout", "scene", "edit"])
def test_only_amazons_main_image_asks_how_an_image_is_made(name, mode):
    refused = refusal(find_channel(name), mode)
    assert (refused is not None) == (name == "amazon_main" and mode != "cutout")


def test_a_sheet_of_drawn_images_is_refused_once_for_amazons_main_image():
    issues = Issues()
    images = [wanted(sku="MUG", line=2), wanted(sku="CUP", line=3)]
    check_channels(images, [find_channel("web"), find_channel("amazon_main.png")], issues)
    (issue,) = issues.documents()
    assert (issue["line"], issue["column"]) == (2, "channels")
    assert issue["message"].startswith("amazon_main.png takes photographed products on white only")
    assert issue["message"].endswith("This concerns 2 images.")
    check_channels(images, [find_channel("web")], issues)
    assert issues.count == 1


@pytest.mark.parametrize(
    ("fill", "said"), [(0.88, None), (0.85, None), (0.7, "takes 70%"), (None, "an unknown share")]
)
def test_a_main_image_with_too_small_a_product_has_a_note(fill, said):
    note = note_on(find_channel("amazon_main"), ground="white", upscaled=None, fill=fill)
    assert (note is None) == (said is None)
    assert said is None or said in note
