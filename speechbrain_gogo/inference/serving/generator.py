"""Groups of tokens from stages on servers.

It yields the same groups as
:class:`~speechbrain_gogo.inference.synthesis.generator.GroupGenerator`. A group
takes two requests to Stage I, for its first token (or the end) and for the rest
of its backbone, and one to Stage II.
"""

from concurrent.futures import ThreadPoolExecutor
from inspect import Parameter, signature

import torch

from speechbrain_gogo.inference.synthesis.generator import (
    GroupGenerator,
    Groups,
    stage2_limit,
)
from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
from speechbrain_gogo.lobes.speech.decoding.loop_detector import LoopDetector
from speechbrain_gogo.lobes.speech.single_stage import NoDetailLM

LAST_SEED = 2**31
DEFAULTS = {
    name: parameter.default
    for name, parameter in signature(Sampler).parameters.items()
    if parameter.default is not Parameter.empty
}


class ServedGenerator(GroupGenerator):
    """Generates groups of tokens with two servers.

    The arguments are those of GroupGenerator, whose stages need no weights
    here, and a Server of Stage I, and of Stage II if there is one.
    """

    def __init__(self, codec, stage1, stage2, loop_groups, servers):
        super().__init__(codec, stage1, stage2, loop_groups, compiled=False)
        self.servers = servers

    def generate(self, utterances, allocate, sampling):
        """Generate a batch of utterances in parallel, independent of each other.

        As in GroupGenerator, but there is no ``text_guidance``. A ConnectionError is
        raised if a server does not answer, a ValueError if it refuses a request.
        """
        sampling = {**DEFAULTS, **sampling}
        streams = [self._stream(u, allocate, sampling) for u in utterances]
        last = [None] * len(streams)
        with ThreadPoolExecutor(len(streams)) as pool:
            while True:
                found = pool.map(lambda stream: next(stream, None), streams)
                last = [new or old for new, old in zip(found, last)]
                groups = Groups(*(torch.cat(parts) for parts in zip(*last)))
                yield groups
                if not groups.active.any():
                    return

    @torch.no_grad()
    def _stream(self, utterance, allocate, sampling):
        """The groups of one utterance; the last item is not active."""
        (stage1, stage2), codes = self.stages, self.stages[0].codebook_size
        detail_ids = None
        if not isinstance(stage2, NoDetailLM):
            detail_ids = [stage2.start_id]
            prompt = utterance.prompt.cpu()  # [N, K]
            detail_ids += (prompt + stage2.offset).flatten().tolist()
        backbones = self._backbones(utterance, sampling)
        if utterance.backbone is not None:
            backbones = [*utterance.backbone.tolist(), None]
        finished = torch.zeros(1, dtype=torch.bool)
        for index, tokens in enumerate(backbones):
            if tokens is None:
                finished = ~finished
                break
            backbone = torch.tensor([tokens])  # [1, b]
            budgets = self._budgets(backbone, allocate).cpu()
            if detail_ids is not None:
                known = _appended(detail_ids, tokens, stage2)
                fine = int(budgets) - stage1.backbone_size
                seed = _group_seed(utterance, index) + 1
                tokens = [
                    *tokens,
                    *self._ask(1, known, fine, codes, seed, sampling),
                ]
                tokens += [codes] * (stage2.num_tokens - len(tokens))  # m
                detail_ids = _appended(detail_ids, tokens, stage2)
            yield Groups(torch.tensor([tokens]), budgets, ~finished, finished)
        nothing = torch.full((1, stage2.num_tokens), codes)
        over = torch.zeros(1, dtype=torch.bool)
        yield Groups(nothing, 0 * nothing[:, 0], over, finished)

    def _backbones(self, utterance, sampling):
        """Tokens of Stage I for each group, lists of int; None is the end."""
        stage1 = self.stages[0]
        codes, b = stage1.codebook_size, stage1.backbone_size
        text = torch.tensor([utterance.text], dtype=torch.long)
        prompt, one = utterance.prompt[None].cpu(), torch.ones(1)
        parts = stage1.prefix(text, one, prompt, one)
        ids = [i for part, real in parts for i in part[real.bool()].tolist()]
        in_loop = LoopDetector(1, self.loop_groups, "cpu")
        for index in range(self._limit(utterance, len(ids))):
            seed = _group_seed(utterance, index)
            first = self._ask(0, ids, 1, codes + 1, seed, sampling)
            if first == [codes]:
                yield None
                return
            known = _appended(ids, first, stage1)
            tokens = first + self._ask(0, known, b - 1, codes, seed, sampling)
            ids = _appended(ids, tokens, stage1)
            yield tokens
            if in_loop(torch.tensor([tokens])):
                return

    def _ask(self, stage, ids, count, num_tokens, seed, sampling):
        """Request the next tokens of a stage."""
        if not count:
            return []
        offset = self.stages[stage].offset
        allowed = range(offset, offset + num_tokens)
        server = self.servers[stage]
        found = server.complete(ids, count, allowed, seed % LAST_SEED, sampling)
        return [id_ - offset for id_ in found]

    def _limit(self, utterance, used):
        """Largest number of groups that fit the positions of both stages."""
        stage1, stage2 = self.stages
        left = (stage1.max_positions - used) // stage1.backbone_size
        limit = min(left, stage2_limit(stage2, utterance.prompt))
        if limit < 1:
            raise ValueError(
                "Prompt and text leave no positions for speech: give a "
                "shorter prompt, or shorter sentences."
            )
        return min(limit, utterance.max_groups)


def _group_seed(utterance, index):
    """Seed of Stage I for a group; that of Stage II is the next number."""
    return 2 * utterance.seed + 2_000_003 * index


def _appended(ids, tokens, stage):
    """The ids of a stage, followed by tokens."""
    return [*ids, *(token + stage.offset for token in tokens)]
