"""Templates: what they can say, and that they can neither run long nor reach anything."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogue.issues import Issues
from catalogue.prompts.expressions import TemplateProblemError
from catalogue.prompts.templates import PromptTemplate, UnknownColumnError
from catalogue.prompts.writer import Prompts
from catalogue.sheets.model import Reading, Sheet, SheetFormat, SheetRow
from core.errors import InvalidSheetError

ROW = {"sku": "A", "Main Color": "Red", "kind": "mug", "tags": ["old", "big"], "empty": None}


@pytest.mark.parametrize(
    ("source", "prompt"),
    [
        ("a {{ kind }}", "a mug"),
        ("a {{ main_color|lower }} {{ kind }}", "a red mug"),
        ("a {{ row['Main Color'] }} {{ row.kind }}", "a Red mug"),
        ("{% if kind == 'mug' and not empty %}cup{% else %}{{ kind }}{% endif %}", "cup"),
        ("{{ 'big' if kind in ('mug', 'cup') else 'small' }}", "big"),
        ("{{ tags|join(', ') }} {{ tags[0] }}", "old, big old"),
        ("{{ missing|default('any') }}", "any"),
        ("{% if missing is defined %}x{% endif %}y", "y"),
        ("  a\n\n  {{ kind }}\t", "a mug"),
        ("{{ '<b>a</b><br>mug'|striptags }}", "a mug"),
        ("{{ kind|replace('mug', 'cup') ~ '!' }}", "cup!"),
        ("{{ empty }}x", "x"),
    ],
)
def test_what_templates_can_say(source, prompt):
    assert PromptTemplate(source).render(ROW) == prompt


def test_a_column_that_is_not_there_is_named_with_the_nearest():
    with pytest.raises(UnknownColumnError, match=r"'kidn'.*Did you mean 'kind'\?"):
        PromptTemplate("a {{ kidn }}").render(ROW)
    with pytest.raises(UnknownColumnError, match="'Colour'"):
        PromptTemplate("a {{ row['Colour'] }}").render(ROW)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in 'aaaaaaaaaa' %}{% for b in 'aaaaaaaaaa' %}x{% endfor %}{% endfor %}",
        "{{ 'a' * 1000000000 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 'a'.ljust(1000000000) }}",
        "{{ 'a'|center(1000000000) }}",
        "{{ 'a'|format(1) }}",
        "{{ range(1000000000)|join }}",
        "{% set a = 'a' %}{{ a }}",
        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{% include 'x' %}",
        "{% extends 'x' %}",
        "{% import 'x' as y %}",
        "{{ lipsum() }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ 'a'|attr('__class__') }}",
        "{{ 1|round(1000000000, 'ceil') }}",
        "{{ " + "9" * 5000 + " }}",
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{{ " + "not " * 2000 + "1 }}",
        "{{ " + "1 and " * 1500 + "1 }}",
        "{{ kind",
        "{% if %}",
        "{{ kind }}" * 2000,
        "{{ kind is callable }}",
    ],
)
def test_what_templates_cannot_say_is_refused_before_it_runs(source):
    with pytest.raises(TemplateProblemError):
        PromptTemplate(source).render({"kind": "mug"})


@pytest.mark.parametrize(
    "source",
    [
        "{{ kind.__class__ }}",
        "{{ kind['__class__'] }}",
        "{{ row.items }}",
        "{{ row.__class__.__mro__ }}",
        "{{ tags.append }}",
    ],
)
def test_no_attribute_of_an_object_is_within_reach(source):
    with pytest.raises(TemplateProblemError):
        PromptTemplate(source).render(ROW)


@pytest.mark.parametrize(
    "source",
    [
        "{{ text }}",
        "{{ text|replace('', text) }}",
        "{{ text|replace('a', text)|replace('a', text)|replace('a', text) }}",
        "{{ texts|join(text) }}",
        "{{ text ~ text ~ text }}",
    ],
)
def test_a_rendering_cannot_grow_without_bound(source):
    row = {"text": "a" * 5000, "texts": ["a" * 5000] * 50}
    with pytest.raises(TemplateProblemError, match="characters"):
        PromptTemplate(source).render(row)


@given(st.text(max_size=60) | st.text("{}%#|a '()[].~1=", max_size=60), st.text(max_size=20))
def test_any_template_and_any_cell_give_a_prompt_or_a_reason(source, cell):
    try:
        answer = PromptTemplate(source).render({"a": cell})
    except TemplateProblemError as error:
        answer = str(error)
    assert len(answer) <= 4000


@given(st.text())
def test_a_cell_is_never_a_template(cell):
    text = "{{ 7 }}" + cell
    assert PromptTemplate("x {{ a }}").render({"a": text}) == " ".join(f"x {text}".split())


@pytest.mark.parametrize(
    "source",
    [
        "{{ text|truncate(0) }}",
        "{{ tags|truncate(1) }}",
        "{{ text|truncate('a') }}",
        "{{ number|join }}",
        "{{ number|length }}",
        "{{ number|first }}",
        "{{ ''|first }}",
    ],
)
def test_a_filter_that_fails_on_a_row_is_told_and_no_accident(source):
    row = {"text": "a red mug", "tags": ["old", "big", "x" * 300], "number": 3}
    with pytest.raises(TemplateProblemError, match="fails on this row"):
        PromptTemplate(source).render(row)


@pytest.mark.parametrize(
    "source",
    [
        "{{ text }}" * 900,
        "{{ " + " ~ ".join(["text"] * 900) + " }}",
        "{{ (text ~ text ~ text ~ text ~ text)|upper|lower }}" * 20,
        "{{ rows }}",
        "{{ rows ~ rows }}",
        "{{ rows|join }}",
    ],
)
def test_a_rendering_stops_when_it_is_long_enough_and_not_when_it_is_done(source):
    row = {"text": "a" * 131_072, "rows": ["b" * 100_000] * 1000}
    tracemalloc.start()
    try:
        with pytest.raises(TemplateProblemError, match="characters"):
            PromptTemplate(source).render(row)
        # The list as a text is made before it can be counted.
        assert tracemalloc.get_traced_memory()[1] < 250 * 2**20
    finally:
        tracemalloc.stop()


def test_a_template_sees_the_beginning_of_an_endless_cell():
    assert PromptTemplate("{{ a|length }}").render({"a": "x" * 100_000}) == "20000"


def test_a_template_of_too_many_parts_is_refused():
    with pytest.raises(TemplateProblemError, match="parts"):
        PromptTemplate("{{a}}" * 1500)


@pytest.mark.parametrize("source", ["{{ self }}", "{{ self.x }}", "{{ super }}"])
def test_names_of_jinjas_own_are_refused(source):
    with pytest.raises(TemplateProblemError, match="row\\['"):
        PromptTemplate(source)
    assert PromptTemplate("{{ row['self'] }}").render({"self": "x"}) == "x"


@pytest.mark.parametrize(
    ("text", "words", "mentioned"),
    [
        ("Tiered shelf", "Red", False), ("Tank top", "tan", False), ("Big RED mug", "red", True),
        ("t-shirt, green and white", "Green and White", True), ("white, red", "red white", True),
        ("roter Becher", "rot", True), ("", "red", False),
        ("Grey sofa", "gray", True), ("Weiße Vase", "white", True), ("Reading lamp", "Lamps", True),
        ("Kaffeetasse", "Tassen", True), ("Stuhl", "Stühle", True),
        ("Marigold candle", "gold", False), ("Sailor T-Shirt", "T-Shirts", True),
        ("Carpet", "pet", False), ("Cap", "Cape", False),
        ("Blue/White vase", "White & Blue", True), ("Blue vase", "White & Blue", False),
    ],
)  # fmt: skip
def test_a_text_mentions_words_however_they_are_inflected(text, words, mentioned):
    source = "{% if text is mentioning(words) %}yes{% else %}no{% endif %}"
    found = PromptTemplate(source).render({"text": text, "words": words})
    assert found == ("yes" if mentioned else "no")


def test_the_templates_of_a_sheet_have_a_time_in_which_they_must_be_done():
    clock = iter([0.0, 1.0, 61.0])
    row = SheetRow(line=2, cells={"kind": "mug"})
    sheet = Sheet(columns=["kind"], rows=[row], reading=Reading(format=SheetFormat.CSV))
    prompts = Prompts(sheet, template="a {{ kind }}", issues=Issues(), clock=lambda: next(clock))
    assert prompts.write(row) == "a mug"
    with pytest.raises(InvalidSheetError, match="60 seconds"):
        prompts.write(row)


PARTS = st.sampled_from([
    "{{", "}}", "{%", "%}", "if", "endif", "else", "for", "in", "a", "b.c", "row", "['a']", "|",
    "upper", "truncate(3)", "join(b)", "replace('', a)", "~", "==", "'x'", "(", ")", "[", "]", ",",
    "self", "loop", "range(9)", "__class__", "is", "none", "not", "and", "1", "*", "**", "%s",
    "{{ a.__class__.__mro__ }}", "{{ self._TemplateReference__context }}", "{{ ''.format(a) }}",
    "{{ a|attr('x') }}", "{{ (a|map)|list }}", "{% raw %}", "{#", "#}", " ",
])  # fmt: skip


@settings(max_examples=150)
@given(st.lists(PARTS, max_size=14).map(" ".join))
def test_any_pieces_of_jinja_give_a_prompt_or_a_reason(source):
    try:
        answer = PromptTemplate(source).render({"a": "mug", "b": {"c": [1, 2]}})
    except TemplateProblemError as error:
        answer = str(error)
    assert "class" not in answer or "class" in source
    assert len(answer) <= 4000
