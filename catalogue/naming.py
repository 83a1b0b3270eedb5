"""The names of images' files: safe on every system, and checked before anything is queued."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice

from catalogue.channels import Channel
from catalogue.issues import Issue, Issues
from catalogue.prompts.expressions import TemplateProblemError
from catalogue.prompts.templates import PromptTemplate
from core.domain.image_request import ImageRequest
from core.pictures.formats import ORIGINAL, Format

LONGEST = 120
"""Bytes of a SKU that a file name keeps; file systems allow 255 in all."""

_UNSAFE = re.compile(r"[^\w.-]+")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)[\d¹²³])(\..*)?", re.IGNORECASE)
"""What Windows takes for a device, whatever follows the first dot (Microsoft: "Naming Files")."""


def safe(text: str) -> str:
    """Turn a SKU into a part of a file name; the result may be empty.

    Letters of every script, digits, `_`, `-` and `.` stay; a run of anything else becomes `-`.
    """
    return _unreserved(_bounded(text))


def plain(text: str) -> str:
    """Turn a text into what Amazon takes: ASCII letters, digits, `_` and `.`.

    The result may be empty. It begins with `_` only where Windows could not keep it otherwise.
    """
    return _unreserved(_NOT_PLAIN.sub("_", _bounded(text)).strip("_."))


def _bounded(text: str) -> str:
    name = _UNSAFE.sub("-", unicodedata.normalize("NFC", text)).strip("-.")
    return name.encode()[:LONGEST].decode(errors="ignore")


def _unreserved(name: str) -> str:
    """Keep a name from being a device's; the last step, because any other may undo it."""
    return f"_{name}" if _RESERVED.fullmatch(name) else name


class Names:
    """The names of one batch, without their extensions, given out in the order of its sheet.

    The first image of a name gets it as it is. Later ones, of a product that stands in the sheet
    twice for example, add their line. So the same sheet has the same names each time.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, *, sku: str, variant: int, line: int | None) -> str:
        """Return a name that no other image of the batch has."""
        for name in _candidates(sku, variant, line or 0):
            # Windows and macOS take names that differ only in case for the same.
            if name.casefold() not in self._taken:
                break
        self._taken.add(name.casefold())
        return name


def _candidates(sku: str, variant: int, line: int) -> Iterator[str]:
    stem = f"{safe(sku) or (f'line{line}' if line else 'image')}_{variant}"
    yield stem
    yield f"{stem}_line{line}"
    yield from (f"{stem}_line{line}_{number}" for number in count(2))


@dataclass(frozen=True, kw_only=True)
class FileTarget:
    """One file of each image: the model's own, or a channel's."""

    name: str
    format: Format
    channel: Channel | None = None

    @property
    def plain(self) -> bool:
        """Return whether the channel prescribes how its files are called."""
        return self.channel is not None and self.channel.preset.slots is not None


def name_files(
    wanted: Sequence[ImageRequest],
    channels: Sequence[Channel],
    template: str | None,
    issues: Issues,
) -> Sequence[ImageRequest]:
    """Name the files of images where channels or names were asked for.

    Args:
        wanted: The images, in the order of the sheet.
        channels: Those that they are wanted for.
        template: Jinja2 over `sku`, `variant`, `number` (the variant as two digits), `line`,
            `channel` and `extension`; None: each channel's own way.
        issues: Where names that cannot be used are noted, and those that two images would have.

    Returns:
        The images with `files`: a name by `original` and by each channel.
    """
    if not channels and template is None:
        return wanted
    targets = [FileTarget(name=ORIGINAL, format=Format.PNG)]
    targets += [FileTarget(name=one.name, format=one.format, channel=one) for one in channels]
    named: list[dict[str, str]] = [{} for _ in wanted]
    for target in targets:
        writer = _writer(target, template, issues)
        if writer is None:
            break
        for one, files in zip(wanted, named, strict=True):
            files[target.name] = writer(one)
    return [replace(one, files=files) for one, files in zip(wanted, named, strict=True)]


def tell_renamed(wanted: Sequence[ImageRequest]) -> list[Issue]:
    """Report which SKUs stand otherwise in their files' names, because those cannot hold them.

    Args:
        wanted: The images, named without a template.
    """
    found: dict[str, dict[str, tuple[str, int | None]]] = {_ANY: {}, _PLAIN: {}}
    for one in wanted:
        sku = unicodedata.normalize("NFC", one.sku)
        for name in one.files.values():
            slot = _SLOT.fullmatch(name)
            written = slot[1] if slot else name.rpartition("_")[0]
            takes = _PLAIN if slot else _ANY
            # A product that stands there twice adds its line to its name.
            if written != sku and not name.startswith(f"{sku}_"):
                found[takes].setdefault(one.sku, (written, one.line))
    return [_say_renamed(takes, renamed) for takes, renamed in found.items() if renamed]


_ANY = "Names of files take letters, digits, `_`, `-` and `.`, and no names of Windows devices"
_PLAIN = "Amazon's names of files take a to z, digits and `_`, and no names of Windows devices"
_SLOT = re.compile(r"(.+)\.(?:PT\d\d|MAIN)\.\w+")
_SHOWN = 3


def _say_renamed(takes: str, renamed: Mapping[str, tuple[str, int | None]]) -> Issue:
    shown = ", ".join(
        f"{sku!r} as {written!r}" + (f" (line {line})" if line else "")
        for sku, (written, line) in islice(renamed.items(), _SHOWN)
    )
    more = ", …" if len(renamed) > _SHOWN else ""
    number = "1 SKU is" if len(renamed) == 1 else f"{len(renamed):,} SKUs are"
    line = next(iter(renamed.values()))[1]
    message = f"{takes}: {number} written otherwise, {shown}{more}."
    return Issue(line=line, column="sku", message=message)


_Writer = Callable[[ImageRequest], str]


def _writer(target: FileTarget, template: str | None, issues: Issues) -> _Writer | None:
    """Choose how a target's files are named; None: not at all, and the reason is noted."""
    if template is not None:
        try:
            return _Templated(PromptTemplate(template), target, issues)
        except TemplateProblemError as error:
            issues.add(str(error), column="file_name")
            return None
    if target.plain and target.channel is not None:
        return _Slots(target, target.channel, issues)
    names = Names()
    return lambda one: (
        f"{names.take(sku=one.sku, variant=one.variant, line=one.line)}.{target.format.extension}"
    )


