"""The multi-stream language model of SoCodec (Section 4).

A GPT-2 reads a reference embedding, text, and steps of speech, each the sum of
the embeddings of its streams. It predicts all streams of the next step in
parallel, with a linear layer per stream. Stream j is delayed by d * (j - 1)
steps (Eq. 5, "delay" of patterns.py), so its prediction depends on the
preceding streams.

Letters: B batch, L text ids, N token steps, S streams.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import count_steps
from speechbrain_gogo.lobes.speech.decoding.cached_gpt2 import CachedGPT2
from speechbrain_gogo.lobes.speech.streams.gpt import TextPrefix, gpt
from speechbrain_gogo.lobes.speech.streams.step_generator import StepGenerator
from speechbrain_gogo.lobes.speech.streams.stream_rows import (
    StreamRows,
    join_losses,
)
from speechbrain_gogo.lobes.tokens.levels import Levels


class MultiStreamLM(nn.Module):
    """Text and a reference embedding to streams of tokens.

    Arguments
    ---------
    text_size : int
        Text ids.
    vocab_size : int
        Tokens of a stream; two further ids are BOS and EOS.
    num_streams : int
        S.
    reference_dim : int
        Width of the reference embedding.
    dim, num_layers, num_heads : int
        Dimension, number of layers and number of heads of the GPT-2.
    delay : int
        Delay d of each stream to the preceding one, in steps.
    text_positions, speech_positions : int
        Largest numbers of text ids and of speech rows.
    dropout : float
        Dropout probability of the GPT-2.

    Example
    -------
    >>> lm = MultiStreamLM(30, 64, 4, 8, dim=16, num_layers=1, num_heads=2)
    >>> text, tokens = torch.randint(30, (2, 5)), torch.randint(64, (2, 6, 4))
    >>> lens = torch.tensor([1.0, 0.5])
    >>> out = lm(torch.randn(2, 8), text, lens, tokens, lens)
    >>> out["loss"].shape, out["nll"].shape  # (6 + 3 tokens, 2 EOS) x 4
    (torch.Size([]), torch.Size([44]))
    """

    def __init__(
        self,
        text_size,
        vocab_size,
        num_streams,
        reference_dim,
        dim=1024,
        num_layers=12,
        num_heads=16,
        delay=1,
        text_positions=512,
        speech_positions=512,
        dropout=0.1,
    ):
        super().__init__()
        self.sizes = {  # arguments, for the export
            "text_size": text_size,
            "vocab_size": vocab_size,
            "num_streams": num_streams,
            "reference_dim": reference_dim,
            "dim": dim,
            "num_layers": num_layers,
            "num_heads": num_heads,
            "delay": delay,
            "text_positions": text_positions,
            "speech_positions": speech_positions,
            "dropout": dropout,
        }
        self.vocab_size = vocab_size
        self.levels = Levels.single_columns(num_streams)
        self.text_positions = text_positions
        self.prefix = TextPrefix(reference_dim, text_size, dim, text_positions)
        self.speech = StreamRows(
            vocab_size, num_streams, dim, speech_positions, delay
        )
        # Steps that fit, besides BOS and the delay of the last stream.
        self.group_positions = speech_positions - self.speech.lag - 1
        positions = 1 + text_positions + speech_positions
        self.gpt = gpt(dim, num_layers, num_heads, positions, dropout)

    def forward(self, reference, text, text_lens, tokens, lens):
        """Losses of a padded batch, a dict.

        Reference and text are those of TextPrefix.forward; tokens are int64
        [B, N, S] with relative lengths [B]. Gives "loss", the cross-entropy averaged
        over the streams; "nll" [P], of each token and EOS; "level" int64 [P], its
        stream.
        """
        counts = count_steps(lens, tokens.shape[1])
        rows, counted = self.speech.arrange(tokens, counts, ends=True)
        speech = self.speech.inputs(rows[:, :-1])
        prefix, real = self.prefix(reference, text, text_lens)
        real = F.pad(real, (0, speech.shape[1]), value=True)
        hidden = self.gpt(
            inputs_embeds=torch.cat([prefix, speech], dim=1),
            attention_mask=real.long(),
        ).last_hidden_state[:, prefix.shape[1] :]
        return join_losses([self.speech.losses(hidden, rows, counted)])

    def generate(
        self, reference, text, text_lens, sampler, max_groups, loop_groups=16
    ):
        """Generate steps of speech, by a StepGenerator.

        N steps take N + (S - 1) * d forward passes; without delay one more, for
        the end. Reference and text are those of TextPrefix.forward; the sampler has
        one seed for each utterance, which has at most ``max_groups`` steps, int64
        [B]. It is cut off if a cycle repeats for ``loop_groups`` steps.
        """
        with torch.no_grad():
            context = self.prefix(reference, text, text_lens)
            return StepGenerator(
                self.speech,
                CachedGPT2(self.gpt, len(text)),
                context,
                sampler,
                max_groups,
                loop_steps=loop_groups,
            )
