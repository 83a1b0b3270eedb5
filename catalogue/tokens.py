"""How much of a prompt the model reads: the bundle's tokenizer, without the model libraries."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from tokenizers import Tokenizer  # type: ignore[import-untyped]

from core.errors import BundleError

_SPECIAL = 2
"""The start and end tokens, which count towards the model's limit."""


class TokenLimit:
    """Finds what of a prompt is cut off."""

    def __init__(self, folder: Path, *, max_tokens: int) -> None:
        """Load a tokenizer.

        Args:
            folder: The bundle's `tokenizer` folder, with a tokenizer.json.
            max_tokens: What the text encoder reads, start and end tokens included.

        Raises:
            BundleError: It cannot be read.
        """
        self.limit = max_tokens - _SPECIAL
        """Tokens of the prompt itself."""
        path = folder / "tokenizer.json"
        try:
            # tokenizers raises bare Exceptions.
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:
            raise BundleError(
                f"{path} cannot be read ({error}). "
                "Build the bundle again: `packshot model build SOURCE`."
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def count(self, prompt: str) -> int:
        """Return how many tokens a prompt has, without those of its start and end."""
        return len(self._tokenizer.encode(prompt, add_special_tokens=False).ids)

    def cut_off(self, prompts: Iterable[str]) -> Mapping[str, str]:
        """Find the prompts that are too long, and the part of each that the model never sees."""
        # A token has at least one byte: most prompts need no tokenizer.
        long = [prompt for prompt in dict.fromkeys(prompts) if len(prompt.encode()) > self.limit]
        encodings = self._tokenizer.encode_batch(long, add_special_tokens=False)
        return {
            prompt: prompt[encoding.offsets[self.limit][0] :]
            for prompt, encoding in zip(long, encodings, strict=True)
            if len(encoding.ids) > self.limit
        }
