"""Prompts longer than what their row's model reads: titles are shortened, the rest remarked."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from catalogue.issues import Issues
from catalogue.platforms.fields import note
from catalogue.prompts.writer import Prompts, cut_off_warning, shortened_title
from catalogue.rows import GoodRow


def fit_prompts(
    rows: Sequence[GoodRow], prompts: Prompts, *, warnings: Issues, notes: Issues
) -> tuple[list[GoodRow], list[str | None]]:
    """Shorten titles in prompts that are too long for their model, and remark on all of these.

    Returns:
        The rows, and each one's remark.
    """
    cuts = _find_cuts(rows)
    fitted: dict[tuple[str, str], tuple[str, str] | None] = {}
    good: list[GoodRow] = []
    remarks: list[str | None] = []
    shortened: dict[int, list[int]] = defaultdict(list)
    for one in rows:
        row, remark = one, None
        tokens, key = one.model.tokens, (one.model.made_by.name, one.prompt)
        if tokens is not None and key in cuts:
            if key not in fitted:
                fitted[key] = prompts.shorten(one.row, tokens)
            shorter = fitted[key]
            if shorter:
                row = one._replace(prompt=shorter[0])
                remark = shortened_title(shorter[1], tokens.limit)
                shortened[tokens.limit].append(one.row.line)
            else:
                remark = cut_off_warning(cuts[key], tokens.limit)
                column = prompts.columns.get("prompt", "prompt")
                warnings.add(remark, line=one.row.line, column=column)
        good.append(row)
        remarks.append(remark)
    for limit, lines in shortened.items():
        reads = f"the model reads {limit} tokens of a prompt"
        notes.extend(
            note(
                lines,
                f"The title was shortened: {reads}",
                f"{{number}} titles were shortened: {reads}",
            )
        )
    return good, remarks


def _find_cuts(rows: Sequence[GoodRow]) -> Mapping[tuple[str, str], str]:
    """Find the prompts that are too long: what their model never sees, by its name and them."""
    cuts: dict[tuple[str, str], str] = {}
    for name, model in {one.model.made_by.name: one.model for one in rows}.items():
        if model.tokens is not None:
            own = (one.prompt for one in rows if one.model.made_by.name == name)
            found = model.tokens.cut_off(own)
            cuts |= {(name, prompt): cut for prompt, cut in found.items()}
    return cuts
