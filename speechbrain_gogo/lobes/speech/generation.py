"""How GogoSpeech speaks (Section 3.2, Eq. 9).

:func:`speak_backbone` yields Stage I's groups one by one, :class:`DetailFiller`
completes a group with Stage II as soon as it is there. A token that is spoken
costs one forward pass, a token that is skipped costs none.

Letters: B batch, N groups, b tokens of the backbone, K = n_q tokens per group,
C codes; the token C is m, the masking token.
"""

import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import length_mask
from speechbrain_gogo.lobes.speech.cached_decoding import Reader
from speechbrain_gogo.lobes.speech.loop_detector import LoopDetector
from speechbrain_gogo.lobes.tokens.patterns import flatten, pack


class Speaker:
    """A stage amid its speech: what it has yet to read, and what was said.

    Arguments
    ---------
    lm : BackboneLM | DetailLM
        In evaluation mode.
    sampler : Sampler
        Draws, from one seed an utterance.
    reader : Reader
        Of ``lm.rows``; what it has read before is forgotten.
    pieces : list of tuple of torch.Tensor
        The sequence up to here, see `pack`; the last piece is speech.
    guidance : float
        How far to go from what the second half of the sequences says towards
        what the first half says, and beyond: 0 is no second half.
    """

    def __init__(self, lm, sampler, reader, pieces, guidance=0.0):
        self.lm, self.sampler, self.reader = lm, sampler, reader
        self.guidance = guidance
        self.unread, length = pack(pieces, left=True)
        self.padding = self.unread.shape[1] - length
        halves = 2 if guidance else 1
        ids, real = (part.chunk(halves)[0] for part in pieces[-1])
        tokens = torch.where(real, ids - lm.offset, lm.codebook_size)
        self.said = real.new_zeros(len(ids), lm.codebook_size + 1)
        self.said.scatter_(1, tokens, True)
        self.said[:, -1] = False  # padding, not Stage I's end
        reader.reset()

    def say(self, place, num_rows):
        """Draw the next token from the first so many rows, int64 [B]."""
        logits = self.reader.read(self.unread, self.padding)[:, :num_rows]
        self.unread = self.unread[:, :0]
        self.padding = None
        if self.guidance:  # in single precision, as all that is drawn from
            told, untold = logits.float().chunk(2)
            gained = told.log_softmax(1) - untold.log_softmax(1)
            logits = told + self.guidance * gained
        return self.sampler.draw(logits, self.said[:, :num_rows], place)

    def hear(self, tokens):
        """Take notice of tokens [B, T], to be read with the next pass."""
        self.said.scatter_(1, tokens, True)
        ids = tokens + self.lm.offset
        ids = torch.cat([ids, ids]) if self.guidance else ids
        self.unread = torch.cat([self.unread, ids], dim=1)


@torch.no_grad()
def speak_backbone(
    lm,
    text,
    text_lens,
    prompt,
    prompt_lens,
    sampler,
    max_groups=None,
    loop_groups=16,
    reader=None,
):
    """Speak the backbone of a text, in the voice of a prompt.

    An utterance finishes with the end token. Those that reach ``max_groups``
    or the model's last position, and those that repeat themselves, end too,
    but have not finished.

    Arguments
    ---------
    lm : BackboneLM
        Stage I, in evaluation mode.
    text : torch.Tensor
        Text of the prompt and text to speak, int64 [B, L].
    text_lens : torch.Tensor
        Relative lengths [B] over L.
    prompt : torch.Tensor
        int64 [B, N, b or more]; N may be 0.
    prompt_lens : torch.Tensor
        Relative lengths [B] over N.
    sampler : Sampler
        Draws, from one seed an utterance. Its ``text_guidance`` w is
        classifier-free guidance, which is not in the paper: the logits are
        (1 + w) of those with the text minus w of those without it, which a
        second row of each utterance gives. For a model that has learned to
        speak without text, too (``textless_share``), and follows it too
        little.
    max_groups : int | torch.Tensor
        Groups to speak at most, or int64 [B], of each utterance; as many as
        there are positions by default.
    loop_groups : int
        A cycle of up to four groups that has been repeated for so many is a
        loop.
    reader : Reader
        To use again, of ``lm.rows``, for 2 B sequences with guidance; made
        anew by default.

    Yields
    ------
    tuple of torch.Tensor
        A group of each utterance, int64 [B, b], only m for those that have
        ended; and bool [B], which have finished. An end is heard where the
        next group would begin: the last item may be m throughout.

    Raises
    ------
    ValueError
        If a prompt lacks tokens, prompt and text leave no room to speak, or
        the model does not go on group by group.
    """
    if lm.order != "group_major":
        raise ValueError(
            f"Speech is spoken group by group; the order of this model is "
            f"{lm.order}: it can be scored, not spoken with."
        )
    b, codes = lm.backbone_size, lm.codebook_size
    _check_tokens(prompt[..., :b], prompt_lens, codes)
    parts = text, text_lens, prompt, prompt_lens
    # Without any text there is nothing to be guided by.
    guidance = sampler.text_guidance if text.shape[1] else 0.0
    if guidance:
        parts = [torch.cat([part, part]) for part in parts]  # [2 B, ...]
        parts[1][len(text) :] = 0.0
    pieces = lm.prefix(*parts)
    used = sum(real.sum(1) for _, real in pieces)[: len(text)]  # [B]
    limit = _room(lm.max_positions, used, b, max_groups)
    most = int(limit.max())
    if reader is None:
        length = int(used.max()) + b * most
        reader = Reader(lm.llama, lm.rows, len(parts[0]), length)
    speaker = Speaker(lm, sampler, reader, pieces, guidance)
    in_loop = LoopDetector(len(used), loop_groups, used.device)
    speaking = torch.ones_like(used, dtype=torch.bool)
    finished = torch.zeros_like(speaking)

    for index in range(most):
        # Where a group begins, the speech may end: the row after the codes.
        first = speaker.say(index * b, codes + 1)
        speaking = speaking & (index < limit)
        finished = finished | (speaking & (first == codes))
        speaking = speaking & (first < codes)
        group = first.unsqueeze(1)
        speaker.hear(group)
        silent = not speaking.any()
        for level in range(1, 1 if silent else b):
            token = speaker.say(index * b + level, codes).unsqueeze(1)
            speaker.hear(token)
            group = torch.cat([group, token], dim=1)
        group = F.pad(group, (0, b - group.shape[1]))
        group = torch.where(speaking.unsqueeze(1), group, codes)
        yield group, finished
        if silent:
            return
        speaking = speaking & ~in_loop(group)


