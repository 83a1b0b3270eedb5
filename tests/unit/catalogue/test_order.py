"""From rows to wanted images: who wins, what is checked, how mistakes are named."""

from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from catalogue.issues import SHOWN
from catalogue.prompts.tokens import TokenLimit
from catalogue.sheets.readers import read_rows, read_sheet
from catalogue.validate import validate
from core.domain.schedulers import StepLimits
from core.domain.seeds import sku_seed
from core.errors import BundleError, InvalidSheetError
from tests.unit.catalogue.models import only
from tests.unit.catalogue.orders import make_order


def order(limits, text, tokens=None, **fields):
    return make_order(read_sheet(text.encode(), name="sheet.csv"), fields, limits, tokens)


def mistakes(limits, text, **fields):
    with pytest.raises(InvalidSheetError) as caught:
        order(limits, text, **fields)
    return [(one["line"], one["column"]) for one in caught.value.extensions["errors"]]


def reason(limits, text, **fields):
    with pytest.raises(InvalidSheetError) as caught:
        order(limits, text, **fields)
    (one,) = caught.value.extensions["errors"]
    return one["message"]


@pytest.fixture
def tokens(tmp_path: Path) -> TokenLimit:
    """Reads three words."""
    words = Tokenizer(WordLevel({"[unknown]": 0}, unk_token="[unknown]"))
    words.pre_tokenizer = Whitespace()
    words.enable_truncation(2)
    words.save(str(tmp_path / "tokenizer.json"))
    return TokenLimit(tmp_path, max_tokens=5)


def test_what_nobody_says_is_the_models_default(limits):
    (one,) = order(limits, "sku,prompt\nA,a mug\n").wanted
    assert (one.sku, one.spec.prompt, one.variant, one.line, one.spec.seed) == (
        "A",
        "a mug",
        1,
        2,
        None,
    )
    assert {name: getattr(one.spec, name) for name in limits.defaults} == limits.defaults


def test_a_cell_wins_over_the_field_and_an_empty_cell_does_not(limits):
    text = "sku,prompt,steps,seed,negative_prompt\nA,a,7,0,blur\nB,b,,,\n"
    first, second = order(limits, text, steps=9, seed=5, negative_prompt="text").wanted
    assert (first.spec.steps, first.spec.seed, first.spec.negative_prompt) == (7, 0, "blur")
    assert (second.spec.steps, second.spec.seed, second.spec.negative_prompt) == (9, 5, "text")


def test_a_rows_prompt_wins_over_its_template_which_wins_over_the_requests(limits):
    text = "sku,prompt,template\nA,own,x {{ sku }}\nB,,x {{ sku }}\nC,,\n"
    wanted = order(limits, text, template="y {{ sku }}").wanted
    assert [one.spec.prompt for one in wanted] == ["own", "x B", "y C"]


def test_columns_are_found_however_people_write_them(limits):
    text = 'SKU, Prompt ,Negative Prompt,Guidance-Scale\nA,a,blur,"7,5"\n'
    (one,) = order(limits, text).wanted
    assert (one.spec.negative_prompt, one.spec.guidance_scale) == ("blur", 7.5)
    assert list(one.row) == ["SKU", "Prompt", "Negative Prompt", "Guidance-Scale"]


def test_variants_of_a_row_follow_each_other_and_differ_only_in_their_number(limits):
    first, second, third = order(limits, "sku,prompt,variants\nA,a,2\nB,b,\n").wanted
    assert (first.sku, first.variant, second.sku, second.variant) == ("A", 1, "A", 2)
    assert replace(second, variant=1) == first
    assert third.sku == "B"


def test_whole_numbers_as_spreadsheets_write_them(limits):
    (one,) = order(limits, "sku,prompt,steps,seed\nA,a,20.0,9223372036854775807\n").wanted
    assert (one.spec.steps, one.spec.seed) == (20, 2**63 - 1)


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("width", "72", "The nearest is 64"),
        ("width", "20", "32 to 128"),
        ("height", "160", "The nearest is 128"),
        ("height", "64px", "not a whole number"),
        ("steps", "0", "between 1 and 150"),
        ("steps", "151", "between 1 and 150"),
        ("steps", "1.5", "not a whole number"),
        ("steps", "1e400", "not a whole number"),
        ("guidance_scale", "30.1", "between 0 and 30"),
        ("guidance_scale", "nan", "between 0 and 30"),
        ("guidance_scale", "-1", "between 0 and 30"),
        ("scheduler", "dpm", "ddim, euler"),
        ("variants", "17", "between 1 and 16"),
        ("variants", "0", "between 1 and 16"),
        ("seed", "-1", "between 0 and"),
        ("seed", "9223372036854775808", "between 0 and"),
        ("sku", "", "The SKU is empty"),
        ("sku", '"a\nb"', "control character"),
        ("sku", "x" * 201, "the limit is 200"),
        ("prompt", "", "no prompt"),
        ("prompt", "x" * 4001, "the limit is 4,000"),
        ("negative_prompt", "x" * 4001, "the limit is 4,000"),
    ],
)
def test_a_cell_that_cannot_be_used_is_named_with_the_reason(limits, column, cell, words):
    row = {"sku": "A", "prompt": "a mug", column: cell}
    text = ",".join(row) + "\n" + ",".join(row.values()) + "\n"
    assert mistakes(limits, text) == [(2, column)]
    assert words in reason(limits, text)


