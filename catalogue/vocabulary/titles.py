"""What shops put into titles that says nothing of how a product looks."""

PHRASES = (
    r"free (?:shipping|delivery)|kostenlose[rn]? versand|gratis ?versand|versandkostenfrei"
    r"|livraison (?:gratuite|offerte)|env[ií]o gratis|spedizione gratuita|gratis verzending"
    r"|frete gr[aá]tis|fri frakt|gratis fragt|darmowa (?:dostawa|wysyłka)|ücretsiz kargo"
    r"|бесплатная доставка|fast (?:shipping|delivery)",
    r"best[- ]?sellers?|top[- ]?sellers?|verkaufsschlager|new arrivals?|new collection"
    r"|limited edition"
    r"|hot sale|flash sale|on sale|best price|super deal|today only|buy \d get \d(?: free)?"
    r"|clearance",
    r"(?:high|top|premium|best) quality|money back guarantee|do not (?:buy|order)",
    r"pre[- ]?order|back in stock|out of stock|in stock|sold out|ausverkauft|vorbestellung",
    r"(?:perfect |great |ideal )?(?:gifts?|geschenk|cadeau|regalo|presente|prezent)"
    r" ?(?:ideas?|idee)? (?:for|für|pour|para|per|voor|dla)"
    r" (?:\w+(?: (?:and|und|et|y|e|or) \w+)?)|geschenkidee|gift idea",
    r"made in [a-z]+|hergestellt in [a-z]+|fabriqué en [a-z]+",
)
"""Left out wherever they stand; regular expressions of folded text."""

WORDS = frozenset({
    "new", "neu", "neuf", "nouveau", "nouveauté", "nuevo", "nueva", "nuovo", "nieuw", "novo",
    "ny", "nowość", "yeni", "новинка", "sale", "sales", "soldes", "rebajas", "saldi", "angebot",
    "aktion", "deal", "deals", "offer", "offers", "promo", "promotion", "rabatt", "discount",
    "hot", "trending", "bestseller", "best", "seller", "collection", "kollektion", "season",
    "free", "gratis", "shipping", "versand", "delivery", "copy", "kopie", "copie", "copia",
    "kopia", "duplicate", "duplikat", "preorder", "limited", "edition", "exclusive", "online",
    "only", "unisex", "ss", "aw", "fw", "top", "quality", "premium", "official", "store", "shop",
    "the", "by", "of", "and", "und", "clearance", "outlet", "restock", "gift", "idea", "bulk",
    "wholesale",
})  # fmt: skip
"""A part of a title in which only such words stand is left out."""

NO_TITLES = (
    r"test|tests?[- ]?(?:product|produkt|item|artikel)\b.*|.*\bdo not (?:buy|order)\b.*|untitled"
    r"|sample product|lorem ipsum.*|(?:new |neues )?(?:product|produkt|produit|producto|prodotto"
    r"|item|artikel|title|titel|name)(?: \d+)?|placeholder|asdf\w*|x+|to do"
)
"""Titles that name no product, as a regular expression of the whole, folded."""

UNITS = (
    r"ml|cl|dl|l|ltr|lit(?:er|re)s?|mm|cm|m|km|inch(?:es)?|zoll|ft|kg|g|gr|gramm?|mg|lbs?|oz"
    r"|fl\.? ?oz|w|watts?|kw|v|volts?|mah|ah|hz|lm|lumen|gb|tb|mb|px|dpi|gsm|den(?:ier)?|pcs?"
    r"|pieces?|stk|stück|stuks|pièces|piezas|pezzi|szt|adet|tlg|teilig|sheets|blatt|cm²|m²|m2"
    r"|months?|years?|yrs?|jahre|monate|кг|г|л|мл|см|мм|м|вт|шт|\"|''|″|”"
)
"""Behind a number they make it a measure or a count."""

COUNTED = (
    r"(?:sets?|packs?|lots?|juego|jogo|zestaw) (?:of|de|di|mit|von|z) \d+"
    r"|\d+ ?-? ?(?:er|piece|pcs?|pack|count|ct|teilige[sr]?|tlg\.?)(?:[- ]?(?:set|packs?))?"
    r"|(?<!\w)[x×] ?\d+|\d+ ?[x×](?!\w)"
)
SIZES = (
    r"(?:sizes?|größen?|grösse|gr\.|taille|talla|tamaño|tamanho|taglia|maat|storlek|rozmiar|размер)"
    r" ?:? ?(?:\d?x{0,4}[sml]|\d{1,3}(?:[.,]\d)?)(?: ?[-/] ?(?:\d?x{0,4}[sml]|\d{1,3}))?"
)
CODES = (
    r"(?:sku|r[eé]f|art(?:ikel|icle)?|item|model|modell?o?|mpn|ean|gtin|asin|code|арт(?:икул)?)\b\.?"
    r" ?(?:no|nr|number|nummer|n°|num)?\.? ?[:#.]? ?(?=[\w/-]*\d)[\w/.-]+"
)
