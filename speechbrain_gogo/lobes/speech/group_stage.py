"""Base classes of the stages with one large pass per group.

The stages are in group_stage1.py, aligned/stage1.py and group_stage2.py, their
state during generation in group_state.py.

Letters: B batch, N groups, b tokens of the backbone, P predicted groups, C
codes, D width.
"""

from torch import nn

from speechbrain_gogo.lobes.nn.llama import Llama
from speechbrain_gogo.lobes.speech.codes.code_grid import GridEmbedding
from speechbrain_gogo.lobes.speech.codes.depth import DepthNetwork, DepthSteps
from speechbrain_gogo.lobes.speech.decoding.llama_weights import LlamaWeights
from speechbrain_gogo.lobes.speech.decoding.weights import Dense
from speechbrain_gogo.lobes.speech.group_state import (
    GroupDecoder,
    GroupWeights,
)


class GroupStage(nn.Module):
    """A stage with a Llama, ``llama``, and a DepthNetwork, ``depth``.

    Arguments
    ---------
    levels : list of int
        Levels of each dimension of the codec's quantizer; their product is C.
    num_tokens : int
        Tokens per group that the stage reads.
    given : int
        Number of tokens, from the first, that are known before a group's pass.
    dim, num_layers, num_heads, ffn_dim, num_key_value_heads : int
        Sizes of the Llama; as many key and value heads as heads by default.
    depth_layers, depth_ffn_dim : int
        Sizes of the network that predicts the tokens of a group.
    """

    group_positions = 1

    def __init__(
        self,
        levels,
        num_tokens,
        given,
        dim=256,
        num_layers=4,
        num_heads=4,
        ffn_dim=768,
        num_key_value_heads=None,
        depth_layers=2,
        depth_ffn_dim=512,
    ):
        super().__init__()
        heads = num_key_value_heads or num_heads
        self.sizes = {  # arguments, for the export
            "levels": list(levels),
            "dim": dim,
            "num_layers": num_layers,
            "num_heads": num_heads,
            "ffn_dim": ffn_dim,
            "num_key_value_heads": heads,
            "depth_layers": depth_layers,
            "depth_ffn_dim": depth_ffn_dim,
        }
        self.dim = dim
        self.group_tokens, self.given = num_tokens, given
        self.groups = GridEmbedding(levels, num_tokens, dim)
        self.codebook_size = self.groups.grid.size
        self.llama = Llama(dim, num_layers, num_heads, ffn_dim, heads)
        self.depth = DepthNetwork(
            levels, num_tokens, given, dim, depth_layers, depth_ffn_dim
        )

    def weights(self, linear=Dense):
        """Weights for generation, which decoders share: GroupWeights.

        ``linear`` as in LlamaWeights.of.
        """
        blocks = LlamaWeights.of(self.llama, linear)
        return GroupWeights(blocks, DepthSteps(self.depth, linear))

    def decoder(self, batch, max_length, compiled=False, weights=None):
        """Reusable cache and weights for generation: a GroupDecoder.

        ``weights`` are a result of :meth:`weights`, by default the stage's own.
        ``compiled`` is without effect: large passes are too few to be compiled.
        """
        return GroupDecoder(weights or self.weights(), batch, max_length)

    def log_probs(self, hidden, tokens, depth):
        """Log-probabilities [B, C] of the next token.

        From the hidden state of the group, [B, D], its tokens so far, int64
        [B, T], and its GroupSteps.
        """
        return depth.log_probs(tokens)


class GroupStage1(GroupStage):
    """A Stage I, which reads the groups that it predicted.

    Arguments
    ---------
    levels : list of int
        Levels of each dimension of the codec's quantizer.
    backbone_size : int
        Tokens per group that it predicts, b.
    **network
        Arguments of :class:`GroupStage`.
    """

    stage = 1

    def __init__(self, levels, backbone_size, **network):
        super().__init__(levels, backbone_size, 0, **network)
        self.backbone_size = self.sizes["backbone_size"] = backbone_size

    def group_inputs(self, before, given):
        """Part [B, D] of the next input, from the preceding group, int64 [B, b].

        ``given`` is empty, [B, 0]: this stage predicts all tokens that it reads.
        """
        return self.groups.total(before)
