"""Files' names, written and checked before anything is queued."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogue.channels import find_channel
from catalogue.issues import Issues
from catalogue.naming import name_files, tell_renamed
from tests.integration.shop import wanted

TEMPLATE = "{{ sku }}_{{ number }}.{{ extension }}"


def named(rows, *channels, template=None):
    """Name the files of (sku, variant, line)s; give the names by target, and what is wrong."""
    issues = Issues()
    images = [wanted(sku=sku, variant=variant, line=line) for sku, variant, line in rows]
    found = name_files(images, [find_channel(one) for one in channels], template, issues)
    names = {name: [one.files[name] for one in found] for name in found[0].files}
    return names, [issue.document() for issue in issues]


def test_who_asks_for_nothing_gets_no_names():
    assert named([("MUG", 1, 2)]) == ({}, [])


def test_names_have_the_extension_of_their_format():
    names, issues = named([("MUG", 1, 2), ("MUG", 2, 2)], "walmart", "web", "web.avif")
    assert issues == []
    assert names == {
        "original": ["MUG_1.png", "MUG_2.png"],
        "walmart": ["MUG_1.jpg", "MUG_2.jpg"],
        "web": ["MUG_1.webp", "MUG_2.webp"],
        "web.avif": ["MUG_1.avif", "MUG_2.avif"],
    }


def test_a_product_that_stands_there_twice_adds_its_line():
    names, _ = named([("MUG", 1, 2), ("MUG", 1, 5)], "ebay")
    assert names["ebay"] == ["MUG_1.jpg", "MUG_1_line5.jpg"]


def test_amazon_gets_its_slots_over_the_whole_sheet():
    rows = [("MUG-1 a", 1, 2), ("MUG-1 a", 2, 2), ("CUP", 1, 3), ("MUG-1 a", 1, 4)]
    names, issues = named(rows, "amazon_secondary")
    assert issues == []
    assert names["amazon_secondary"] == [
        "MUG_1_a.PT01.jpg", "MUG_1_a.PT02.jpg", "CUP.PT01.jpg", "MUG_1_a.PT03.jpg",
    ]  # fmt: skip


def test_amazons_main_image_is_one_of_each_product():
    rows = [("MUG-1 a", 1, 2), ("CUP", 1, 3)]
    names, issues = named(rows, "amazon_main", "amazon_secondary")
    assert issues == []
    assert names["amazon_main"] == ["MUG_1_a.MAIN.jpg", "CUP.MAIN.jpg"]
    assert names["amazon_secondary"] == ["MUG_1_a.PT01.jpg", "CUP.PT01.jpg"]
    _, issues = named([*rows, ("CUP", 1, 4)], "amazon_main")
    assert [(one["line"], one["message"]) for one in issues] == [
        (4, "amazon_main accepts 1 image of a product, and 'CUP' has more.")
    ]


def test_amazons_names_can_be_unpacked_on_windows():
    names, issues = named([("CON", 1, 2), ("nul", 1, 3), ("con.blue", 1, 4)], "amazon_secondary")
    assert issues == []
    assert names["amazon_secondary"] == ["_CON.PT01.jpg", "_nul.PT01.jpg", "con_blue.PT01.jpg"]


def test_a_sku_that_is_written_as_a_device_is_made_to_be_one_sku_only():
    _, issues = named([("CON", 1, 2), ("_CON", 1, 3)], "amazon_secondary")
    assert [issue["line"] for issue in issues] == [3]


def test_a_single_request_for_a_later_variant_has_its_slot():
    assert named([("MUG", 3, None)], "amazon_secondary")[0]["amazon_secondary"] == ["MUG.PT03.jpg"]


def test_two_skus_that_amazon_cannot_tell_apart_are_named_by_their_lines():
    _, issues = named([("A-1", 1, 2), ("A 1", 1, 7)], "amazon_secondary")
    (issue,) = issues
    assert (issue["line"], issue["column"]) == (7, "sku")
    assert "'A-1' of line 2" in issue["message"]


def test_amazon_takes_99_images_of_a_product():
    rows = [("MUG", 1, line) for line in range(2, 102)]
    _, issues = named(rows, "amazon_secondary")
    assert [issue["line"] for issue in issues] == [101]


def test_a_template_names_every_file():
    names, issues = named(
        [("MUG 1", 1, 2), ("MUG 1", 2, 2)], "walmart", template="{{ channel }}/" + TEMPLATE
    )
    assert issues == []
    assert names["walmart"] == ["walmart-MUG-1_01.jpg", "walmart-MUG-1_02.jpg"]
    assert names["original"] == ["original-MUG-1_01.png", "original-MUG-1_02.png"]


def test_a_template_without_extension_gets_it():
    assert named([("A", 1, 2)], "web", template="{{ sku }}")[0]["web"] == ["A.webp"]


def test_two_lines_of_one_name_are_both_named():
    _, issues = named([("MUG", 1, 2), ("mug", 1, 9)], template="{{ sku }}")
    (issue,) = issues
    assert (issue["line"], issue["column"]) == (9, "file_name")
    assert issue["message"].startswith("Line 2 and line 9 would both be 'mug.png'. Put {{ sku }}")


def test_two_variants_of_one_name_are_both_named():
    _, issues = named([("MUG", 1, 2), ("MUG", 2, 2)], template="{{ sku }}")
    assert issues[0]["message"].startswith("Variants 1 and 2 would both be 'MUG.png'")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ colour }}", "'colour', which is no column"),
        ("{{ sku", "cannot be read"),
        ("{% for x in sku %}{% endfor %}", "a loop"),
        ("///", "is empty"),
    ],
)
def test_a_template_that_cannot_be_used_is_said(template, said):
    _, issues = named([("MUG", 1, 2)], template=template)
    assert said in issues[0]["message"]
    assert issues[0]["column"] == "file_name"


ROWS = st.lists(
    st.tuples(st.text(max_size=30), st.integers(1, 3), st.integers(2, 6)), min_size=1, max_size=8
)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.sampled_from([None, TEMPLATE, "{{ sku }}"]))
def test_good_names_are_safe_and_each_is_there_once(rows, template):
    names, issues = named(rows, "amazon_secondary", "web", template=template)
    if issues:
        return
    for files in names.values():
        assert len({name.casefold() for name in files}) == len(files)
        for name in files:
            assert not set(name) & set('/\\:*?"<>|\0\n ')
            assert not name.startswith((".", "-"))
            assert len(name.encode()) < 200


def renamed(rows, *channels):
    """Name files, and give what is said of SKUs that they cannot hold."""
    images = [wanted(sku=sku, variant=1, line=line) for sku, line in rows]
    found = name_files(images, [find_channel(one) for one in channels], None, Issues())
    return [(issue.line, issue.message) for issue in tell_renamed(found)]


@pytest.mark.parametrize("sku", ["日本", "日本-1", "красная", "***"])
def test_a_sku_that_amazons_names_cannot_hold_is_refused(sku):
    _, issues = named([(sku, 1, 7)], "amazon_secondary")
    (issue,) = issues
    assert (issue["line"], issue["column"]) == (7, "sku")
    assert f"{sku!r} cannot be in the names" in issue["message"]
    assert named([(sku, 1, 7)], "amazon_secondary", template="{{ line }}")[1] == []


@pytest.mark.parametrize(
    ("sku", "written"),
    [
        ("GRÜN-1", "GR_N_1"),
        ("CON", "_CON"),
        ("com1.x", "com1_x"),
        ("A-1", "A_1"),
        ("A.PT01", "A_PT01"),
    ],
)
def test_a_sku_that_amazons_names_hold_otherwise_is_told(sku, written):
    names, issues = named([(sku, 1, 2)], "amazon_secondary")
    assert (names["amazon_secondary"], issues) == ([f"{written}.PT01.jpg"], [])
    told = [text for _, text in renamed([(sku, 2)], "amazon_secondary") if "Amazon" in text]
    assert f"1 SKU is written otherwise, {sku!r} as {written!r} (line 2)." in told[0]


def test_skus_that_other_names_hold_otherwise_are_told_once():
    rows = [("shoe 42/43", 2), ("MUG-1_a.b", 3), ("Überzug", 4), ("nul", 5), ("x:y", 6), ("/a", 7)]
    ((line, message),) = renamed(rows, "walmart", "web")
    assert line == 2
    assert "4 SKUs are written otherwise, 'shoe 42/43' as 'shoe-42-43' (line 2)" in message
    assert message.endswith(", ….")
    assert renamed([("MUG", 2), ("MUG", 3)], "web") == []
    assert renamed([("A", 2)]) == []
