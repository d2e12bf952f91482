"""Generation with the two stages of GogoSpeech (Sections 3.2, 3.3, Eq. 9).

:func:`generate_backbone` yields the groups of Stage I one by one, and
:class:`DetailGenerator` completes each of them with Stage II. A generated token
takes one forward pass, a skipped token none.

Letters: B batch, N groups, b tokens of the backbone, K = n_q tokens per group,
C codes; the token C is m, the masking token.
"""

import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import length_mask
from speechbrain_gogo.lobes.speech.decoding.loop_detector import LoopDetector


@torch.no_grad()
def generate_backbone(
    lm,
    text,
    text_lens,
    prompt,
    prompt_lens,
    sampler,
    max_groups=None,
    loop_groups=16,
    decoder=None,
    said=None,
):
    """Generate the backbone of a text, in the voice of a prompt.

    An utterance finishes with the end token. Utterances that reach
    ``max_groups`` or the model's last position, or that repeat themselves, are
    cut off and count as unfinished.

    Arguments
    ---------
    lm : BackboneLM | GroupBackboneLM
        Stage I, in evaluation mode.
    text : torch.Tensor
        Text of the prompt and text to synthesize, int64 [B, L].
    text_lens : torch.Tensor
        Relative lengths [B] over L.
    prompt : torch.Tensor
        int64 [B, N, b or more]; N may be 0.
    prompt_lens : torch.Tensor
        Relative lengths [B] over N.
    sampler : Sampler
        Sampler with one seed for each utterance. Its ``text_guidance`` w is the
        scale of classifier-free guidance, which is not in the paper: logits are
        (1 + w) times those with the text minus w times those without it. It
        needs a second sequence for each utterance, and a model that was also
        trained on speech without text (``textless_share``).
    max_groups : int | torch.Tensor
        Largest number of groups to generate, or int64 [B], for each utterance;
        limited by the positions alone by default.
    loop_groups : int
        Generation stops if a cycle of one to four groups repeats for this many
        groups.
    decoder : CachedDecoder | GroupDecoder
        A decoder to reuse; a compiled one is for B sequences, or 2 B with
        guidance. A new one by default.
    said : torch.Tensor
        Number of text ids that the prompt pronounces, int64 [B]; estimated by a
        stage that needs it, if not given.

    Yields
    ------
    tuple of torch.Tensor
        The next group of each utterance, int64 [B, b], m for those that have
        ended; and bool [B], which have finished. The end token takes the place
        of a group, so the last item may be all m.

    Raises
    ------
    ValueError
        If a prompt lacks tokens or columns, prompt and text leave no positions
        for speech, or the model does not generate group by group.
    """
    if getattr(lm, "order", "group_major") != "group_major":
        raise ValueError(
            f"Speech is generated group by group; the order of this model is "
            f"{lm.order}: it can score speech, but not generate it."
        )
    b, codes = lm.backbone_size, lm.codebook_size
    _check_tokens(prompt, prompt_lens, b, codes)
    parts = text, text_lens, prompt, prompt_lens
    # Guidance needs text.
    guidance = sampler.text_guidance if text.shape[1] else 0.0
    if guidance:
        parts = [torch.cat([part, part]) for part in parts]  # [2 B, ...]
        parts[1][len(text) :] = 0.0
    state = lm.start(*parts, sampler, guidance, said)
    used = state.used[: len(text)]  # [B]
    batch = len(state.used)
    limit, state.decoder = _make_room(lm, used, max_groups, decoder, batch)
    in_loop = LoopDetector(len(used), loop_groups, used.device)
    active = torch.ones_like(used, dtype=torch.bool)
    finished = torch.zeros_like(active)

    for index in range(int(limit.max())):
        # The first token of a group may be the end token, id C.
        first = state.sample(index * b, codes + 1)
        active = active & (index < limit)
        finished = finished | (active & (first == codes))
        active = active & (first < codes)
        group = first.unsqueeze(1)
        state.append(group)
        ended = not active.any()
        for level in range(1, 1 if ended else b):
            token = state.sample(index * b + level, codes).unsqueeze(1)
            state.append(token)
            group = torch.cat([group, token], dim=1)
        group = F.pad(group, (0, b - group.shape[1]))
        group = torch.where(active.unsqueeze(1), group, codes)
        yield group, finished
        if ended:
            return
        active = active & ~in_loop(group)


