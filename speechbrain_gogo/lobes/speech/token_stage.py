"""Base class of the stages that read and predict ids of a Llama (Eq. 6, 7).

The vocabulary of each is [text][codes, one block for all levels][two special
ids], so the ids that can be generated are a slice of it. The stages are in
stage1.py and stage2.py.

Letters: P predicted tokens, C codes, D width.
"""

from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.speech.cached_decoding import CachedDecoder
from speechbrain_gogo.lobes.speech.decoding.llama_weights import TokenWeights
from speechbrain_gogo.lobes.speech.decoding.weights import Dense


class TokenStage(nn.Module):
    """A stage whose Llama reads text, codes and two special ids.

    ``offset`` is the id of the first code. A subclass has ``output_slice``, the
    ids that can be generated.

    Arguments
    ---------
    llama : transformers.LlamaForCausalLM
        Llama with a vocabulary of ``text_size + codebook_size + 2``.
    text_size : int
        Text ids.
    codebook_size : int
        Codes C.
    backbone_size : int
        Tokens of the backbone of a group, b.
    max_positions : int
        Longest sequence.

    Raises
    ------
    ValueError
        If the Llama has more ids, or fewer.
    """

    def __init__(
        self, llama, text_size, codebook_size, backbone_size, max_positions
    ):
        super().__init__()
        wanted, found = text_size + codebook_size + 2, llama.config.vocab_size
        if found != wanted:
            raise ValueError(
                f"The Llama has {found} ids, but {text_size} of text, "
                f"{codebook_size} codes and 2 special ones are {wanted}: make "
                "it with as many (vocab_size, or num_new of a pretrained one)."
            )
        self.llama = llama
        self.codebook_size = codebook_size
        self.backbone_size = backbone_size
        self.max_positions = max_positions
        self.offset = text_size

    def weights(self, linear=Dense):
        """Weights for generation, which decoders share: TokenWeights.

        ``linear`` as in LlamaWeights.of.
        """
        return TokenWeights.of(self.llama, self.output_slice, linear)

    def decoder(self, batch, max_length, compiled=False, weights=None):
        """Reusable cache and weights for generation.

        Arguments
        ---------
        batch, max_length, compiled
            As in CachedDecoder.
        weights : TokenWeights
            Result of :meth:`weights`; the stage's own by default.

        Returns
        -------
        CachedDecoder
        """
        weights = weights or self.weights()
        return CachedDecoder(weights, batch, max_length, compiled)

    def token_losses(self, hidden, ids, level):
        """Cross-entropy over the ids that can be generated; no others are read.

        Last hidden states [P, D], targets int64 [P] and the level of each ->
        "loss", the mean; "nll" [P], of each token; "level", as given.
        """
        weight = self.llama.lm_head.weight[self.output_slice]
        logits = F.linear(hidden, weight).float()
        targets = ids - self.output_slice.start
        nll = F.cross_entropy(logits, targets, reduction="none")
        return {"loss": mean_nll(nll), "nll": nll, "level": level}


def mean_nll(nll):
    """Mean of [P]; 0 of none, such as of groups whose budget is the backbone.

    Example
    -------
    >>> import torch
    >>> mean_nll(torch.tensor([1.0, 2.0])), mean_nll(torch.zeros(0))
    (tensor(1.5000), tensor(0.))
    """
    return nll.sum() / max(len(nll), 1)
