"""Words that shops use, as data: names of attributes, colours, and what says nothing of a look.

Small on purpose: a word that is missing is warned of where it matters (rows that differ in an
attribute and have equal prompts), so no list here has to be complete.
"""

from collections.abc import Mapping

COLOR = "color"
SIZE = "size"

COLOR_WORDS = (
    "color", "colour", "colors", "colours", "colorway", "colourway", "shade", "hue", "tint",
    "farbe", "farben", "farbton", "farbvariante", "couleur", "couleurs", "coloris", "teinte",
    "colore", "colori", "coloración", "colores", "tono", "kleur", "kleuren", "cor", "cores", "tom",
    "färg", "färger", "farve", "farver", "farge", "farger", "kolor", "kolory", "barva", "farba",
    "szín", "väri", "värit", "culoare", "culori", "boja", "barve", "цвет", "цвета", "колір",
    "колер", "χρώμα", "renk", "renkler", "värv", "krāsa", "spalva", "צבע", "اللون", "لون", "रंग",
    "warna", "kulay", "màu", "màu sắc", "สี", "色", "カラー", "颜色", "顏色", "颜色分类", "색상",
    "색", "컬러",
)  # fmt: skip
"""Any of them inside of a name makes it a colour: `Frame color`, `Couleur du cadre`."""

OTHER_WORDS: Mapping[str, tuple[str, ...]] = {
    "finish": ("finish", "finishing", "coating", "oberfläche", "finition", "finitura", "acabado",
               "acabamento", "afwerking", "wykończenie", "ytbehandling", "покрытие", "отделка"),
    "pattern": ("pattern", "muster", "motif", "motifs", "fantasia", "patrón", "padrão", "patroon",
                "wzór", "mønster", "mönster", "vzor", "desen", "узор", "рисунок", "柄", "图案",
                "패턴"),
    "design": ("design", "motiv", "motive", "motivo", "print", "prints", "graphic", "artwork",
               "dessin", "diseño", "disegno", "estampa", "estampado", "picture", "image design",
               "character", "theme", "thema", "thème", "デザイン", "принт"),
    "material": ("material", "materials", "materialien", "matière", "matériau", "matériel",
                 "materiale", "materiali", "materiaal", "materiał", "materiál", "materiaali",
                 "anyag", "malzeme", "kumaş", "fabric", "stoff", "tissu", "tela", "tecido", "stof",
                 "tessuto", "wood", "holz", "holzart", "bois", "legno", "madera", "madeira", "hout",
                 "metal", "metall", "métal", "metallo", "leather", "leder", "материал", "матеріал",
                 "ткань", "素材", "材质", "材質", "소재", "chất liệu"),
    "shape": ("shape", "form", "forme", "forma", "vorm", "kształt", "tvar", "muoto", "şekil",
              "форма", "形状", "모양"),
    "style": ("style", "stil", "stile", "estilo", "stijl", "styl", "tyyli", "look", "cut",
              "neckline", "ausschnitt", "cutting", "type of cut", "стиль", "スタイル", "款式",
              "스타일"),
    "flavor": ("flavor", "flavour", "flavors", "flavours", "geschmack", "geschmacksrichtung",
               "goût", "gusto", "sabor", "smaak", "smak", "lezzet", "вкус"),
    SIZE: (
        "size", "sizes", "größe", "grösse", "groesse", "größen", "konfektionsgröße", "taille",
        "pointure", "taglia", "misura", "maat", "talla", "tallas", "tamaño", "tamanho", "storlek",
        "størrelse", "koko", "rozmiar", "velikost", "veľkosť", "méret", "mărime", "marime",
        "размер", "розмір", "μέγεθος", "beden", "boyut", "ebat", "numara", "מידה", "المقاس",
        "مقاس", "サイズ", "尺寸", "尺码", "尺碼", "사이즈", "kích thước", "kích cỡ", "ukuran",
    ),
}  # fmt: skip
"""Attributes that a picture shows, by field, and sizes, which it does not."""

MEASURES = (
    "length", "länge", "longueur", "lunghezza", "longitud", "lengte", "width", "breite", "largeur",
    "height", "höhe", "hauteur", "dimension", "dimensions", "dimensioni", "maße", "abmessungen",
    "diameter", "durchmesser", "weight", "gewicht", "poids", "peso", "вес", "volume", "volumen",
    "contenance", "inhalt", "inhoud", "capacity", "capacité", "fassungsvermögen", "объем", "объём",
    "waist", "inseam", "bust", "cup", "age", "alter", "storage", "memory", "speicher", "quantity",
    "menge", "anzahl", "quantité", "cantidad", "quantità", "aantal", "ilość", "antal",
    "количество", "pack", "pack size", "packung",
)  # fmt: skip
"""Sizes too, where their values are numbers: a length may be `Midi`, which is seen."""

ABOUT_LIGHT = ("temperature", "temperatur", "température", "temperatura", "rendering", "kelvin")
"""With them a colour is that of light, which `2700 K` names."""

