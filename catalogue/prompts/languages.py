"""In which language a prompt is: told by its letters and by a few words, or not at all.

Small on purpose: a sheet has many titles, and one warning is enough for all. A title that is missed
costs little; warnings of English titles would be ignored with the others. So a language is told by
another script, by a word that hardly any other has, or by two weaker signs.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping
from functools import lru_cache

from catalogue.prompts.attributes import folded

LANGUAGES: Mapping[str, str] = {
    "ar": "Arabic", "bg": "Bulgarian", "cs": "Czech", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "es": "Spanish", "fi": "Finnish", "fr": "French",
    "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "it": "Italian", "ja": "Japanese",
    "ko": "Korean", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese",
    "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sr": "Serbian", "sv": "Swedish",
    "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip
"""Names by their codes (ISO 639-1)."""

_SCRIPTS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (re.compile("[\u3040-\u30ff]"), ("ja",)),
    (re.compile("[\uac00-\ud7af]"), ("ko",)),
    (re.compile("[\u3400-\u9fff]"), ("zh", "ja")),
    (re.compile("[\u0400-\u04ff]"), ("ru", "uk", "bg", "sr")),
    (re.compile("[\u0370-\u03ff]"), ("el",)),
    (re.compile("[\u0590-\u05ff]"), ("he",)),
    (re.compile("[\u0600-\u06ff]"), ("ar",)),
    (re.compile("[\u0900-\u097f]"), ("hi",)),
    (re.compile("[\u0e00-\u0e7f]"), ("th",)),
)
"""Letters, and the languages that are written in them, the likeliest first."""
_FEWEST_LETTERS = 2
"""Of another script: one may be a sign, such as `Ω` or `μ`."""

_TELLING: Mapping[str, tuple[str, ...]] = {
    "de": ("mit", "und", "für", "ohne", "zum", "zur", "eine", "einen", "einem"),
    "fr": ("avec", "une", "dans", "cuir", "femme", "homme", "verre"),
    "es": ("mujer", "hombre", "niños", "cuero", "algodón"),
    "it": ("della", "dello", "degli", "delle", "senza", "donna", "uomo", "pelle"),
    "pt": ("uma", "sem", "feminino", "masculino", "couro", "algodão"),
    "nl": ("voor", "een", "het", "zonder", "uit", "leren"),
    "pl": ("dla", "oraz", "damska", "męska"),
    "sv": ("och", "för", "utan"),
    "da": ("uden",),
    "no": ("uten",),
    "fi": ("kanssa", "ilman", "naisten", "miesten"),
    "cs": ("dámské", "pánské", "nebo"),
    "tr": ("için", "ile", "kadın", "erkek"),
    "hu": ("és", "női", "férfi", "nélkül"),
    "ro": ("pentru", "fără", "și"),
}  # fmt: skip
"""Words that titles in a language have, and English ones hardly."""
_LIKELY: Mapping[str, tuple[str, ...]] = {
    "de": ("aus", "von", "der", "das", "im", "auf", "zu", "oder"),
    "fr": ("et", "en", "de", "du", "des", "la", "le", "les", "pour", "sans", "à", "au", "aux"),
    "es": ("de", "del", "con", "para", "y", "en", "el", "la", "los", "las", "sin", "una"),
    "it": ("di", "con", "per", "il", "la", "da", "una", "del", "nel"),
    "pt": ("de", "com", "para", "em", "da", "dos", "das"),
    "nl": ("met", "en", "van", "de"),
    "pl": ("na", "bez", "ze"),
    "sv": ("med", "på", "ett", "till"),
    "da": ("med", "og", "til", "af", "på"),
    "no": ("med", "og", "til", "av", "på"),
    "fi": ("ja", "tai"),
    "cs": ("na", "bez", "ze"),
    "tr": ("ve", "bir"),
    "ro": ("cu", "de", "la", "din", "sau"),
}  # fmt: skip
"""Words that other languages have, too; two of them tell."""
_LETTERS: Mapping[str, str] = {
    "de": "ß", "cs": "řěů", "pl": "łżźśćńąę", "tr": "ğış", "hu": "őű", "ro": "șță", "pt": "ãõ",
    "es": "ñ", "sv": "å", "da": "æø", "no": "æø",
}  # fmt: skip
"""Letters of its own, each as good as a likely word: `jalapeño` is English, too."""
_FUNCTION_WORDS: Mapping[str, tuple[tuple[str, int], ...]] = {
    word: tuple(
        (language, weight)
        for weight, table in ((2, _TELLING), (1, _LIKELY))
        for language, words in table.items()
        if word in words
    )
    for table in (_TELLING, _LIKELY)
    for words in table.values()
    for word in words
}
_WORD = re.compile(r"[^\W\d_]+")
_ENOUGH = 2


@lru_cache(maxsize=10_000)
def foreign_language(text: str, known: Collection[str]) -> str | None:
    """Return the language of a text that a model does not know, by its code; None: none is found.

    Args:
        text: A prompt; the English words of a template around a title do not count.
        known: Codes of the model's languages, as a tuple.
    """
    text = unicodedata.normalize("NFC", text)
    if text.isascii():
        return _of_latin(text, known)
    for script, languages in _SCRIPTS:
        if len(script.findall(text)) >= _FEWEST_LETTERS:
            return None if set(languages) & set(known) else languages[0]
    return _of_latin(text, known)


def _of_latin(text: str, known: Collection[str]) -> str | None:
    words = set(_WORD.findall(folded(text)))
    signs: Counter[str] = Counter()
    for word in words:
        for language, weight in _FUNCTION_WORDS.get(word, ()):
            signs[language] += weight
    for language, letters in _LETTERS.items():
        signs[language] += any(letter in text.lower() for letter in letters)
    # One that the model knows is preferred to its neighbours, which share words with it.
    likeliest = max(signs, key=lambda one: (signs[one], one in known), default=None)
    if likeliest is None or likeliest in known or signs[likeliest] < _ENOUGH:
        return None
    return likeliest
