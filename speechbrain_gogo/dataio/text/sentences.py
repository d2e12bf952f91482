"""Splitting of text: layout into sentences, long sentences into clauses."""

import re

# What a cut costs behind these marks, before words that open a clause, and
# between other words; and what each piece costs.
MARKS = {";": 0, ":": 1, ",": 2}
MARKS |= {"\uff1b": 0, "\uff1a": 1, "\uff0c": 2, "\u3001": 2}  # wide ones
OPENERS = {"and", "but", "or", "so", "because", "although", "though", "while"}
OPENERS |= {"when", "where", "which", "who", "that", "if", "unless", "until"}
CLAUSE, WORD, PIECE, UNEVEN = 4, 12, 2, 4

# Words, and what is between marks where a script has no spaces.
WIDE_MARKS = "\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f"
WORDS = re.compile(rf"[^\s{WIDE_MARKS}]+[{WIDE_MARKS}]*|[{WIDE_MARKS}]+")
WIDE_END = "(?<=[\u3002\uff01\uff1f])(?![\u3002\uff01\uff1f\u201d\u2019\u300d\u300f\uff09])"
SENTENCE_END = re.compile(rf"(?<=[.?!])\s+|{WIDE_END}\s*")

BULLET = r"\s*[-*+\u2022\u2023\u25aa\u25cf\u25e6\u2013]\s+"
ITEM = rf"(?:{BULLET}|\s*\(?\d{{1,2}}[.)]\s+)"
RULE = re.compile(r"^[ \t]*([-=_*~#])\1{2,}[ \t]*$", re.MULTILINE)
WIDE = 40  # characters of a line that was wrapped rather than short
SMALL_WORDS = {"the", "and", "for", "but", "nor", "with", "from", "into"}
FINAL = re.compile(r"[.?!:;,\u2026\u3002][\"'\u201d\u2019\u00bb)\]]*$")


def mark_sentences(text):
    r"""End headings, list items and paragraphs as sentences, on one line.

    A line break inside a paragraph is a space, unless it is intended: after a
    title, or where the next word would have fitted.

    Example
    -------
    >>> mark_sentences("# My day\n\nI got\nup.\n\n- coffee\n- tea")
    'My day. I got up. coffee. tea.'
    """
    text = text.strip()
    if "\n" not in text:
        return re.sub(r"^#{1,6}\s+", "", text)
    sentences = []
    for block in re.split(r"\n\s*\n", RULE.sub("\n", text)):
        lines = [line for line in block.split("\n") if line.strip()]
        width = max(map(len, lines), default=0)
        paragraph = ""
        for line, following in zip(lines, [*lines[1:], ""]):
            paragraph = f"{paragraph} {_plain(line)}".strip()
            title = line is lines[0] and _is_title(line)
            if not following or _is_meant(line, following, width, title):
                sentences.append(_ended(paragraph, last=not following))
                paragraph = ""
    return " ".join(filter(None, sentences))


def _plain(line):
    """A line without bullets and marks of headings; numbers are said."""
    line = re.sub(r"^\s*>\s+(?=[A-Za-z\"'])", "", line)
    line = re.sub(rf"^(?:\s*#{{1,6}}\s+|{BULLET})", "", line)
    return re.sub(r"^\s*\(?(\d{1,2})[.)]\s+(?=\S)", r"\1, ", line).strip()


def _is_meant(line, following, width, title):
    """Whether a line was broken before its end, or before an item."""
    if re.match(ITEM, following) or re.match(r"\s*#{1,6}\s", line):
        return True
    first = following.split()[0]
    room = len(line.rstrip()) + 1 + len(first) <= width
    begins = first[0].isupper() or first[0].isdigit()
    return begins and (title or (room and width >= WIDE))


def _is_title(line):
    """Whether it is short, and its longer words begin with capitals."""
    if len(line) >= WIDE or FINAL.search(line):
        return False
    words = [w for w in re.findall(r"[^\W\d_]{3,}", line)]
    words = [w for w in words if w.lower() not in SMALL_WORDS]
    return bool(words) and all(word[0].isupper() for word in words)


def _ended(sentence, last):
    """A sentence with its final mark, which at a block's end is no colon."""
    if not re.search(r"\w", sentence):
        return ""
    if not FINAL.search(sentence):
        return f"{sentence}."
    return re.sub(r"[:;,]$", ".", sentence) if last else sentence


def split_sentences(text, max_characters=200):
    """Cut normalised text into sentences, and long sentences into clauses.

    Arguments
    ---------
    text : str
        From a front end.
    max_characters : int
        Longer sentences are cut into few pieces: at marks rather than
        before words that open a clause, there rather than between other
        words, and of similar lengths.

    Returns
    -------
    list of str
        Pieces with at least one letter or digit each, in their order.

    Example
    -------
    >>> split_sentences("Who? Me. I came, I saw, I won.", 14)
    ['Who?', 'Me.', 'I came,', 'I saw, I won.']
    """
    pieces = []
    for sentence in SENTENCE_END.split(text):
        pieces += _clauses(sentence, max_characters)
    return [piece for piece in pieces if re.search(r"\w", piece)]


def _clauses(sentence, longest):
    """The best split of a sentence, by dynamic programming."""
    if len(sentence) <= longest:
        return [sentence]
    spans = [
        (start, min(start + longest, word.end()))
        for word in WORDS.finditer(sentence)
        for start in range(*word.span(), longest)
    ]
    words = [sentence[start:end] for start, end in spans]
    best = [(0.0, 0)]  # of so many words: cost, and where the last piece starts
    for end in range(1, len(words) + 1):
        cut = _cut_cost(words, end) + PIECE
        choices = []
        for start in range(end - 1, -1, -1):
            length = spans[end - 1][1] - spans[start][0]
            if length > longest:
                break
            uneven = UNEVEN * (1 - length / longest) ** 2
            choices.append((best[start][0] + cut + uneven, start))
        best.append(min(choices))
    pieces, end = [], len(words)
    while end:
        start = best[end][1]
        pieces.append(sentence[spans[start][0] : spans[end - 1][1]])
        end = start
    return pieces[::-1]


def _cut_cost(words, end):
    """Cost of a cut after a number of words."""
    if end == len(words):
        return 0
    if (mark := words[end - 1][-1]) in MARKS:
        return MARKS[mark]
    return CLAUSE if words[end].lower() in OPENERS else WORD
