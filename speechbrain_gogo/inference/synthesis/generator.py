"""Generation of utterances, group by group (Section 3.2).

Stage II completes a group as soon as Stage I has generated its backbone, so
that audio can be streamed. Utterances whose backbone is given need Stage II
only. They are defined in utterances.py, the stages in lobes/speech.

Letters: B utterances, N groups, b tokens of the backbone, K = n_q tokens per group.
"""

import functools
import logging
from typing import NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence

from speechbrain_gogo.default_dtype import float32_by_default
from speechbrain_gogo.inference.checks.weights import weights_of
from speechbrain_gogo.inference.synthesis.utterances import given_backbones
from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
from speechbrain_gogo.lobes.speech.generation import (
    DetailGenerator,
    generate_backbone,
)
from speechbrain_gogo.lobes.speech.single_stage import (
    NoDetailGenerator,
    NoDetailLM,
)

logger = logging.getLogger(__name__)


class Groups(NamedTuple):
    """The next group of every utterance.

    tokens: int64 [B, K], m where a token was skipped; budgets: int64 [B],
    number of tokens of the group; active: bool [B], which utterances have this
    group; finished: bool [B], which have reached their end token.
    """

    tokens: torch.Tensor
    budgets: torch.Tensor
    active: torch.Tensor
    finished: torch.Tensor

    def utterance(self, index):
        """The group of one utterance, as a batch of one."""
        return Groups(*(part[index : index + 1] for part in self))


