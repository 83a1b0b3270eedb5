"""What shops write that says nothing of how a product looks."""

MISSING = frozenset({
    "", "-", "--", "---", "–", "—", ".", "/", "?", "n/a", "n.a.", "n.a", "na", "n/d", "nd", "k.a.",
    "none", "null", "nil", "nan", "undefined", "unknown", "unbekannt", "inconnu", "desconocido",
    "keine angabe", "not specified", "unspecified", "not applicable", "не указан", "tbd", "tba",
    "tbc", "todo", "default", "default title",
})  # fmt: skip
"""Values of an attribute that nobody filled in, folded."""

NOTHING = MISSING | {
    "standard", "normal", "regular", "original", "basic", "as shown", "as pictured", "as picture",
    "as photo", "as in picture", "like picture", "same as picture", "wie abgebildet", "wie bild",
    "see picture", "see pictures", "see image", "see photo", "see photos", "see description",
    "see product page", "see product", "see details", "see title", "see below", "see options",
    "siehe bild", "siehe beschreibung", "voir photo", "voir description", "ver foto", "ver imagen",
    "vedi foto", "various", "varied", "varies", "variable", "assorted", "assortment",
    "assorted colors", "assorted colours", "various colors", "various colours", "mixed", "mix",
    "random", "random color", "random colour", "any", "all", "other", "others", "diverse",
    "divers", "verschieden", "verschiedene", "verschiedene farben", "sortiert", "gemischt",
    "assorti", "varios", "surtido", "vari", "assortito", "sonstige", "andere", "autre", "otro",
    "altro", "разные", "choose", "choose an option", "choose color", "choose colour", "select",
    "select color", "select colour", "please select", "wählen", "auswählen", "bitte wählen",
    "choisir", "choisissez", "elegir", "seleccionar", "scegli", "kies", "wybierz", "no color",
    "no colour", "multiple", "several", "custom", "personalized", "personalised", "keine", "ohne",
    "aucun", "aucune", "ninguno", "ninguna", "nessuno", "geen", "brak", "нет", "true", "false",
    "yes", "no", "ja", "nein", "oui", "non", "si", "sí", "test",
}  # fmt: skip
"""Values from which nobody could draw anything, folded."""

AVAILABILITY = (
    "sold out", "out of stock", "in stock", "ausverkauft", "vergriffen", "nicht verfügbar",
    "lieferbar", "épuisé", "rupture", "agotado", "esaurito", "uitverkocht", "esgotado", "slutsåld",
    "udsolgt", "wyprzedane", "tükendi", "нет в наличии", "unavailable", "not available",
    "pre-order", "preorder", "pre order", "vorbestell", "backorder", "coming soon", "discontinued",
)  # fmt: skip
"""Whatever has one of them inside says whether it can be had."""

INSTRUCTIONS = (
    "see ", "siehe ", "voir ", "please ", "bitte ", "choose ", "select ", "pick ", "as shown",
    "as pictured", "available in", "erhältlich in", "disponible", "wie abgebildet", "various ",
    "assorted ",
)  # fmt: skip
"""What begins with one of them tells the buyer what to do, not what is seen."""
