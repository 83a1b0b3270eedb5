"""What shops call the options and attributes of their products, in the languages of shops."""

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