NUMBERED = (
    "color", "colour", "farbe", "couleur", "colore", "kleur", "cor", "kolor", "цвет", "style",
    "stil", "design", "pattern", "muster", "motif", "motiv", "option", "variant", "variante",
    "type", "typ", "model", "modell", "modèle", "no", "nr", "number", "item",
)  # fmt: skip
"""Words with which a value only numbers its attribute: `Color 1`, `Design B`."""

ENDINGS = ("farbe", "farben", "kleur", "färg", "farve", "farge", "größe", "grösse", "maat",
           "material", "materiaal", "muster", "form")  # fmt: skip
"""Germanic languages write these behind others: `Rahmenfarbe`, `Bettgröße`."""


COLOUR_FORMS: Mapping[str, tuple[str, ...]] = {
    "black": ("black", "schwarz*", "noir", "noire", "noirs", "noires", "nero", "nera", "neri",
              "nere", "negro", "negra", "negros", "negras", "zwart*", "preto", "preta", "svart*",
              "czarny", "czarna", "czarne", "černý", "černá", "musta", "siyah", "negru",
              "чёрный", "черный", "чёрная", "черная", "чёрное", "черное", "黒", "黑色", "검정"),
    "white": ("white", "weiß*", "weiss*", "blanc", "blanche", "blancs", "blanches", "bianco",
              "bianca", "bianchi", "bianche", "blanco", "blanca", "blancos", "blancas", "witte",
              "branco", "branca", "hvid", "hvit", "biały", "biała", "białe",
              "bílý", "bílá", "valkoinen", "beyaz", "alb", "albă", "белый", "белая", "белое",
              "白", "白色", "흰색"),
    "grey": ("grey", "gray", "grau*", "gris", "grise", "grises", "grigio", "grigia", "grijs",
             "grijze", "cinza", "cinzento", "grå", "szary", "szara", "szare", "šedý", "šedá",
             "harmaa", "gri", "серый", "серая", "серое", "グレー", "灰色"),
    "red": ("red", "rot", "rote", "roter", "rotes", "roten", "rotem", "rouge", "rouges", "rosso",
            "rossa", "rossi", "rosse", "rojo", "roja", "rojos", "rojas", "rood", "vermelho",
            "vermelha", "röd", "röda", "rött", "rød", "røde", "czerwony", "czerwona", "czerwone",
            "červený", "červená", "punainen", "kırmızı", "roșu", "roșie", "красный", "красная",
            "красное", "赤", "红色", "빨강"),
    "blue": ("blue", "blau*", "bleu", "bleue", "bleus", "bleues", "blu", "azul", "azules", "blauw*",
             "blå", "niebieski", "niebieska", "niebieskie", "modrý", "modrá", "sininen", "mavi",
             "albastru", "albastră", "синий", "синяя", "синее", "голубой", "голубая", "青", "蓝色",
             "파랑"),
    "green": ("green", "grün*", "gruen*", "vert", "verte", "verts", "vertes", "verde", "verdi",
              "verdes", "groen", "groene", "grön", "gröna", "grønn", "grøn", "zielony", "zielona",
              "zielone", "zelený", "zelená", "vihreä", "yeşil", "зелёный", "зеленый", "зелёная",
              "зеленая", "緑", "绿色", "초록"),
    "yellow": ("yellow", "gelb*", "jaune", "jaunes", "giallo", "gialla", "gialli", "amarillo",
               "amarilla", "geel", "amarelo", "amarela", "gul", "gula", "żółty", "żółta",
               "žlutý", "žlutá", "keltainen", "sarı", "galben", "жёлтый", "желтый", "жёлтая",
               "желтая", "黄色", "노랑"),
    "orange": ("orange", "orangen", "arancione", "naranja", "oranje", "laranja", "pomarańczowy",
               "oranžový", "oranssi", "turuncu", "portocaliu", "оранжевый", "оранжевая"),
    "pink": ("pink", "rosa", "pinke", "pinker", "pinkes", "różowy", "różowa", "růžový", "růžová",
             "vaaleanpunainen", "pembe", "roze", "розовый", "розовая", "розовое", "ピンク", "粉色"),
    "purple": ("purple", "violet", "lila", "violett*", "violette", "viola", "morado", "morada",
               "púrpura", "paars", "paarse", "roxo", "roxa", "fioletowy", "fioletowa", "fialový",
               "фиолетовый", "фиолетовая", "紫", "紫色"),
    "brown": ("brown", "braun*", "marron", "brun", "brune", "marrone", "marrón", "bruin", "bruine",
              "marrom", "castanho", "brązowy", "brązowa", "hnědý", "hnědá", "ruskea", "kahverengi",
              "maro", "коричневый", "коричневая", "茶色", "棕色"),
    "beige": ("beige", "beżowy", "béžový", "бежевый", "bej"),
    "cream": ("cream", "creme", "crème", "creme*", "crema", "crèmes", "kremowy", "кремовый"),
    "ivory": ("ivory", "elfenbein", "ivoire", "avorio", "marfil", "marfim"),
    "gold": ("gold", "golden", "goldene", "goldener", "goldenes", "doré", "dorée", "oro", "dorado",
             "dorada", "goud", "gouden", "dourado", "dourada", "guld", "złoty", "złota", "zlatý",
             "kulta", "altın", "auriu", "золотой", "золотая", "золото", "金色"),
    "silver": ("silver", "silber", "silbern", "silberne", "argent", "argenté", "argentée",
               "argento", "plata", "plateado", "plateada", "zilver", "prata", "sølv", "srebrny",
               "srebrna", "stříbrný", "hopea", "gümüş", "argintiu", "серебро", "серебристый",
               "银色"),
    "turquoise": ("turquoise", "türkis", "turchese", "turquesa", "turkis", "turkusowy"),
    "navy": ("navy", "marine", "marineblau", "navyblau", "dunkelblau", "granatowy", "lacivert"),
    "teal": ("teal", "petrol"),
    "tan": ("tan", "cognac", "camel"),
    "burgundy": ("burgundy", "bordeaux", "weinrot", "bordowy", "bordo", "bordó"),
    "olive": ("olive", "oliv", "oliva", "oliwkowy"),
    "khaki": ("khaki", "kaki", "haki"),
    "coral": ("coral", "koralle", "corail", "corallo"),
    "plum": ("plum", "pflaume"),
    "magenta": ("magenta", "fuchsia", "fuchsie", "fucsia"),
    "copper": ("copper", "kupfer", "cuivre", "cobre"),
    "bronze": ("bronze", "bronce", "bronzo"),
    "brass": ("brass", "messing", "laiton", "ottone", "latón"),
    "anthracite": ("anthracite", "anthrazit", "antracite", "antracita", "antraciet"),
    "charcoal": ("charcoal",),
    "transparent": ("transparent", "clear", "durchsichtig", "trasparente", "transparente",
                    "прозрачный"),
}  # fmt: skip
"""Words of one colour; with * the endings of an adjective, too."""

