"""File names of images."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.naming import Names, plain, safe


@pytest.mark.parametrize(
    ("sku", "name"),
    [
        ("KIT-1001", "KIT-1001"),
        ("shoe 42/43", "shoe-42-43"),
        ("../../etc/passwd", "etc-passwd"),
        (r"C:\temp", "C-temp"),
        ("Überzug_ä", "Überzug_ä"),
        ("Überzug", "Überzug"),  # decomposed: one name on macOS and elsewhere
        ("靴-9", "靴-9"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("COM¹", "_COM¹"),  # Windows takes superscript digits for digits
        ("...", ""),
        ("", ""),
    ],
)
def test_a_sku_becomes_a_safe_name(sku: str, name: str) -> None:
    assert safe(sku) == name


@pytest.mark.parametrize(
    ("sku", "name"),
    [
        ("MUG-1 a", "MUG_1_a"),
        ("_MUG_", "MUG"),
        ("CON", "_CON"),
        ("nul", "_nul"),
        ("_con", "_con"),
        ("Lpt1.tar.gz", "_Lpt1.tar.gz"),
        ("-AUX-", "_AUX"),
        ("COM²", "COM"),
        ("CONE", "CONE"),
        ("日本", ""),
    ],
)
def test_a_plain_name_is_never_one_of_windows_devices(sku: str, name: str) -> None:
    assert plain(sku) == name


DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"
}


@given(
    st.sampled_from(sorted(DEVICES)), st.text("-_. ¹ä", max_size=3), st.text("-_. x", max_size=3)
)
def test_no_sku_gives_a_name_that_windows_cannot_keep(device: str, before: str, after: str) -> None:
    for shaped in (safe(before + device + after), plain(before + device + after)):
        assert shaped.partition(".")[0].lower() not in DEVICES


def test_the_first_image_of_a_name_gets_it_and_later_ones_add_their_line() -> None:
    names = Names()
    assert names.take(sku="MUG", variant=1, line=2) == "MUG_1"
    assert names.take(sku="MUG", variant=2, line=2) == "MUG_2"
    assert names.take(sku="MUG", variant=1, line=9) == "MUG_1_line9"
    assert names.take(sku="mug", variant=1, line=9) == "mug_1_line9_2"
    assert names.take(sku="", variant=1, line=12) == "line12_1"


@given(st.lists(st.tuples(st.text(max_size=200), st.integers(1, 3), st.integers(2, 5))))
def test_no_two_images_share_a_name_and_no_name_leaves_the_folder(
    rows: list[tuple[str, int, int]],
) -> None:
    names = Names()
    taken = [names.take(sku=sku, variant=variant, line=line) for sku, variant, line in rows]
    assert len({name.casefold() for name in taken}) == len(taken)
    for name in taken:
        assert not set(name) & set('/\\:*?"<>|\0\n')
        assert not name.startswith((".", "-"))
        assert len(name.encode()) < 200
