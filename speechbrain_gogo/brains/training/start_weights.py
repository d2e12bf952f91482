"""Initial weights of a codec, from parts of another one."""


def with_parts(module, state, parts=None):
    """The state of a module in which parts are replaced.

    Arguments
    ---------
    module : torch.nn.Module
        The module.
    state : dict
        State of another module.
    parts : list
        Modules and parameters to take: a name, or {name here: name there}. None
        takes all.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If ``state`` has no such part.
    RuntimeError
        If a part has other weights here.

    Example
    -------
    >>> from torch import nn
    >>> here, there = nn.ModuleDict({"a": nn.Linear(2, 1)}), nn.Linear(2, 1)
    >>> state = {f"b.{key}": value for key, value in there.state_dict().items()}
    >>> _ = here.load_state_dict(with_parts(here, state, [{"a": "b"}]))
    >>> bool((here["a"].weight == there.weight).all())
    True
    """
    if parts is None:
        return state
    sources = {}
    for part in parts:
        sources.update(part if isinstance(part, dict) else {part: part})
    found = module.state_dict()
    for name, source in sources.items():
        own, taken = _part(found, name), _part(state, source)
        if not taken:
            known = sorted({key.split(".")[0] for key in state})
            raise ValueError(
                f"start_parts: the codec has no {source}; it has "
                f"{', '.join(known)}."
            )
        if set(own) != set(taken):
            raise RuntimeError(
                f"{name} has the weights {sorted(own)}, {source} of the "
                f"other codec {sorted(taken)}."
            )
        found.update({name + key: value for key, value in taken.items()})
    return found


def _part(state, name):
    """Weights of a module or parameter, by the rest of their names."""
    return {
        key[len(name) :]: value
        for key, value in state.items()
        if key == name or key.startswith(name + ".")
    }
