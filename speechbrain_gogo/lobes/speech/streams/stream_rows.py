"""Rows of tokens: the positions of a sequence with several streams.

A language model reads a row as the sum of the embeddings of its streams, and
predicts the streams in parallel, with a linear layer each. Stream j is delayed
by d * j steps ("delay" of patterns.py), so that it is predicted from the
preceding streams. SoCodec has one such sequence, CoFi-Speech one for each
scale.

Letters: B batch, T steps, S streams, d delay, R = T + (S - 1) * d rows, D width.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import check_positions
from speechbrain_gogo.lobes.tokens.patterns import flatten


class StreamRows(nn.Module):
    """Embeddings, positions and output layers of rows of tokens.

    Arguments
    ---------
    vocab_size : int
        Tokens of a stream; two further ids are BOS and EOS.
    num_streams : int
        S.
    dim : int
        D.
    max_rows : int
        Largest number of rows, BOS included.
    delay : int
        d.

    Example
    -------
    >>> rows = StreamRows(64, 4, 16, max_rows=20)
    >>> tokens, counts = torch.randint(64, (2, 6, 4)), torch.tensor([6, 3])
    >>> ids, counted = rows.arrange(tokens, counts, ends=True)
    >>> ids.shape, int(counted.sum())  # (6 + 3 tokens, 2 EOS) x 4
    (torch.Size([2, 10, 4]), 44)
    """

    def __init__(self, vocab_size, num_streams, dim, max_rows, delay=1):
        super().__init__()
        self.vocab_size = vocab_size
        self.num_streams = num_streams
        self.max_rows = max_rows
        self.delay = delay
        self.bos, self.eos = vocab_size, vocab_size + 1
        self.place = nn.Embedding(max_rows, dim)
        self.streams = nn.ModuleList(
            nn.Embedding(vocab_size + 2, dim) for _ in range(num_streams)
        )
        self.heads = nn.ModuleList(
            nn.Linear(dim, vocab_size + 2) for _ in range(num_streams)
        )
        for embedding in (self.place, *self.streams):
            nn.init.normal_(embedding.weight, std=0.02)

    @property
    def lag(self):
        """Delay of the last stream to the first, (S - 1) * d rows."""
        return (self.num_streams - 1) * self.delay

    def embed(self, ids, places):
        """Vectors of rows int64 [B, R, S], the sums over their streams: [B, R, D].

        ``places`` are positions of the rows in their sequences, int64 [R] or
        [B, R]; BOS is at 0.
        """
        streams = zip(self.streams, ids.unbind(-1))
        return sum(embed(row) for embed, row in streams) + self.place(places)

    def arrange(self, tokens, counts, ends):
        """The delayed rows of a padded batch.

        Arguments
        ---------
        tokens : torch.Tensor
            int64 [B, T, S].
        counts : torch.Tensor
            Steps of each utterance, int64 [B].
        ends : bool
            Append one row, so that every stream has an EOS.

        Returns
        -------
        tuple of torch.Tensor
            int64 [B, R, S], R + 1 rows with ``ends``: BOS before a stream
            begins, EOS after it ends; and bool of the same shape, where a
            token is, or with ``ends`` the first EOS of a stream.
        """
        places = torch.arange(tokens.shape[1] + ends, device=tokens.device)
        ended = places >= counts[:, None]  # [B, T + 1]
        closed = F.pad(tokens, (0, 0, 0, int(ends)), value=self.eos)
        closed = torch.where(ended.unsqueeze(-1), self.eos, closed)
        counted = places < (counts + ends)[:, None]
        counted = counted.unsqueeze(-1).expand_as(closed)
        shape = {"order": "delay", "delay": self.delay}
        rows = flatten(closed, pad=self.eos, **shape)
        counted = flatten(counted.long(), pad=0, **shape).bool()
        # Before a stream begins.
        place = torch.arange(rows.shape[1], device=rows.device)[:, None]
        stream = torch.arange(self.num_streams, device=rows.device)
        return torch.where(place < stream * self.delay, self.bos, rows), counted

    def inputs(self, rows):
        """Vectors [B, 1 + R, D] of BOS and rows; each predicts the following row.

        It is a ValueError if there are more than ``max_rows``.
        """
        ids = F.pad(rows, (0, 0, 1, 0), value=self.bos)
        check_positions(ids.shape[1], self.max_rows)
        return self.embed(ids, torch.arange(ids.shape[1], device=ids.device))

    def losses(self, hidden, rows, counted):
        """Negative log-likelihood of rows: for each stream [P], in nats.

        ``hidden`` states of the inputs are [B, R, D]; ``rows`` and ``counted`` are
        from :meth:`arrange`.
        """
        found = []
        for stream, head in enumerate(self.heads):
            wanted = counted[..., stream]
            logits = head(hidden[wanted]).float()
            target = rows[..., stream][wanted]
            loss = F.cross_entropy(logits, target, reduction="none")
            found.append(loss)
        return found


def join_losses(scales):
    """Losses of a language model with several streams.

    Arguments
    ---------
    scales : list of list of torch.Tensor
        For each sequence and stream, [P_j] in nats.

    Returns
    -------
    dict
        "loss", averaged over the tokens of a stream, the streams of a
        sequence, and the sequences; "nll" [P], of each token; "level" int64
        [P], its stream, counted over all sequences.

    Example
    -------
    >>> two = [torch.tensor([1.0, 3.0]), torch.tensor([4.0])]
    >>> found = join_losses([two, [torch.tensor([1.0])]])
    >>> found["loss"], found["level"].tolist()
    (tensor(2.), [0, 0, 1, 2])
    """
    means = [sum(nll.mean() for nll in each) / len(each) for each in scales]
    streams = [nll for each in scales for nll in each]
    levels = [
        torch.full_like(nll, number, dtype=torch.long)
        for number, nll in enumerate(streams)
    ]
    return {
        "loss": sum(means) / len(means),
        "nll": torch.cat(streams),
        "level": torch.cat(levels),
    }