class _Templated:
    """Names as the caller's template has them."""

    def __init__(self, template: PromptTemplate, target: FileTarget, issues: Issues) -> None:
        self.template = template
        self.target = target
        self.issues = issues
        self._taken: dict[str, ImageRequest] = {}

    def __call__(self, one: ImageRequest) -> str:
        """Write the name of one image; the empty text when something is wrong, and noted."""
        try:
            name = self._shape(self.template.render(self._values(one)))
        except TemplateProblemError as error:
            self.issues.add(str(error), line=one.line, column="file_name")
            return ""
        if not name:
            self.issues.add(
                "The file name is empty: it needs letters or digits.",
                line=one.line, column="file_name",
            )  # fmt: skip
            return ""
        other = self._taken.setdefault(name.casefold(), one)
        if other is not one:
            self.issues.add(_same_name(name, other, one), line=one.line, column="file_name")
        return name

    def _values(self, one: ImageRequest) -> Mapping[str, object]:
        return {
            "sku": one.sku,
            "variant": one.variant,
            "number": f"{one.variant:02}",
            "line": one.line,
            "channel": self.target.name,
            "extension": self.target.format.extension,
        }

    def _shape(self, text: str) -> str:
        extension = f".{self.target.format.extension}"
        stem = text[: -len(extension)] if text.lower().endswith(extension) else text
        stem = plain(stem) if self.target.plain else safe(stem)
        return stem and stem + extension


class _Slots:
    """Names by product and slot, as Amazon wants them: `SKU.MAIN.jpg`, `SKU.PT01.jpg` to `.PT99`.

    Slots are counted over the whole sheet, so that a product may stand in it twice.
    """

    def __init__(self, target: FileTarget, channel: Channel, issues: Issues) -> None:
        self.target = target
        self.issues = issues
        self.most = channel.preset.slots or 1
        self.slot = channel.preset.slot
        self._used: Counter[str] = Counter()
        self._owners: dict[str, ImageRequest] = {}

    def __call__(self, one: ImageRequest) -> str:
        """Write the name of one image; what is wrong with it is noted."""
        product = plain(one.sku.replace(".", "_")) or f"line{one.line or 0}"
        if not _is_recognisable(one.sku):
            self.issues.add(
                f"{one.sku!r} cannot be in the names that {self.target.name} takes: a to z, digits "
                "and `_`. Nobody could tell whose image it is. Give the product another SKU, or "
                "the request a `file_name` template.",
                line=one.line, column="sku",
            )  # fmt: skip
        owner = self._owners.setdefault(product.casefold(), one)
        if owner.sku != one.sku:
            self.issues.add(
                f"{self.target.name} takes only letters, digits and `_`: {one.sku!r} would be "
                f"{product!r}, as {owner.sku!r} of line {owner.line} is. Give one of them another "
                "SKU, or a `file_name` template.",
                line=one.line, column="sku",
            )  # fmt: skip
        slot = max(self._used[product.casefold()] + 1, one.variant)
        self._used[product.casefold()] = slot
        if slot > self.most:
            images = "1 image" if self.most == 1 else f"{self.most} images"
            self.issues.add(
                f"{self.target.name} accepts {images} of a product, and {one.sku!r} has more.",
                line=one.line, column="sku",
            )  # fmt: skip
        return f"{product}.{self.slot.format(slot)}.{self.target.format.extension}"


def _is_recognisable(sku: str) -> bool:
    """Check whether most letters and digits of a SKU are ASCII."""
    letters = [letter for letter in sku if letter.isalnum()]
    kept = sum(letter.isascii() for letter in letters)
    return kept > 0 and 2 * kept >= len(letters)


def _same_name(name: str, first: ImageRequest, second: ImageRequest) -> str:
    if first.line == second.line:
        return (
            f"Variants {first.variant} and {second.variant} would both be {name!r}. Put "
            "{{ variant }} into `file_name`."
        )
    return (
        f"Line {first.line} and line {second.line} would both be {name!r}. Put {{{{ sku }}}}, "
        "{{ variant }} or {{ line }} into `file_name`."
    )
