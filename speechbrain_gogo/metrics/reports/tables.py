"""Tables of results in Markdown."""


def markdown_table(head, lines):
    """A table whose first column has names, the others numbers.

    None is an empty cell.

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