def test_all_mistakes_are_named_in_the_sheets_order(limits):
    text = "sku,prompt,width\nA,a,1\nB,b,64\n,c,2\nD,,64\n"
    assert mistakes(limits, text) == [(2, "width"), (4, "width"), (4, "sku"), (5, "prompt")]


def test_a_mistake_in_a_field_is_named_once(limits):
    assert mistakes(limits, "sku,prompt\nA,a\nB,b\n", steps=0) == [(None, "steps")]


def test_a_long_list_of_mistakes_is_cut_and_the_rest_counted(limits):
    limits = replace(limits, max_images=10_000)
    text = "sku,prompt,width\n" + "A,a,1\n" * (SHOWN + 5)
    with pytest.raises(InvalidSheetError) as caught:
        order(limits, text)
    assert len(caught.value.extensions["errors"]) == SHOWN
    assert caught.value.extensions["errors_left_out"] == 5
    assert f"{SHOWN + 5:,} things are wrong" in caught.value.detail


def test_a_missing_column_is_named_with_those_that_are_there_and_the_nearest(limits):
    message = reason(limits, "sku,promt\nA,a\n")
    assert "'sku', 'promt'" in message
    assert "Did you mean 'promt'?" in message
    assert "'article'" in reason(limits, "article,prompt\nA,a\n")


def test_a_column_that_looks_misspelt_is_a_warning(limits):
    found = order(limits, "sku,prompt,widht\nA,a,1\n")
    (warning,) = found.warnings
    assert (warning["line"], warning["column"]) == (1, "widht")
    assert "'width'" in warning["message"]


def test_a_column_that_the_requests_template_lacks_is_named_once(limits):
    text = "sku,kind\nA,mug\nB,vase\n"
    assert mistakes(limits, text, template="a {{ knid }}") == [(None, "template")]
    assert "Did you mean 'kind'?" in reason(limits, text, template="a {{ knid }}")


def test_rows_of_json_that_lack_a_templates_column_are_named_each(limits):
    sheet = read_rows([{"sku": "A", "kind": "mug"}, {"sku": "B"}])
    with pytest.raises(InvalidSheetError) as caught:
        make_order(sheet, {"template": "a {{ kind }}"}, limits)
    assert [one["line"] for one in caught.value.extensions["errors"]] == [2]


def test_a_template_that_is_empty_on_a_row_is_a_mistake_of_that_row(limits):
    assert mistakes(limits, "sku,kind\nA,mug\nB,\n", template="{{ kind }}") == [(3, "prompt")]


def test_a_template_that_cannot_be_read_is_named_once(limits):
    assert mistakes(limits, "sku,kind\nA,a\nB,b\n", template="{{ kind")[0] == (None, "template")
    assert len(mistakes(limits, "sku,kind\nA,a\nB,b\n", template="{{ kind")) == 1


@pytest.mark.parametrize("value", ["\x00", "\ud800", float("inf"), {"a": ["\x00"]}, {"\x00": 1}])
def test_what_postgres_cannot_store_is_named_wherever_it_is(limits, value):
    sheet = read_rows([{"sku": "A", "prompt": "a", "note": value}])
    with pytest.raises(InvalidSheetError) as caught:
        make_order(sheet, {}, limits)
    assert [one["column"] for one in caught.value.extensions["errors"]] == ["note"]


@pytest.mark.parametrize("row", [{"sku": True, "prompt": "a"}, {"sku": "A", "prompt": ["a"]}])
def test_json_of_the_wrong_type_is_named(limits, row):
    with pytest.raises(InvalidSheetError, match="wrong"):
        make_order(read_rows([row]), {}, limits)


def test_too_many_images_are_refused(limits):
    limits = replace(limits, max_images=3)
    assert "4 images (2 rows); the limit is 3" in reason(
        limits, "sku,prompt,variants\nA,a,2\nB,b,2\n"
    )


def test_a_prompt_that_is_too_long_for_the_model_is_a_warning_that_names_what_is_cut(
    limits, tokens
):
    found = order(limits, "sku,prompt,variants\nA,a red mug,1\nB,a red mug  on top,2\n", tokens)
    assert [one.warning is None for one in found.wanted] == [True, False, False]
    (warning,) = found.warnings
    assert (warning["line"], warning["column"]) == (3, "prompt")
    assert "reads 3 tokens" in warning["message"]
    assert "“on top”" in warning["message"]