class DetailGenerator:
    """Completes backbones, group by group, in the voice of a prompt.

    The utterances of a batch are generated level by level, so a group takes
    ``max(budgets) - b`` passes.

    Arguments
    ---------
    lm : DetailLM | GroupDetailLM
        Stage II, in evaluation mode.
    prompt : torch.Tensor
        int64 [B, N, K], m where a token was skipped; N may be 0.
    prompt_lens : torch.Tensor
        Relative lengths [B] over N.
    sampler : Sampler
        Sampler with one seed for each utterance.
    max_groups : int
        Largest number of groups to complete; limited by the positions alone by
        default.
    decoder : CachedDecoder | GroupDecoder
        A decoder to reuse; a new one by default.

    Raises
    ------
    ValueError
        If the prompt leaves no positions for speech.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
    >>> from speechbrain_gogo.lobes.speech.llama import speech_llama
    >>> from speechbrain_gogo.lobes.speech.stage2 import DetailLM
    >>> lm = DetailLM(speech_llama(82, 16, 2, 2, 32), codebook_size=80).eval()
    >>> prompt = torch.randint(80, (2, 5, 10))
    >>> details = DetailGenerator(lm, prompt, torch.ones(2), Sampler([1, 2]))
    >>> details.complete(torch.randint(80, (2, 3)), torch.tensor([10, 4])).shape
    torch.Size([2, 10])
    >>> details.decoder.passes
    7
    """

    def __init__(
        self, lm, prompt, prompt_lens, sampler, max_groups=None, decoder=None
    ):
        self.lm = lm
        self.index = 0
        self.state = lm.start(prompt, prompt_lens, sampler)
        _, self.decoder = _make_room(
            lm, self.state.used, max_groups, decoder, len(prompt)
        )
        self.state.decoder = self.decoder

    @torch.no_grad()
    def complete(self, backbone, budgets):
        """Complete the next group (Eq. 9).

        Arguments
        ---------
        backbone : torch.Tensor
            int64 [B, b]; m for utterances that have ended.
        budgets : torch.Tensor
            int64 [B], number of tokens of the group, b to n_q.

        Returns
        -------
        torch.Tensor
            int64 [B, K], m beyond the budget.

        Raises
        ------
        ValueError
            If the decoder has no positions left for the group.
        """
        codes, levels = self.lm.codebook_size, self.lm.num_tokens
        b = backbone.shape[1]
        budgets = torch.where((backbone < codes).all(1), budgets, b)
        most = int(budgets.max())
        group = F.pad(backbone, (0, levels - b), value=codes)
        self.state.append(backbone)
        for level in range(b, most):
            token = self.state.sample(self.index * levels + level, codes)
            group[:, level] = torch.where(level < budgets, token, codes)
            self.state.append(group[:, level, None])
        self.state.append(group[:, most:])  # pending: costs no pass
        self.index += 1
        return group


def _make_room(lm, used, max_groups, decoder, batch):
    """Number of new groups that fit, int64 [B], and an empty decoder for them.

    ``used`` are the positions of prompt and text, int64 [B]. The decoder, for
    ``batch`` sequences, is the given one, or a new one for None.
    """
    size, most = lm.group_positions, lm.max_positions
    limit = (most - used).div(size, rounding_mode="floor")
    if (limit < 1).any():
        worst = int(used.argmax())
        raise ValueError(
            f"Utterance {worst} has {int(used[worst])} of {most} positions "
            "taken by prompt and text: give a shorter prompt or text."
        )
    if max_groups is not None:
        limit = limit.clamp(max=max_groups)
    length = int(used.max()) + size * int(limit.max())
    if decoder is None:
        return limit, lm.decoder(batch, length)
    decoder.allocate(batch, length)
    return limit, decoder


def _check_tokens(prompt, lens, b, codes):
    """Raise an error if the prompt [B, N, b or more] lacks tokens."""
    if prompt.shape[1] and prompt.shape[2] < b:
        raise ValueError(
            f"The prompt has {prompt.shape[2]} tokens per group: this stage "
            f"needs the first {b}."
        )
    prompt = prompt[..., :b]
    real = length_mask(lens, prompt.shape[1]).unsqueeze(-1)
    wrong = (real & ((prompt < 0) | (prompt >= codes))).nonzero()
    if len(wrong):
        position = wrong[0].tolist()
        raise ValueError(
            f"Token {position} of the prompt is {int(prompt[tuple(position)])}: a "
            f"backbone has codes from 0 to {codes - 1} only."
        )
