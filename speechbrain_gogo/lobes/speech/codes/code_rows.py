"""Similar embeddings for neighbouring codes: an option of small models.

Not in the paper. FSQ's codes are points of a small grid: 12,800 of them, with
8, 8, 8, 5 and 5 levels. A large corpus shows which codes are similar; in a
small one, each code occurs a few hundred times. Here the embeddings of
neighbouring codes are initialized close to each other, and codes with the same
level in a dimension share a component, which is trained with all of them.
"""

import copy

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from speechbrain_gogo.lobes.speech.memory import merge_lora


@torch.no_grad()
def start_code_embeddings(model, offset, code_vectors, noise=0.1, seed=0):
    """Initialize neighbouring codes with similar embeddings.

    Arguments
    ---------
    model : transformers.LlamaForCausalLM
        Model whose rows from ``offset`` on are overwritten; their scale stays.
    offset : int
        Row of the first code.
    code_vectors : torch.Tensor
        The codes as points, shape [C, d]: ``FSQ.implicit_codebook``.
    noise : float
        Share of each row that is independent of the others.
    seed : int
        Seed of the random projection from d to the model's dimension.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.llama import speech_llama
    >>> model = speech_llama(12, 16, 1, 2, 32)
    >>> start_code_embeddings(model, 2, torch.linspace(-1, 1, 10)[:, None])
    >>> rows = model.lm_head.weight[2:]
    >>> near, far = (rows[:2] - rows[1:3]).norm(), (rows[0] - rows[9]).norm()
    >>> bool(near < far)
    True
    """
    rows = model.get_input_embeddings().weight
    rows = rows[offset : offset + len(code_vectors)]  # [C, D], a view
    points = code_vectors.cpu().float()
    generator = torch.Generator().manual_seed(seed)
    shape = points.shape[1], rows.shape[1]
    placed = points @ torch.randn(shape, generator=generator)  # [C, D]
    own = torch.randn(rows.shape, generator=generator)
    new = placed / placed.std() * (1 - noise**2) ** 0.5 + noise * own
    rows.copy_(new * rows.std().cpu())


class SharedRows(nn.Module):
    """Adds the shared components of their levels to the rows of codes.

    A parametrization of torch: own rows [V, D] -> rows [V, D].

    Arguments
    ---------
    offset : int
        Row of the first code.
    code_vectors : torch.Tensor
        The codes as points, shape [C, d].
    own : torch.Tensor
        The rows [V, D], for their size and device.

    Example
    -------
    >>> grid = torch.cartesian_prod(torch.arange(3.0), torch.arange(2.0))
    >>> SharedRows(2, grid, torch.zeros(10, 16)).shared.shape  # 3 + 2 levels
    torch.Size([5, 16])
    """

    def __init__(self, offset, code_vectors, own):
        super().__init__()
        levels = [
            F.one_hot(axis.unique(return_inverse=True)[1])
            for axis in code_vectors.T
        ]
        levels = torch.cat(levels, dim=1).to(own)  # [C, levels of all]
        self.register_buffer("levels", levels, persistent=False)
        self.around = offset, len(own) - offset - len(levels)
        self.shared = nn.Parameter(own.new_zeros(levels.shape[1], own.shape[1]))

    def forward(self, own):
        """Own rows [V, D] -> rows with shared components, [V, D]."""
        rows = self.levels @ self.shared  # [C, D]
        return own + F.pad(rows, (0, 0, *self.around))


def share_code_rows(model, offset, code_vectors):
    """Share components of a model's code rows, until :func:`unshare_code_rows`.

    Until then transformers can neither save the model nor tie its weights.

    Arguments
    ---------
    model : transformers.LlamaForCausalLM
        Model whose output is tied to its embeddings.
    offset : int
        Row of the first code.
    code_vectors : torch.Tensor
        The codes as points, shape [C, d]: ``FSQ.implicit_codebook``.

    Raises
    ------
    ValueError
        If the model's output is not tied to its embeddings, or rows are already
        shared.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.llama import speech_llama
    >>> model = speech_llama(12, 16, 1, 2, 32)
    >>> share_code_rows(model, 2, torch.linspace(-1, 1, 10)[:, None])
    >>> tuple(unshare_code_rows(model).lm_head.weight.shape)
    (12, 16)
    """
    ends = model.get_input_embeddings(), model.get_output_embeddings()
    if parametrize.is_parametrized(ends[0], "weight"):
        raise ValueError("The codes of this model learn together already.")
    if ends[0].weight is not ends[1].weight:
        raise ValueError(
            "Codes cannot learn together in a model whose output is not tied "
            "to its embeddings: set start_from_codes to False."
        )
    rows = SharedRows(offset, code_vectors, ends[0].weight.detach())
    for end in ends:
        parametrize.register_parametrization(end, "weight", rows)


@torch.no_grad()
def unshare_code_rows(model):
    """A copy of a model with plain rows and without LoRA.

    Arguments
    ---------
    model : transformers.LlamaForCausalLM
        A model with or without shared components.

    Returns
    -------
    transformers.LlamaForCausalLM
        Its outputs are the same, up to rounding if training used autocast.
    """
    model = merge_lora(copy.deepcopy(model))
    ends = model.get_input_embeddings(), model.get_output_embeddings()
    if parametrize.is_parametrized(ends[0], "weight"):
        rows = nn.Parameter(ends[0].weight.clone())
        for end in ends:
            # torch's removal would take the property off a class that the
            # original shares.
            end.__class__ = parametrize.type_before_parametrizations(end)
            del end.parametrizations
            end.register_parameter("weight", rows)
    return model
