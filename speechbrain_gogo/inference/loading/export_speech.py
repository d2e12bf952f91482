"""Export of the stages of GogoSpeech, single and together with a codec.

A stage becomes a plain Hugging Face folder, which any server of Llama models
can serve. Settings that a Llama does not have (ids of codes, start and end,
the number of positions and others) are under "gogo" in its config.json. These
folders are loaded by speech.py.
"""

import copy
import json
import logging
import shutil
from pathlib import Path

import torch
from ruamel.yaml import YAML

from speechbrain_gogo.inference.loading.export import edit_model
from speechbrain_gogo.inference.loading.group_stage import save_group_stage
from speechbrain_gogo.lobes.speech.memory import merge_lora

logger = logging.getLogger(__name__)

SPEECH_FILE = "speech.yaml"
FOLDERS = "stage1", "stage2"


def export_speech_stage(
    folder, lm, tokenizer=None, fingerprint=None, dtype=torch.float16
):
    """Write a stage as a Hugging Face folder.

    Arguments
    ---------
    folder : str | Path
        Folder to write; created if needed.
    lm : BackboneLM | DetailLM | GroupBackboneLM | GroupDetailLM
        The stage.
    tokenizer : WordPieces | Phones | HubTokenizer
        Tokenizer of its text; Stage I needs it, Stage II reads none.
    fingerprint : str
        Fingerprint of the codec whose tokens it speaks: it is then used with no
        other.
    dtype : torch.dtype
        Data type of the weights.

    Returns
    -------
    Path
        The folder.

    Example
    -------
    >>> from transformers import LlamaForCausalLM
    >>> from speechbrain_gogo.lobes.speech.llama import speech_llama
    >>> from speechbrain_gogo.lobes.speech.stage2 import DetailLM
    >>> lm = DetailLM(speech_llama(82, 16, 2, 2, 32), codebook_size=80)
    >>> folder = export_speech_stage(getfixture("tmp_path") / "stage2", lm)
    >>> LlamaForCausalLM.from_pretrained(folder).config.gogo["num_tokens"]
    10
    """
    if hasattr(lm, "sizes"):  # not a plain Llama
        lm = copy.deepcopy(lm)
        merge_lora(lm.llama)
        save_group_stage(folder, lm, fingerprint)
        if tokenizer is not None:
            tokenizer.save(folder)
        return Path(folder)
    metadata = {
        "text_size": lm.offset,
        "codebook_size": lm.codebook_size,
        "backbone_size": lm.backbone_size,
        "max_positions": lm.max_positions,
        "start_id": lm.start_id,
        "codec": fingerprint,
    }
    llama = merge_lora(copy.deepcopy(lm.llama)).to("cpu", dtype)
    llama.config.use_cache = True
    if lm.stage == 1:
        metadata.update(stage=1, order=lm.order, end_id=lm.end_id)
        # Servers stop at this token.
        llama.config.eos_token_id = lm.end_id
        llama.generation_config.eos_token_id = lm.end_id
    else:
        metadata.update(stage=2, num_tokens=lm.num_tokens, mask_id=lm.mask_id)
    llama.config.gogo = metadata
    llama.save_pretrained(folder)
    for path in Path(folder).glob("*.safetensors"):
        # They are written with read permission for the owner only.
        shutil.copymode(Path(folder) / "config.json", path)
    if tokenizer is not None:
        tokenizer.save(folder)
    return Path(folder)


def export_speech(
    folder,
    codec,
    stage1,
    stage2=None,
    sampling=None,
    language="en",
    first_window_groups=6,
    overlap_groups=2,
    max_characters=200,
    groups_per_character=0.4,
    slowest=2.5,
    loop_groups=16,
    batch_size=8,
    compiled=True,
    voice=None,
    weights="float",
):
    """Write a folder that ``GogoSpeech.from_hparams`` loads.

    Arguments
    ---------
    folder : str | Path
        Folder to write; created if needed.
    codec : str | Path
        Folder of the codec, whose files are copied; may be ``folder``. Its
        backbone size is set to that of Stage I, unless this predicts all
        tokens; an allocator of another backbone size is left out.
    stage1, stage2 : str | Path
        Folders of the stages, from :func:`export_speech_stage`; copied too. No
        Stage II if Stage I predicts all tokens.
    sampling : dict
        ``temperature``, ``repetition_penalty``, ``top_p``, ``top_k`` and
        ``text_guidance``; by default those of
        :class:`~speechbrain_gogo.lobes.speech.cached_decoding.Sampler`, and no
        guidance.
    language : str | None
        Language of the front end, as in the corpora of Stage I.
    first_window_groups : int
        Groups of the first decoded window. Each following window is 1.5 times
        as long, up to the codec's own ``window_groups``.
    overlap_groups : int
        Groups that two windows share, at most half of the first one.
    max_characters : int
        Longer sentences are split.
    groups_per_character : float
        Groups per character of slow speech: a sentence that would not fit the
        positions is split.
    slowest : float
        Speech is cut off if it is longer than this factor times the duration of
        slow speech with ten more characters.
    loop_groups : int
        Speech is cut off if a cycle of groups repeats for this many groups.
    batch_size : int
        Sentences to synthesize in one batch; where steps are compiled, smaller
        batches are filled with repeats.
    compiled : bool
        Compile the steps of the language models where there is a GPU.
    voice : tuple of str
        Path of a recording, which is copied, and its transcript: the model's
        own voice, for texts without a prompt.
    weights : str
        "float"; "int8": matrices of the stages and of the codec's decoder in
        8 bits, on a CPU; or "auto": "int8" where it is supported. In 8 bits,
        stages that are plain Llamas compute no losses.

    Returns
    -------
    Path
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    sources = {folder / name: s for name, s in zip(FOLDERS, (stage1, stage2))}
    if Path(codec).resolve() != folder.resolve():
        for path in Path(codec).iterdir():
            if path.is_file():
                shutil.copy(path, folder)
    for target, source in sources.items():
        if source is None:
            shutil.rmtree(target, ignore_errors=True)
        elif Path(source).resolve() != target.resolve():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target)
    if stage2 is not None:
        _set_backbone(folder)
    settings = {
        "sampling": dict(sampling or {}),
        "language": language,
        "first_window_groups": first_window_groups,
        "overlap_groups": overlap_groups,
        "max_characters": max_characters,
        "groups_per_character": groups_per_character,
        "slowest": slowest,
        "loop_groups": loop_groups,
        "batch_size": batch_size,
        "compiled": compiled,
        "weights": weights,
    }
    if voice is not None:
        recording, text = Path(voice[0]), voice[1]
        name = f"voice{recording.suffix}"
        if recording.resolve() != (folder / name).resolve():
            shutil.copy(recording, folder / name)
        settings["voice"] = {"file": name, "text": text}
    YAML().dump(settings, folder / SPEECH_FILE)
    return folder


def _set_backbone(folder):
    """Set the codec's backbone size to that of Stage I."""
    metadata = json.loads((folder / FOLDERS[0] / "config.json").read_text())
    size = metadata["gogo"]["backbone_size"]
    with edit_model(folder) as tree:
        changed = tree["modules"]["codec"]["backbone_size"] != size
        tree["modules"]["codec"]["backbone_size"] = size
        if changed and tree["modules"].pop("allocator", None):
            (folder / "allocator.safetensors").unlink()
            logger.warning(
                "%s has no allocator: that of the codec was trained on "
                "another backbone than the %d tokens of Stage I.",
                folder,
                size,
            )
