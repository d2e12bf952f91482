"""Addresses in English words: URLs, e-mail, IP, paths, handles, hashtags.

They are read character by character; unpronounceable parts are spelled.
"""

import re

from speechbrain_gogo.dataio.text.english.letters import spell_or_say
from speechbrain_gogo.dataio.text.english.words import cardinal, digits

SIGNS = {
    ".": "dot",
    "/": "slash",
    "\\": "backslash",
    "-": "dash",
    "_": "underscore",
    ":": "colon",
    "?": "question mark",
    "=": "equals",
    "&": "and",
    "#": "hash",
    "%": "percent",
    "+": "plus",
    "~": "tilde",
    "@": "at",
    ",": "comma",
    ";": "semicolon",
    "!": "exclamation mark",
    "*": "star",
    "$": "dollar",
}
DOMAINS = "com org net edu gov mil int info biz io ai co dev app me tv"
DOMAINS += " uk ca au de fr eu ch nl es pt se dk fi pl ru jp"
DOMAINS += " cn br"
FILES = "pdf txt md csv tsv json yaml yml xml html htm css js ts py cpp rs go"
FILES += " java sh bat exe dll zip tar gz jpg jpeg png gif svg webp bmp mp3"
FILES += " mp4 wav flac ogg avi mov mkv doc docx xls xlsx ppt pptx log cfg ini"
FILES += " toml pt ckpt bin iso h c"
MARKUP = "a b i u s p em strong br hr div span h1 h2 h3 h4 h5 h6 li ul ol sub"
MARKUP += " sup code pre img table tr td th tbody blockquote q small big font"
MARKUP += " speak break html body head title script style mark del ins cite"
EXTENSIONS = "|".join(FILES.split())
DOMAIN = rf"(?:[a-z0-9][a-z0-9-]*+\.)+(?:{'|'.join(DOMAINS.split())})"


def say_address(address):
    """An address or path in words; unpronounceable parts are spelled.

    Example
    -------
    >>> say_address("a_b@example.org/x-7")
    'A underscore B at example dot org slash X dash seven'
    """
    spoken = []
    for part in re.findall(r"[A-Za-z]+|[0-9]+|[^A-Za-z0-9\s]", address):
        if part.isalpha():
            spoken += [spell_or_say(word) for word in _camel(part)]
        elif part.isdigit():
            spoken.append(cardinal(part) if len(part) < 3 else digits(part))
        elif part in SIGNS or not part.isascii():
            spoken.append(SIGNS.get(part, part))
    return " ".join(spoken)


def _camel(word):
    """MeToo as Me and Too; HTML5Page is cut by its digits elsewhere."""
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", word)


def _said(match):
    """An address without the marks of the sentence around it."""
    address = match[0]
    bare = re.sub(r"^(?:https?|ftp|file)://", "", address, flags=re.I)
    bare = bare.rstrip(".,;:!?\"'")
    if bare.count("(") < bare.count(")"):
        bare = bare.rstrip(").,;:!?")
    end = address[len(address.rstrip(".,;:!?\"'")) :]
    return f" {say_address(bare.rstrip('/'))}{end} "


def _ip(match):
    address, sign, rest = re.fullmatch(
        r"([\d.]+)([:/]?)(\d*)", match[0]
    ).groups()
    spoken = " dot ".join(map(digits, address.split(".")))
    return f"{spoken} {SIGNS[sign]} {digits(rest)}" if sign else spoken


BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
RULES = [
    (r"<sup>([^<>]*)</sup>", r"^\1"),
    (rf"</?(?:{'|'.join(MARKUP.split())})(?:\s[^<>]*)?/?>", " "),
    (r"(?:(?:https?|ftp|file)://|\bwww\.)[^\s<>\"]+", _said),
    (r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)+", _said),
    (rf"(?<![\w@.-]){DOMAIN}\b(?!\.?\w|@)(?::\d+)?(?:/[^\s<>\"]*)?", _said),
    (rf"(?<![\w.])(?:{BYTE}\.){{3}}{BYTE}(?:[:/]\d+)?(?![\w]|\.\d)", _ip),
    (r"(?<![\w@])@\w+", _said),
    (r"(?<![\w#&])#[a-z_]\w*", lambda m: "hashtag " + say_address(m[0][1:])),
    (r"(?-i:\b([A-G])#)(?!\w)", r"\1 sharp"),
    (r"(?<!\w)[a-z]:\\[^\s\"]*", _said),
    (
        r"(?<![\w/.)])(?<!\d\s)(?:~|\.{1,2})?(?:/[a-z_.][\w.@+-]*)+/?(?!\w)",
        _said,
    ),
    (
        rf"(?<![\w./-])(?:\w[\w-]*+/)*+\w[\w-]++(?:\.\w+)*\.(?:{EXTENSIONS})"
        r"\b(?!\.\w)",
        _said,
    ),
]
