"""Tables of results, for people: in Markdown."""


def markdown_table(head, lines):
    """Lines of cells as a table, the numbers under each other.

    Arguments
    ---------
    head : list of str
        What is in the columns; the first one has names, the others numbers.
    lines : list of list of str
        As many cells each; None is an empty one.

    Returns
    -------
    str
        With a line break at its end.

    Example
    -------
    >>> print(markdown_table(["codec", "STOI"], [["Gogo", "0.92"]]))
    | codec | STOI |
    | --- | ---: |
    | Gogo | 0.92 |
    <BLANKLINE>
    """
    rule = ["---"] + ["---:"] * (len(head) - 1)
    cells = [[cell or "" for cell in line] for line in (head, rule, *lines)]
    return "".join("| " + " | ".join(line) + " |\n" for line in cells)
