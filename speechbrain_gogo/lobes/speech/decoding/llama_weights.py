"""Weights of a Llama for cached decoding: fused, in float or in 8 bits.

They are made once, and shared by all caches (cached_llama.py).

Letters: H heads, G heads of keys and values, D width, E width of a head, V ids
with logits.
"""

from functools import partial
from typing import NamedTuple

from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.llama import Llama
from speechbrain_gogo.lobes.nn.llama_block import rotary_frequencies
from speechbrain_gogo.lobes.speech.decoding.weights import (
    Dense,
    Norm,
    applied_weight,
    fuse,
)


class Block(NamedTuple):
    """Weights of a block, as functions of their input."""

    attention_norm: Norm
    qkv: object
    output: object
    mlp_norm: Norm
    gate_up: object
    down: object

    @classmethod
    def of(cls, layer, eps, linear=Dense):
        """The weights of a LlamaDecoderLayer, or of an equal block."""
        attention, mlp = layer.self_attn, layer.mlp
        qkv = attention.q_proj, attention.k_proj, attention.v_proj
        return cls(
            Norm(layer.input_layernorm.weight, eps),
            linear(fuse(qkv)),
            linear(applied_weight(attention.o_proj)),
            Norm(layer.post_attention_layernorm.weight, eps),
            linear(fuse([mlp.gate_proj, mlp.up_proj])),
            linear(applied_weight(mlp.down_proj)),
        )


class LlamaWeights:
    """Weights of a Llama's blocks and of its last norm, without embeddings.

    Arguments
    ---------
    config : LlamaSizes | transformers.LlamaConfig
        Sizes of the blocks.
    blocks : list of Block
        Their weights.
    norm : torch.Tensor
        Weight of the last norm, [D].
    rotary : tuple
        Rotary frequencies, [E / 2], and the factor of cosines and sines.

    Raises
    ------
    ValueError
        If the Llama has biases.
    """

    def __init__(self, config, blocks, norm, rotary):
        check_biases(config)
        self.heads = config.num_attention_heads
        self.groups = config.num_key_value_heads
        self.width = config.head_dim
        self.blocks, self.rotary = blocks, rotary
        self.norm = Norm(norm, config.rms_norm_eps)

    @classmethod
    def of(cls, model, linear=Dense):
        """Weights of a Llama in memory.

        Arguments
        ---------
        model : Llama | transformers.LlamaModel
            In evaluation mode. Its weights are fused in place, without a copy:
            later changes of them affect this object.
        linear : callable
            Makes a function of a weight matrix: ``Dense`` of weights.py, or
            ``Int8`` of lobes/nn/int8.py, which copies them.

        Returns
        -------
        LlamaWeights

        Example
        -------
        >>> weights = LlamaWeights.of(Llama(16, 2, 2, 32).eval())
        >>> len(weights.blocks), weights.heads, weights.width
        (2, 2, 8)
        """
        config = model.config
        check_biases(config)
        eps = config.rms_norm_eps
        blocks = [Block.of(layer, eps, linear) for layer in model.layers]
        return cls(config, blocks, model.norm.weight, _rotary(model))


class TokenWeights(NamedTuple):
    """Weights of a Llama that reads and predicts ids.

    ``embedding`` is a function of ids, ``output`` one of hidden states, whose
    result are the logits of the ids that can be generated.
    """

    blocks: LlamaWeights
    embedding: object
    output: object

    @classmethod
    def of(cls, llama, output_slice, linear=Dense):
        """Weights of a transformers.LlamaForCausalLM in memory.

        ``output_slice`` are the ids that get logits; ``linear`` as in
        :meth:`LlamaWeights.of`.
        """
        return cls(
            LlamaWeights.of(llama.model, linear),
            partial(F.embedding, weight=llama.get_input_embeddings().weight),
            # A view: weights of other ids are not read.
            linear(llama.lm_head.weight[output_slice]),
        )


def check_biases(config):
    """Raise a ValueError for a Llama with biases."""
    if config.attention_bias or config.mlp_bias:
        raise ValueError("A Llama with biases cannot be decoded here.")


def _rotary(model):
    """Frequencies [E / 2] of a model, and the factor of cosines and sines."""
    if isinstance(model, Llama):
        width = model.config.head_dim
        return rotary_frequencies(width, model.device), 1.0
    return model.rotary_emb.inv_freq, model.rotary_emb.attention_scaling
