"""Where text is cut: its layout into sentences, long sentences into clauses."""

import re

# What a cut after this costs, next to one after a word: marks first, then
# before the words that open a clause.
MARKS = {";": 0, ":": 1, ",": 2}
OPENERS = {"and", "but", "or", "so", "because", "although", "though", "while"}
OPENERS |= {"when", "where", "which", "who", "that", "if", "unless", "until"}
CLAUSE, WORD = 4, 8
ITEM = r"\s*(?:[-*+\u2022\u2023\u25aa\u25cf\u25e6\u2013]|\(?\d{1,2}[.)])\s+"
FINAL = re.compile(r"[.?!:;,\u2026\u3002][\"'\u201d\u2019\u00bb)\]]*$")


def mark_sentences(text):
    r"""End headings, list items and paragraphs as sentences end.

    Arguments
    ---------
    text : str
        With its line breaks.

    Returns
    -------
    str
        On one line. A line break inside a paragraph is a space, unless the
        next word would have had room in the line: then it was meant.

    Example
    -------
    >>> mark_sentences("# My day\n\nI got\nup.\n\n- coffee\n- tea")
    'My day. I got up. coffee. tea.'
    """
    if "\n" not in text.strip():
        return re.sub(r"^\s*#{1,6}\s+", "", text).strip()
    sentences = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = [line.rstrip() for line in block.split("\n") if line.strip()]
        width = max(map(len, lines), default=0)
        paragraph = ""
        for line, following in zip(lines, [*lines[1:], ""]):
            plain = re.sub(rf"^(?:\s*#{{1,6}}\s+|{ITEM})", "", line).strip()
            paragraph = f"{paragraph} {plain}".strip()
            if not following or _is_meant(line, following, width):
                sentences.append(_ended(paragraph))
                paragraph = ""
    return " ".join(filter(None, sentences))


def _is_meant(line, following, width):
    """Whether a line was broken before its end, or before an item."""
    if re.match(ITEM, following) or re.match(r"\s*#{1,6}\s", line):
        return True
    first = following.split()[0]
    room = len(line) + 1 + len(first) <= width
    return room and (first[0].isupper() or first[0].isdigit())


def _ended(sentence):
    sentence = re.sub(r"\s*\n\s*", " ", sentence)
    if not re.search(r"\w", sentence):
        return ""
    if not FINAL.search(sentence):
        return f"{sentence}."
    return re.sub(r"[;,]$", ".", sentence)


def split_sentences(text, max_characters=200):
    """Cut normalised text into sentences, and long sentences into clauses.

    Arguments
    ---------
    text : str
        From a front end.
    max_characters : int
        Longer sentences are cut into as few pieces as possible: at marks
        rather than before words that open a clause, there rather than
        between other words, and of similar lengths.

    Returns
    -------
    list of str
        Pieces with at least one letter each, in their order.

    Example
    -------
    >>> split_sentences("Who? Me. I came, I saw, I won.", 14)
    ['Who?', 'Me.', 'I came,', 'I saw, I won.']
    """
    pieces = []
    for sentence in re.split(r"(?<=[.?!])\s+", text):
        pieces += _clauses(sentence, max_characters)
    return [piece for piece in pieces if re.search("[A-Za-z]", piece)]


def _clauses(sentence, longest):
    """A sentence in its fewest and best pieces, by dynamic programming."""
    if len(sentence) <= longest:
        return [sentence]
    words = [
        word[start : start + longest]
        for word in sentence.split()
        for start in range(0, len(word), longest)
    ]
    ends = [0]  # where words end, each followed by a space
    for word in words:
        ends.append(ends[-1] + len(word) + 1)
    # best[n]: pieces, cost, and where the last piece of n words starts
    best = [(0, 0.0, 0)]
    for end in range(1, len(words) + 1):
        cost = _cut_cost(words, end)
        choices = []
        for start in range(end - 1, -1, -1):
            length = ends[end] - ends[start] - 1
            if length > longest:
                break
            pieces, total, _ = best[start]
            uneven = 4 * (1 - length / longest) ** 2
            choices.append((pieces + 1, total + cost + uneven, start))
        best.append(min(choices))
    pieces, end = [], len(words)
    while end:
        start = best[end][2]
        pieces.append(" ".join(words[start:end]))
        end = start
    return pieces[::-1]


def _cut_cost(words, end):
    """What it costs to cut behind so many words."""
    if end == len(words):
        return 0
    if (mark := words[end - 1][-1]) in MARKS:
        return MARKS[mark]
    return CLAUSE if words[end].lower() in OPENERS else WORD
