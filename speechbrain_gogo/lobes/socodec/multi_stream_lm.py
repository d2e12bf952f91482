"""The multi-stream language model of SoCodec (Section 4).

A GPT-2 reads a reference embedding, text, and steps of speech whose streams are
added up, and predicts all streams of the next step side by side, each by a
linear layer of its own. Stream j lags d * (j - 1) steps behind the first (Eq.
5, "delay" of patterns.py), so it knows the streams before it.

Letters: B batch, L text ids, N token steps, S streams, R = N + (S - 1) * d rows
of the delayed matrix, D width.
"""

import torch
from torch import nn
from torch.nn import functional as F
from transformers import GPT2Config, GPT2Model

from speechbrain_gogo.lobes.nn.lengths import length_mask
from speechbrain_gogo.lobes.tokens.patterns import flatten


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
        Of the GPT-2.
    delay : int
        Steps d that a stream lags behind the one before it.
    text_positions, speech_positions : int
        Longest text, and most rows of speech.
    dropout : float
        Of the GPT-2.

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
        self.sizes = {  # with which it can be built again
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
        self.text_size = text_size
        self.vocab_size = vocab_size
        self.num_streams = self.num_codebooks = num_streams
        self.delay = delay
        self.text_positions = text_positions
        self.speech_positions = speech_positions
        self.bos, self.eos = vocab_size, vocab_size + 1
        self.reference = nn.Linear(reference_dim, dim)
        self.text = nn.Embedding(text_size, dim)
        self.text_place = nn.Embedding(text_positions, dim)
        self.speech_place = nn.Embedding(speech_positions, dim)
        self.streams = nn.ModuleList(
            nn.Embedding(vocab_size + 2, dim) for _ in range(num_streams)
        )
        self.gpt = GPT2Model(
            GPT2Config(
                vocab_size=1,  # embeddings are ours
                n_positions=1 + text_positions + speech_positions,
                n_embd=dim,
                n_layer=num_layers,
                n_head=num_heads,
                resid_pdrop=dropout,
                embd_pdrop=dropout,
                attn_pdrop=dropout,
            )
        )
        self.gpt.wte = nn.Identity()
        self.gpt.wpe = NoPositions()  # text and speech have their own
        self.heads = nn.ModuleList(
            nn.Linear(dim, vocab_size + 2) for _ in range(num_streams)
        )
        embeddings = self.text, self.text_place, self.speech_place
        for embedding in (*embeddings, *self.streams):
            nn.init.normal_(embedding.weight, std=0.02)

    # What the transformer reads

    def embed_prefix(self, reference, text, text_lens):
        """Reference and text, padded on the left.

        Arguments
        ---------
        reference : torch.Tensor
            Embeddings [B, reference_dim].
        text : torch.Tensor
            int64 [B, L].
        text_lens : torch.Tensor
            Relative lengths [B] over L.

        Returns
        -------
        tuple of torch.Tensor
            [B, 1 + L, D], and bool [B, 1 + L], True where it is no padding.
        """
        places = torch.arange(text.shape[1], device=text.device)
        embedded = self.text(text) + self.text_place(places)
        real = length_mask(text_lens, text.shape[1])  # [B, L]
        prefix = torch.cat([self.reference(reference)[:, None], embedded], 1)
        real = F.pad(real, (1, 0), value=True)
        # Stable: what is real keeps its order.
        order = real.long().argsort(dim=1, stable=True)
        places = order.unsqueeze(-1).expand_as(prefix)
        return prefix.gather(1, places), real.gather(1, order)

    def embed_rows(self, rows, first=0):
        """Rows of the delayed matrix.

        Arguments
        ---------
        rows : torch.Tensor
            int64 [B, R, S].
        first : int
            Place of the first of them in the utterance.

        Returns
        -------
        torch.Tensor
            The sum over the streams, [B, R, D].
        """
        places = torch.arange(first, first + rows.shape[1], device=rows.device)
        streams = zip(self.streams, rows.unbind(-1))
        return sum(embed(ids) for embed, ids in streams) + self.speech_place(
            places
        )

    def rows(self, tokens, counts):
        """The delayed matrix of a padded batch, with BOS and EOS.

        Arguments
        ---------
        tokens : torch.Tensor
            int64 [B, N, S].
        counts : torch.Tensor
            Steps of each utterance, int64 [B].

        Returns
        -------
        tuple of torch.Tensor
            int64 [B, R + 1, S]: BOS before a stream begins, EOS after it ends;
            and bool [B, R + 1, S], where a token or its first EOS is.
        """
        places = torch.arange(tokens.shape[1] + 1, device=tokens.device)
        ended = places >= counts[:, None]  # [B, N + 1]
        closed = F.pad(tokens, (0, 0, 0, 1), value=self.eos)
        closed = torch.where(ended.unsqueeze(-1), self.eos, closed)
        counted = (places <= counts[:, None]).unsqueeze(-1).expand_as(closed)
        shape = {"order": "delay", "delay": self.delay}
        rows = flatten(closed, pad=self.eos, **shape)
        counted = flatten(counted.long(), pad=0, **shape).bool()
        # Before a stream begins.
        place = torch.arange(rows.shape[1], device=rows.device)[:, None]
        stream = torch.arange(self.num_streams, device=rows.device)
        before = place < stream * self.delay  # [R + 1, S]
        return torch.where(before, self.bos, rows), counted

    # Training

    def forward(self, reference, text, text_lens, tokens, lens):
        """Losses of a padded batch.

        Arguments
        ---------
        reference : torch.Tensor
            Embeddings [B, reference_dim].
        text : torch.Tensor
            int64 [B, L].
        text_lens : torch.Tensor
            Relative lengths [B] over L.
        tokens : torch.Tensor
            int64 [B, N, S].
        lens : torch.Tensor
            Relative lengths [B] over N.

        Returns
        -------
        dict
            "loss", the cross-entropy averaged over the streams; "nll" [P], of
            each token and EOS; "level" int64 [P], its stream.
        """
        counts = (lens.double() * tokens.shape[1]).round().long()
        rows, counted = self.rows(tokens, counts)
        inputs = F.pad(rows[:, :-1], (0, 0, 1, 0), value=self.bos)
        prefix, real = self.embed_prefix(reference, text, text_lens)
        speech = self.embed_rows(inputs)
        real = F.pad(real, (0, speech.shape[1]), value=True)
        hidden = self.gpt(
            inputs_embeds=torch.cat([prefix, speech], dim=1),
            attention_mask=real.long(),
        ).last_hidden_state[:, prefix.shape[1] :]
        nll = []
        for stream, head in enumerate(self.heads):
            wanted = counted[..., stream]
            logits = head(hidden[wanted]).float()
            target = rows[..., stream][wanted]
            nll.append(F.cross_entropy(logits, target, reduction="none"))
        levels = [
            torch.full_like(part, stream, dtype=torch.long)
            for stream, part in enumerate(nll)
        ]
        return {
            "loss": sum(part.mean() for part in nll) / len(nll),
            "nll": torch.cat(nll),
            "level": torch.cat(levels),
        }


class NoPositions(nn.Module):
    """In the place of GPT-2's positional embedding: nothing is added."""

    def forward(self, position_ids):
        """Zero for every position."""
        return position_ids.new_zeros((), dtype=torch.float)
