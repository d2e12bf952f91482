"""From lines to groups of tokens, both stages in step (Section 3.2).

Stage II fills in a group as soon as Stage I has spoken its backbone, so what
is said can be heard while it is being said. Here lines (lines.py) become
groups; the stages themselves are in lobes/.

Letters: B lines, N groups, b tokens of the backbone, K = n_q tokens per group.
"""

import functools
import logging
from typing import NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence

from speechbrain_gogo.lobes.speech.cached_decoding import Reader, Sampler
from speechbrain_gogo.lobes.speech.generation import (
    DetailFiller,
    speak_backbone,
)
from speechbrain_gogo.lobes.speech.single_stage import NoDetail, NothingToFill

logger = logging.getLogger(__name__)


class Groups(NamedTuple):
    """The next group of every line.

    tokens: int64 [B, K], m where none was spoken; budgets: int64 [B], how
    many were; speaking: bool [B], whose line has this group; finished: bool
    [B], whose line has come to its end.
    """

    tokens: torch.Tensor
    budgets: torch.Tensor
    speaking: torch.Tensor
    finished: torch.Tensor

    def line(self, row):
        """The same of one line alone."""
        return Groups(*(part[row : row + 1] for part in self))


class LineSpeaker:
    """Lets two stages speak.

    Arguments
    ---------
    codec : GogoCodec
        Whose allocator says what groups are worth.
    stage1 : BackboneLM
        In evaluation mode.
    stage2 : DetailLM | NoDetail
        In evaluation mode, on the same device.
    loop_groups : int
        See ``speak_backbone``.
    compiled : bool
        Compile the steps of both where there is a GPU.
    """

    def __init__(self, codec, stage1, stage2, loop_groups, compiled):
        self.codec = codec
        self.stages = stage1, stage2
        self.loop_groups = loop_groups
        self.compiled = compiled
        self.idle_readers = {}  # compiled ones, by stage and number of rows

    @property
    def compiles(self):
        """Whether steps are compiled, for each number of lines anew."""
        return self.compiled and self.stages[0].llama.device.type == "cuda"

    @torch.no_grad()
    def speak(self, lines, allocate, drawing):
        """Speak lines side by side, each as if it were alone.

        Arguments
        ---------
        lines : list of Line
            What to say.
        allocate : bool
            Ask the codec's allocator for budgets, if it has one.
        drawing : dict
            Settings of both stages' samplers; ``text_guidance`` takes a
            second row of Stage I for each line.

        Yields
        ------
        Groups
            As long as any line speaks; the last ones may be nobody's.

        Raises
        ------
        ValueError
            If prompt and text leave no room to speak.
        """
        guided = drawing.get("text_guidance") and any(
            len(line.text) for line in lines
        )
        needed = (0, len(lines) * (2 if guided else 1)), (1, len(lines))
        readers = [
            self.idle_readers.pop(each, None) or self._make_reader(*each)
            for each in needed
        ]
        groups = self._speak(lines, allocate, drawing, readers)
        kind = self.stages[0].llama.device.type
        try:
            while True:
                # The stages have a precision of their own. Not while the
                # caller is at work.
                with torch.autocast(kind, enabled=False):
                    found = next(groups, None)
                if found is None:
                    return
                yield found
        finally:
            groups.close()
            # Not while they are in use: several streams may take turns.
            self.idle_readers.update(zip(needed, readers))

    def _speak(self, lines, allocate, drawing, readers):
        """The same with given readers."""
        stage1, stage2 = self.stages
        given = [x.to(stage1.llama.device) for x in _pad(lines)]
        rooms = [min(line.max_groups, _room(stage2, line)) for line in lines]
        samplers = [
            Sampler([2 * line.seed + stage for line in lines], **drawing)
            for stage in range(2)
        ]
        backbones = speak_backbone(
            stage1,
            *given,
            samplers[0],
            torch.tensor(rooms, device=given[0].device),
            self.loop_groups,
            readers[0],
        )
        filler = NothingToFill()
        if not isinstance(stage2, NoDetail):
            filler = DetailFiller(
                stage2, *given[2:], samplers[1], max(rooms), readers[1]
            )
        for backbone, finished in backbones:
            yield self._complete(filler, backbone, finished, allocate)

    def _complete(self, filler, backbone, finished, allocate):
        """All tokens of the next groups, whose backbones [B, b] are there."""
        stage1, stage2 = self.stages
        speaking = backbone[:, 0] < stage1.codebook_size
        if speaking.any():
            budgets = torch.zeros_like(backbone[:, 0])
            some = backbone[speaking]
            budgets[speaking] = self._budgets(some, allocate)
            return Groups(
                filler.fill(backbone, budgets), budgets, speaking, finished
            )
        # The end of the last line was heard.
        shape = len(backbone), stage2.num_tokens
        nothing = backbone.new_full(shape, stage1.codebook_size)
        return Groups(nothing, 0 * nothing[:, 0], speaking, finished)

    def _make_reader(self, place, rows):
        """A compiled reader of the first or second stage, worth keeping."""
        stage = self.stages[place]
        if not self.compiles or isinstance(stage, NoDetail):
            return None
        # What is padded on the left takes positions, too.
        length = (1 if rows == 1 else 2) * stage.max_positions
        return Reader(stage.llama, stage.rows, rows, length, compiled=True)

    def _budgets(self, backbone, allocate):
        """How many tokens each of the groups [B, b] gets, [B]."""
        codec = self.codec
        if allocate and "allocator" in codec.mods:
            budgets = codec.allocate(backbone.unsqueeze(1))
            return budgets[:, 0].to(backbone.device)
        if allocate:
            _say_unallocated(codec.name, codec.num_codebooks)
        return torch.full_like(backbone[:, 0], codec.num_codebooks)


def _room(stage2, line):
    """Groups for which Stage II has positions after the prompt."""
    taken = stage2.sequence_length(len(line.prompt))
    return (stage2.max_positions - taken) // stage2.num_tokens


def _pad(lines):
    """Text [B, L] and prompts [B, N, K], each with relative lengths [B]."""
    padded = []
    for rows in (
        [torch.tensor(line.text, dtype=torch.long) for line in lines],
        [line.prompt.cpu() for line in lines],
    ):
        together = pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        padded += [together, lengths / max(together.shape[1], 1)]
    return padded


@functools.cache
def _say_unallocated(name, tokens):
    logger.warning(
        "'%s' has no token allocator: every group gets %d tokens.", name, tokens
    )
