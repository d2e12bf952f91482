"""An extension of griffe: docstrings as SpeechBrain writes them, in numpy's style.

Their headings are "Arguments" and "Example", numpy's "Parameters" and "Examples". What
looks like a Markdown reference, "[text][start]", is a sequence of ids here.
"""

import re

import griffe

HEADINGS = {
    "Arguments": "Parameters\n----------",
    "Example": "Examples\n--------",
}
HEADING = re.compile(rf"^({'|'.join(HEADINGS)})\n-+$", re.MULTILINE)


class Arguments(griffe.Extension):
    """Rewrites a docstring before it is parsed."""

    def on_object(self, *, obj, **kwargs):
        """See griffe's ``Extension.on_object``."""
        if obj.docstring is None:
            return
        text = HEADING.sub(lambda m: HEADINGS[m[1]], obj.docstring.value)
        head, examples, rest = text.partition(HEADINGS["Example"])
        head = head.replace("][", "]\\[")
        obj.docstring.value = head + examples + rest
