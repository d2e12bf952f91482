"""Command lines of recipes."""


def command_line(yaml, settings):
    """A YAML and settings that override it, as a list of words."""
    words = (word for k, v in settings.items() for word in (f"--{k}", v))
    return [str(word) for word in (yaml, *words, "--noprogressbar")]