class GroupGenerator:
    """Generates groups of tokens with two stages in evaluation mode.

    The allocator of the codec, if it has one, sets the budgets. ``loop_groups``
    is as in ``generate_backbone``. With ``compiled``, the forward passes of
    both stages are compiled on a GPU. ``weights`` is as in
    :func:`~speechbrain_gogo.inference.checks.weights.weights_of`.
    """

    def __init__(
        self, codec, stage1, stage2, loop_groups, compiled, weights="float"
    ):
        self.codec = codec
        self.stages = stage1, stage2
        self.loop_groups = loop_groups
        self.compiled, self.linear = compiled, weights_of(weights, codec)
        self.weights = {}  # by stage, shared by its decoders
        # By stage; those that are compiled also by batch.
        self.idle_decoders = {}

    @property
    def compiles(self):
        """Whether passes are compiled, for each batch size."""
        return self.compiled and self.stages[0].llama.device.type == "cuda"

    @torch.no_grad()
    def generate(self, utterances, allocate, sampling):
        """Generate a batch of utterances, independent of each other.

        All utterances have a backbone, or none. With ``allocate``, budgets are
        those of the codec's allocator, if it has one. ``sampling`` are settings
        of both stages' samplers; ``text_guidance`` needs a second sequence of
        Stage I for each utterance. Yields Groups until all utterances have
        ended; in the last item none may be active.
        """
        guided = sampling.get("text_guidance") and any(
            len(utterance.text) for utterance in utterances
        )
        batches = len(utterances) * (2 if guided else 1), len(utterances)
        given = utterances[0].backbone is not None  # then without Stage I
        needed = [
            (stage, batch if self.compiles else None)
            for stage, batch in list(enumerate(batches))[given:]
        ]
        decoders = [
            self.idle_decoders.pop(each, None) or self._make_decoder(*each)
            for each in needed
        ]
        groups = self._generate(utterances, allocate, sampling, decoders)
        kind = self.stages[0].llama.device.type
        try:
            yield from outside_autocast(groups, kind)
        finally:
            groups.close()
            if not self.compiles:
                for decoder in filter(None, decoders):
                    decoder.allocate(1, 1)  # no memory while it is idle
            # Returned only now: another stream may need decoders meanwhile.
            self.idle_decoders.update(zip(needed, decoders))

    def _generate(self, utterances, allocate, sampling, decoders):
        """:meth:`generate` with given decoders."""
        stage1, stage2 = self.stages
        device = stage1.llama.device
        given = pad_utterances(utterances, device)
        limits = [
            min(utterance.max_groups, stage2_limit(stage2, utterance.prompt))
            for utterance in utterances
        ]
        samplers = [
            Sampler([2 * u.seed + stage for u in utterances], **sampling)
            for stage in range(2)
        ]
        if utterances[0].backbone is not None:
            backbones = given_backbones(
                utterances, stage1.codebook_size, device
            )
        else:
            backbones = generate_backbone(
                stage1,
                *given,
                samplers[0],
                torch.tensor(limits, device=device),
                self.loop_groups,
                decoders[0],
                torch.tensor([u.said for u in utterances], device=device),
            )
        details = NoDetailGenerator()
        if not isinstance(stage2, NoDetailLM):
            details = DetailGenerator(
                stage2, *given[2:], samplers[1], max(limits), decoders[-1]
            )
        for backbone, finished in backbones:
            yield self._complete(details, backbone, finished, allocate)

    def _complete(self, details, backbone, finished, allocate):
        """All tokens of the next groups, from their backbones [B, b]."""
        stage1, stage2 = self.stages
        active = backbone[:, 0] < stage1.codebook_size
        if active.any():
            budgets = torch.zeros_like(backbone[:, 0])
            some = backbone[active]
            single = isinstance(stage2, NoDetailLM)  # all tokens are there
            budgets[active] = self._budgets(some, allocate and not single)
            return Groups(
                details.complete(backbone, budgets), budgets, active, finished
            )
        # The last utterance has ended.
        shape = len(backbone), stage2.num_tokens
        nothing = backbone.new_full(shape, stage1.codebook_size)
        return Groups(nothing, 0 * nothing[:, 0], active, finished)

    def _make_decoder(self, index, batch):
        """A reusable decoder of a stage; None if it needs none."""
        stage = self.stages[index]
        if isinstance(stage, NoDetailLM):
            return None
        if index not in self.weights:
            self.weights[index] = stage.weights(self.linear)
        weights = self.weights[index]
        if not self.compiles:  # its size is set for each batch
            return stage.decoder(1, 1, weights=weights)
        # Padding on the left takes positions, too.
        length = (1 if batch == 1 else 2) * stage.max_positions
        return stage.decoder(batch, length, compiled=True, weights=weights)

    def _budgets(self, backbone, allocate):
        """Number of tokens of each group [B, b], [B]."""
        codec = self.codec
        if allocate and "allocator" in codec.mods:
            budgets = codec.allocate(backbone.unsqueeze(1))
            return budgets[:, 0].to(backbone.device)
        if allocate:
            _warn_no_allocator(codec.name, codec.num_codebooks)
        return torch.full_like(backbone[:, 0], codec.num_codebooks)


def stage2_limit(stage2, prompt):
    """Number of groups that fit Stage II after those of a prompt [N, K]."""
    taken = stage2.sequence_length(len(prompt))
    return (stage2.max_positions - taken) // stage2.group_positions


def pad_utterances(utterances, device):
    """Texts and prompts of a batch.

    Returns text int64 [B, L], its relative lengths [B], prompts int64 [B, N, K], and
    their relative lengths.
    """
    padded = []
    for rows in (
        [torch.tensor(u.text, dtype=torch.long) for u in utterances],
        [u.prompt.cpu() for u in utterances],
    ):
        stacked = pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        padded += [stacked, lengths / max(stacked.shape[1], 1)]
    return [part.to(device) for part in padded]


def outside_autocast(groups, kind):
    """Results of an iterator, computed in the language models' precision.

    Autocast and default dtype of the caller do not affect the iterator, and the
    reverse. ``kind`` is the type of the device, such as "cpu".
    """
    while True:
        with float32_by_default(), torch.autocast(kind, enabled=False):
            found = next(groups, None)
        if found is None:
            return
        yield found


@functools.cache
def _warn_no_allocator(name, tokens):
    logger.warning(
        "'%s' has no token allocator: every group gets %d tokens.", name, tokens
    )
