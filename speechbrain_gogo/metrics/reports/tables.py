"""Tables of results in Markdown."""


def markdown_table(head, lines):
    """Format rows of cells as a table with aligned numbers.

    Arguments
    ---------
    head : list of str
        Headings; the first column has names, the others numbers.
    lines : list of list of str
        Cells of each row; None is an empty cell.

    Returns
    -------
    str
        Text with a line break at its end.

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
