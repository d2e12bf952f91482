"""Training the Llama of a stage with less memory (not in the paper).

Four options can be combined: gradient checkpointing, weights of two bytes, LoRA
and, in the recipe's YAML, an optimizer with a small state. docs/memory.md has
the costs and savings of each.
"""

import torch

from speechbrain_gogo.lobes.nn.llama import Llama


def save_memory(
    llama, gradient_checkpointing=False, weights="float32", lora=None
):
    """Prepare a Llama to be trained in less memory.

    Arguments
    ---------
    llama : transformers.LlamaForCausalLM | Llama
        It is changed in place; the latter is that of a stage with one large
        pass per group, what is around it stays as it is and learns in full.
    gradient_checkpointing : bool
        Keep only the input of each layer, and compute its activations again for
        the gradients. The gradients stay the same.
    weights : str
        "float32", or "bfloat16": then the optimizer should hold copies
        (:class:`~speechbrain_gogo.brains.training.optimizers.MasterAdamW`), or be
        one of bitsandbytes.
    lora : dict
        Settings of peft.LoraConfig, such as ``{r: 16, lora_alpha: 32}``: trains
        low-rank updates of the layers' matrices, and the rows of the
        vocabulary, of which 12,802 are new. None or {} trains everything.

    Returns
    -------
    transformers.LlamaForCausalLM
        The same.

    Raises
    ------
    ValueError
        If the weights are of another type, or peft is missing.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.llama import speech_llama
    >>> llama = save_memory(speech_llama(90, 16, 2, 2, 32), True, "bfloat16")
    >>> llama.dtype, llama.is_gradient_checkpointing
    (torch.bfloat16, True)
    """
    if weights not in ("float32", "bfloat16"):
        raise ValueError(f"weights='{weights}': use 'float32' or 'bfloat16'.")
    llama.to(getattr(torch, weights))
    if lora:
        _add_lora(llama, lora)
    if gradient_checkpointing:
        llama.gradient_checkpointing_enable({"use_reentrant": False})
    return llama


def _add_lora(llama, settings):
    """Freeze all but the vocabulary, and add low-rank updates in float32."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ValueError(
            f"LoRA needs a peft that can be imported ({error}): pip install "
            f"--upgrade 'speechbrain-gogo[memory]'"
        ) from error
    config = LoraConfig(**{"target_modules": "all-linear", **settings})
    inject_adapter_in_model(config, llama)
    for name, weight in llama.named_parameters():
        if "lora_" in name:
            weight.data = weight.data.float()
    if isinstance(llama, Llama):  # without a vocabulary
        return
    for end in (llama.get_input_embeddings(), llama.get_output_embeddings()):
        end.requires_grad_(True)


def merge_lora(llama):
    """Merge low-rank updates into their matrices, in place.

    The layers become plain ones; without LoRA nothing happens.
    """
    changed = [
        (name, module)
        for name, module in llama.named_modules()
        if hasattr(module, "lora_A")
    ]
    for name, module in changed:
        module.merge()
        llama.set_submodule(name, module.get_base_layer())
    if changed and hasattr(llama, "peft_config"):
        del llama.peft_config
    return llama
