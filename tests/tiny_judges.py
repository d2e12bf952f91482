"""Judges of the smallest useful size: a Whisper and a HuBERT."""

import pytest
import torch

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


def noises(*lengths):
    generator = torch.manual_seed(0)
    return [torch.randn(n, generator=generator) / 10 for n in lengths]


@pytest.fixture(scope="session")
def tiny_whisper_folder(tmp_path_factory):
    """A random Whisper that knows letters, and its processor."""
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = sorted(set(bytes_to_unicode().values()))
    names = ["endoftext", "startoftranscript", "en", "translate", "transcribe"]
    names += ["startoflm", "startofprev", "nospeech", "notimestamps"]
    special = [f"<|{name}|>" for name in names]
    ids = {word: place for place, word in enumerate(letters + special)}
    end, start, english, _, transcribe = (ids[word] for word in special[:5])
    tokenizer = WhisperTokenizer(
        vocab=ids, merges=[], extra_special_tokens=special[1:]
    )
    ends = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), end)
    tokenizer.add_tokens([f"<|{n * 0.02:.2f}|>" for n in range(1501)])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = WhisperConfig(
            vocab_size=len(tokenizer),
            num_mel_bins=8,
            **dict.fromkeys(("d_model", "encoder_ffn_dim"), 16),
            **dict.fromkeys(("encoder_layers", "decoder_layers"), 1),
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            decoder_ffn_dim=16,
            max_target_positions=64,
            decoder_start_token_id=start,
            **ends,
        )
        network = WhisperForConditionalGeneration(config)
    network.generation_config = GenerationConfig(
        is_multilingual=True,
        lang_to_id={"<|en|>": english},
        task_to_id={"transcribe": transcribe},
        no_timestamps_token_id=ids["<|notimestamps|>"],
        prev_sot_token_id=ids["<|startofprev|>"],
        decoder_start_token_id=start,
        **ends,
        max_length=20,
        max_initial_timestamp_index=50,
    )
    folder = tmp_path_factory.mktemp("tiny_whisper")
    network.save_pretrained(folder)
    extractor = WhisperFeatureExtractor(feature_size=8)
    WhisperProcessor(extractor, tokenizer).save_pretrained(folder)
    return folder


def random_hubert(**changes):
    """A random HuBERT, the same each time."""
    from transformers import HubertConfig, HubertModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = HubertConfig(
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            conv_dim=[16] * 7,
            num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=2,
            **changes,
        )
        return HubertModel(config).eval()


@pytest.fixture(scope="session")
def tiny_hubert_folder(tmp_path_factory):
    """A random HuBERT, as transformers saves one."""
    folder = tmp_path_factory.mktemp("tiny_hubert")
    random_hubert().save_pretrained(folder)
    return folder