class DetailFiller:
    """Completes backbones, group by group, in the voice of a prompt.

    All utterances of a batch are at the same place of their group, so a group
    takes ``max(budgets) - b`` passes.

    Arguments
    ---------
    lm : DetailLM
        Stage II, in evaluation mode.
    prompt : torch.Tensor
        int64 [B, N, K], m where a token is not there; N may be 0.
    prompt_lens : torch.Tensor
        Relative lengths [B] over N.
    sampler : Sampler
        Draws, from one seed an utterance.
    max_groups : int
        Groups to fill at most; as many as there are positions by default.
    reader : Reader
        To use again, of ``lm.rows``; made anew by default.

    Raises
    ------
    ValueError
        If the prompt leaves no room to speak.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
    >>> from speechbrain_gogo.lobes.speech.llama import speech_llama
    >>> from speechbrain_gogo.lobes.speech.stages import DetailLM
    >>> lm = DetailLM(speech_llama(82, 16, 2, 2, 32), codebook_size=80).eval()
    >>> prompt = torch.randint(80, (2, 5, 10))
    >>> filler = DetailFiller(lm, prompt, torch.ones(2), Sampler([1, 2]))
    >>> filler.fill(torch.randint(80, (2, 3)), torch.tensor([10, 4])).shape
    torch.Size([2, 10])
    >>> filler.reader.passes
    7
    """

    def __init__(
        self, lm, prompt, prompt_lens, sampler, max_groups=None, reader=None
    ):
        self.lm = lm
        self.index = 0
        said = length_mask(prompt_lens, prompt.shape[1])  # [B, N]
        start = prompt.new_full((len(prompt), 1), lm.start_id)
        speech = flatten(prompt + lm.offset, "group_major")
        real = flatten(said.unsqueeze(-1).expand_as(prompt), "group_major")
        used = 1 + real.sum(1)
        room = _room(lm.max_positions, used, lm.num_tokens, max_groups)
        if reader is None:
            length = int(used.max()) + lm.num_tokens * int(room.max())
            reader = Reader(lm.llama, lm.rows, len(prompt), length)
        self.reader = reader
        pieces = [(start, torch.ones_like(start, dtype=torch.bool))]
        pieces.append((speech, real))
        self.speaker = Speaker(lm, sampler, reader, pieces)

    @torch.no_grad()
    def fill(self, backbone, budgets):
        """Complete the next group (Eq. 9).

        Arguments
        ---------
        backbone : torch.Tensor
            int64 [B, b]; m for utterances that have ended.
        budgets : torch.Tensor
            int64 [B], how many tokens the group gets, b to n_q.

        Returns
        -------
        torch.Tensor
            int64 [B, K], m beyond the budget.
        """
        codes, levels = self.lm.codebook_size, self.lm.num_tokens
        b = backbone.shape[1]
        budgets = torch.where((backbone < codes).all(1), budgets, b)
        most = int(budgets.max())
        group = F.pad(backbone, (0, levels - b), value=codes)
        self.speaker.hear(backbone)
        for level in range(b, most):
            token = self.speaker.say(self.index * levels + level, codes)
            group[:, level] = torch.where(level < budgets, token, codes)
            self.speaker.hear(group[:, level, None])
        self.speaker.hear(group[:, most:])  # costs no pass: read later
        self.index += 1
        return group


def _room(max_positions, used, size, max_groups):
    """How many groups of a size fit after the used positions, int64 [B]."""
    room = (max_positions - used).div(size, rounding_mode="floor")
    if (room < 1).any():
        worst = int(used.argmax())
        raise ValueError(
            f"Utterance {worst} has {int(used[worst])} of {max_positions} "
            "positions taken before it speaks: give a shorter prompt or text."
        )
    return room if max_groups is None else room.clamp(max=max_groups)


def _check_tokens(prompt, lens, codes):
    """Refuse a prompt [B, N, b] without its backbone."""
    real = length_mask(lens, prompt.shape[1]).unsqueeze(-1)
    wrong = (real & ((prompt < 0) | (prompt >= codes))).nonzero()
    if len(wrong):
        place = wrong[0].tolist()
        raise ValueError(
            f"Token {place} of the prompt is {int(prompt[tuple(place)])}: a "
            f"backbone has codes from 0 to {codes - 1} only."
        )
