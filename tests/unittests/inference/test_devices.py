"""Results on a device: ``--device cuda`` runs these tests on a GPU."""

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.lobes.speech.cached_decoding import CachedDecoder
from speechbrain_gogo.lobes.speech.decoding.llama_weights import TokenWeights
from speechbrain_gogo.lobes.speech.llama import speech_llama

CPU = {"device": "cpu"}


@pytest.fixture
def wavs():
    """Two clips of six groups."""
    generator = torch.Generator().manual_seed(3)
    return 0.1 * torch.randn(2, 6 * 5120, generator=generator)


def test_objective_learns_in_bf16(tiny_yaml, wavs, device):
    """One step of its optimizer lowers the loss of the same draws."""
    torch.manual_seed(0)
    with open(tiny_yaml) as stream:
        objective = load_hyperpyyaml(stream)["model"]["objective"]
    objective.to(device)
    optimizer = torch.optim.SGD(objective.parameters(), lr=1e-3)
    text = torch.arange(8, device=device).view(2, 4)
    lens = torch.tensor([1.0, 0.7], device=device)
    losses = []
    for _ in range(2):
        with torch.autocast(device, torch.bfloat16):
            found = objective(
                wavs.to(device),
                lens,
                text,
                torch.ones(2, device=device),
                generator=torch.Generator().manual_seed(0),
            )
        optimizer.zero_grad()
        found["loss"].backward()
        norm = torch.nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
        assert norm.isfinite() and norm > 0
        optimizer.step()
        losses.append(found["loss"].item())
    assert found["tokens"].device.type == device
    assert losses[1] < losses[0]


def test_codec_on_device_equals_cpu(tiny_codec_folder, wavs, device):
    """The device's tokens and audio are those of the CPU, up to rounding."""
    here = GogoCodec.from_hparams(tiny_codec_folder, run_opts=CPU)
    there = GogoCodec.from_hparams(tiny_codec_folder, run_opts=CPU).to(device)
    lens = torch.tensor([1.0, 0.5])
    tokens, token_lens = here.encode_batch(wavs, lens)
    found, found_lens = there.encode_batch(wavs.to(device), lens.to(device))
    assert found.device.type == device
    assert (found.cpu() == tokens).float().mean() > 0.98
    torch.testing.assert_close(found_lens.cpu(), token_lens)
    audio, _ = here.decode_batch(tokens, token_lens)
    heard, _ = there.decode_batch(tokens.to(device), token_lens.to(device))
    assert heard.device.type == device
    error = (heard.cpu() - audio).norm() / audio.norm()
    assert error < 0.05


@torch.no_grad()
def test_compiled_decoder_equals_eager(device):
    """For pieces of all lengths, also after a reset."""
    if device != "cuda":
        pytest.skip("CUDA graphs need --device cuda")
    torch.manual_seed(0)
    llama = speech_llama(40, 32, 2, 2, 64).eval().to(device)
    weights = TokenWeights.of(llama, slice(10, 40))
    decoders = [CachedDecoder(weights, 2, 64, compiled) for compiled in (0, 1)]
    padding = torch.tensor([0, 3], device=device)
    for prompt in (20, 7):
        sizes = [prompt, 1, 4, 11, 1, 1, 4]
        for decoder in decoders:
            decoder.reset()
        for place, size in enumerate(sizes):
            ids = torch.randint(40, (2, size), device=device)
            left = None if place else padding
            eager, compiled = (decoder.step(ids, left) for decoder in decoders)
            torch.testing.assert_close(compiled, eager, atol=1e-4, rtol=1e-3)