COLOUR_ENDINGS = ("", "e", "er", "es", "en", "em", "s", "t", "w", "we", "wit")

ABBREVIATIONS: Mapping[str, str] = {
    "blk": "black", "bk": "black", "wht": "white", "wh": "white", "gry": "grey", "grn": "green",
    "blu": "blue", "nvy": "navy", "brn": "brown", "ylw": "yellow", "yel": "yellow",
    "orng": "orange", "org": "orange", "pnk": "pink", "prp": "purple", "pur": "purple",
    "slv": "silver", "sil": "silver", "gld": "gold", "brz": "bronze", "trq": "turquoise",
    "bge": "beige", "bei": "beige", "mult": "multicolor", "multi": "multicolor",
}  # fmt: skip

SHADES: Mapping[str, tuple[int, int, int]] = {
    "black": (0, 0, 0), "white": (255, 255, 255), "grey": (128, 128, 128),
    "light grey": (205, 205, 205), "dark grey": (70, 70, 70), "red": (225, 20, 25),
    "dark red": (130, 10, 20), "blue": (25, 60, 225), "light blue": (160, 205, 240),
    "navy blue": (15, 25, 85), "sky blue": (90, 165, 235), "turquoise": (60, 205, 200),
    "teal": (10, 125, 125), "green": (20, 150, 50), "light green": (150, 225, 145),
    "dark green": (10, 75, 35), "lime green": (165, 230, 30), "olive green": (115, 120, 40),
    "yellow": (250, 225, 25), "light yellow": (250, 245, 170), "gold": (212, 172, 50),
    "orange": (250, 135, 15), "coral": (250, 125, 95), "brown": (115, 65, 30),
    "dark brown": (65, 35, 20), "tan": (205, 170, 125), "beige": (235, 220, 190),
    "cream": (252, 248, 225), "pink": (245, 160, 190), "hot pink": (245, 70, 155),
    "purple": (125, 40, 160), "lavender": (200, 175, 235), "burgundy": (115, 15, 50),
    "magenta": (220, 15, 200),
}  # fmt: skip
"""Red, green and blue of colours with a name, from 0 to 255."""


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

TITLE_WORDS = frozenset({
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
TITLE_SIZES = (
    r"(?:sizes?|größen?|grösse|gr\.|taille|talla|tamaño|tamanho|taglia|maat|storlek|rozmiar|размер)"
    r" ?:? ?(?:\d?x{0,4}[sml]|\d{1,3}(?:[.,]\d)?)(?: ?[-/] ?(?:\d?x{0,4}[sml]|\d{1,3}))?"
)
CODES = (
    r"(?:sku|r[eé]f|art(?:ikel|icle)?|item|model|modell?o?|mpn|ean|gtin|asin|code|арт(?:икул)?)\b\.?"
    r" ?(?:no|nr|number|nummer|n°|num)?\.? ?[:#.]? ?(?=[\w/-]*\d)[\w/.-]+"
)
