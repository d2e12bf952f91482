"""Stages of GogoSpeech in 8 bits, read matrix by matrix.

At paper size the float32 weights of both stages are 10 GB. Here each matrix is
rounded as soon as it is read, so that memory holds about a quarter of that.
Such a stage generates speech, but computes no losses.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from speechbrain_gogo.inference.loading.pretrained import refuse
from speechbrain_gogo.lobes.nn.int8 import Int8, Int8Rows
from speechbrain_gogo.lobes.speech.decoding.llama_weights import (
    Block,
    LlamaWeights,
    TokenWeights,
    check_biases,
)
from speechbrain_gogo.lobes.speech.decoding.weights import Norm
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM
from speechbrain_gogo.lobes.speech.stage2 import DetailLM

ROWS = 10_000  # of an embedding, to read at a time
HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"


class LlamaPlaceholder(nn.Module):
    """A Llama without weights; it has the configuration of its folder only."""

    device = torch.device("cpu")

    def __init__(self, folder):
        super().__init__()
        from transformers import LlamaConfig  # takes seconds to import

        self.config = LlamaConfig.from_pretrained(folder, local_files_only=True)


class LlamaFolder(LlamaPlaceholder):
    """A Llama whose weights stay in its folder until they are read.

    The Hugging Face folder has config.json and safetensors. Raises a ValueError
    if a weight is missing or unexpected, has another shape, or cannot be read.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.llama import speech_llama
    >>> folder = getfixture("tmp_path")
    >>> speech_llama(20, 16, 2, 2, 32).save_pretrained(folder)
    >>> weights = LlamaFolder(folder).token_weights(slice(5, 20), first_id=0)
    >>> weights.embedding(torch.tensor([3])).shape
    torch.Size([1, 16])
    """

    def __init__(self, folder):
        super().__init__(folder)
        self.folder = Path(folder)
        check_biases(self.config)
        self.files = self._find_tensors()
        self._check_shapes()

    def read(self, name, rows=None):
        """A weight in the precision of its file, or a slice of its rows.

        The file is opened anew each time: while it is open, all that was
        read of it counts as memory of the process.
        """
        with safe_open(self.files[name], "pt") as file:
            return file.get_slice(name)[rows or slice(None)].clone()

    def _find_tensors(self):
        """The file of each weight, by name."""
        files = {}
        try:
            for path in sorted(self.folder.glob("*.safetensors")):
                with safe_open(path, "pt") as file:
                    files.update(dict.fromkeys(file.keys(), path))
        except SafetensorError as error:
            raise ValueError(
                f"{path} is no safetensors file: {error}"
            ) from None
        if not files:
            raise ValueError(
                f"{self.folder} has no weights that can be read: only "
                "safetensors are (a pickled checkpoint can run code)."
            )
        return files

    def _check_shapes(self):
        """Raise an error unless the weights are those of the configuration."""
        from transformers import LlamaForCausalLM

        with torch.device("meta"):
            wanted = LlamaForCausalLM(self.config).state_dict()
        if self.config.tie_word_embeddings and HEAD not in self.files:
            wanted.pop(HEAD)
        faults = [f"missing {name}" for name in wanted.keys() - self.files]
        faults += [f"unexpected {name}" for name in self.files.keys() - wanted]
        for name in wanted.keys() & self.files:
            with safe_open(self.files[name], "pt") as file:
                shape = file.get_slice(name).get_shape()
            if shape != list(wanted[name].shape):
                faults.append(f"mismatched {name}")
        refuse(sorted(faults), self.folder, "its config.json")

    def token_weights(self, output_slice, first_id):
        """Read all weights, in 8 bits except for norms: TokenWeights.

        ``output_slice`` has the ids that get logits; ``first_id`` is the first
        one whose embedding is needed.
        """
        from transformers.models.llama.modeling_llama import (
            LlamaRotaryEmbedding,
        )

        config = self.config
        rotary = LlamaRotaryEmbedding(config)
        blocks = LlamaWeights(
            config,
            [self._read_block(n) for n in range(config.num_hidden_layers)],
            self.read("model.norm.weight").float(),
            (rotary.inv_freq, rotary.attention_scaling),
        )
        # An output in the files counts, as for transformers: also a tied one.
        head = HEAD if HEAD in self.files else EMBEDDING
        embedding = Int8Rows(
            self._read_rows(EMBEDDING, first_id),
            config.vocab_size - first_id,
            first_id,
        )
        return TokenWeights(
            blocks, embedding, Int8(self.read(head, output_slice))
        )

    def _read_rows(self, name, first):
        """The rows of a table from a given one on, some at a time."""
        for start in range(first, self.config.vocab_size, ROWS):
            yield self.read(name, slice(start, start + ROWS))

    def _read_block(self, number):
        """The weights of a block."""

        def read(*names):
            parts = [
                self.read(f"model.layers.{number}.{name}.weight")
                for name in names
            ]
            return torch.cat(parts)

        eps, of = self.config.rms_norm_eps, "self_attn"
        return Block(
            Norm(read("input_layernorm").float(), eps),
            Int8(read(f"{of}.q_proj", f"{of}.k_proj", f"{of}.v_proj")),
            Int8(read(f"{of}.o_proj")),
            Norm(read("post_attention_layernorm").float(), eps),
            Int8(read("mlp.gate_proj", "mlp.up_proj")),
            Int8(read("mlp.down_proj")),
        )


class PackedStage:
    """A mix-in: gives a stage weights in 8 bits, for generation alone."""

    def __init__(self, llama, *args, **kwargs):
        super().__init__(llama, *args, **kwargs)
        self.packed = llama.token_weights(self.output_slice, self.first_id)

    def weights(self, linear=Int8):
        """Weights for generation, always in 8 bits: TokenWeights."""
        return self.packed

    def forward(self, *args, **kwargs):
        """Raise a ValueError: losses need the weights in float."""
        raise ValueError(
            "A stage in 8 bits only generates: for losses, load the model "
            'with overrides={"weights": "float"}.'
        )


class PackedBackboneLM(PackedStage, BackboneLM):
    """Stage I in 8 bits."""

    first_id = 0


class PackedDetailLM(PackedStage, DetailLM):
    """Stage II in 8 bits, without the embeddings of text."""

    @property
    def first_id(self):
        """The first id that the stage reads."""
        return self.offset