def test_many_warnings_are_cut_and_the_rest_counted(limits, tokens):
    limits = replace(limits, max_images=10_000)
    found = order(limits, "sku,prompt\n" + "A,one two three four\n" * (SHOWN + 5), tokens)
    assert len(found.warnings) == SHOWN + 1
    assert found.warnings[-1]["message"].startswith("5 more")


def test_a_tokenizer_that_cannot_be_read_is_the_bundles_fault(tmp_path):
    with pytest.raises(BundleError, match=r"tokenizer\.json"):
        TokenLimit(tmp_path, max_tokens=77)


def test_sizes_are_multiples_of_8_whatever_the_model_says(limits):
    limits = replace(limits, multiple_of=1)
    assert "in steps of 8" in reason(limits, "sku,prompt,width\nA,a,65\n")
    assert order(limits, "sku,prompt,width\nA,a,72\n").wanted[0].spec.width == 72


def test_images_beyond_what_the_model_was_tested_with_are_warned_of_once(limits):
    limits = replace(limits, tested_pixels=64 * 96)
    sheet = "sku,prompt,width,height\nA,a,64,96\nB,b,96,96\nC,c,128,128\nD,d,96,64\n"
    (warning,) = order(limits, sheet).warnings
    assert warning["message"].startswith("2 images have more pixels than this model was tested")
    assert "(6,144)" in warning["message"]
    assert warning["message"].endswith("(lines 3, 4).")
    (alone,) = order(limits, sheet.split("C,c", maxsplit=1)[0]).warnings
    assert alone["line"] == 3
    assert not order(replace(limits, tested_pixels=None), sheet).warnings


def test_seeds_are_numbers_or_rules_and_a_cell_wins(limits):
    text = "sku,prompt,seed\nA,a,\nB,b,derived\nC,c,7\nA,other words,per SKU\n"
    first, second, third, fourth = order(limits, text, seed="per_sku").wanted
    assert first.spec.seed == fourth.spec.seed == sku_seed("A")
    assert (second.spec.seed, third.spec.seed) == (None, 7)
    assert "derived or per_sku" in reason(limits, "sku,prompt,seed\nA,a,any\n")


def test_good_rows_of_a_bad_sheet_are_found_with_what_is_wrong(limits):
    sheet = read_sheet(b"sku,prompt,steps\nA,a,\n,b,\nC,,0\nD,d,2\n")
    found, issues = validate(sheet, {}, only(limits))
    assert [one.sku for one in found.wanted] == ["A", "D"]
    assert [(issue.line, issue.column) for issue in issues] == [
        (3, "sku"),
        (4, "steps"),
        (4, "prompt"),
    ]


@pytest.mark.parametrize(
    ("text", "fields", "places"),
    [
        ("sku,prompt,steps\nA,a,50\nB,b,51\n", {"scheduler": "lcm"}, [(3, "steps")]),
        ("sku,prompt,scheduler\nA,a,ddim\nB,b,LCM\n", {"steps": 60}, [(3, "steps")]),
        ("sku,prompt\nA,a\nB,b\n", {"scheduler": "lcm", "steps": 60}, [(None, "steps")]),
        ("sku,prompt,steps\nA,a,4\nB,b,8\n", {"scheduler": "lcm", "steps": 60}, None),
        ("sku,prompt,steps\nA,a,151\n", {"scheduler": "lcm"}, [(2, "steps")]),
        ("sku,prompt,scheduler\nA,a,no\n", {"steps": 60}, [(2, "scheduler")]),
    ],
)
def test_steps_that_a_scheduler_cannot_take_are_named_where_they_are(limits, text, fields, places):
    if places is None:
        assert [one.spec.steps for one in order(limits, text, **fields).wanted] == [4, 8]
    else:
        assert mistakes(limits, text, **fields) == places


def test_only_schedulers_that_the_model_works_with_are_offered(limits):
    some = replace(
        limits,
        schedulers={"ddim": StepLimits(), "unipc": StepLimits(least=2, most=31)},
        unsuited={"dpmpp_2m": "it has another algorithm"},
    )
    text = "sku,prompt\nA,a\n"
    assert reason(some, text, scheduler="dpmpp_2m").endswith(
        "(it has another algorithm). Choose ddim, unipc."
    )
    assert "there are ddim, unipc" in reason(some, text, scheduler="heun")
    assert "unipc takes 2 to 31 steps" in reason(some, text, scheduler="unipc", steps=32)
    assert "more steps" in reason(some, text, scheduler="unipc", steps=1)
