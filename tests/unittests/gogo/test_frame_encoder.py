"""The encoder of the frame-wise baselines: no groups, and no padding."""

import pytest
import torch

from speechbrain_gogo.lobes.gogo.codec import Gogo
from speechbrain_gogo.lobes.gogo.dit import DiT
from speechbrain_gogo.lobes.gogo.encoder.frame_encoder import FrameEncoder
from speechbrain_gogo.lobes.gogo.flow.matching import ConditionalFlowMatching
from speechbrain_gogo.lobes.gogo.mel import VocosMel
from speechbrain_gogo.lobes.gogo.residual_vq import ResidualVQ

FRAME = 512  # samples, two of the mel


def seeded(module):
    torch.manual_seed(0)
    for name, weight in module.named_parameters():
        if weight.dim() > 1 or "response_norm" in name:  # nothing is tiny
            torch.nn.init.normal_(weight, std=0.3)
    return module.eval()


@pytest.fixture
def encoder():
    return seeded(FrameEncoder(10, 2, 32, 2, 2, 64))


@torch.no_grad()
def test_padded_utterance_equals_single(encoder):
    groups = torch.randn(3, 9, 2, 10)
    lengths = [9, 4, 1]
    real = torch.arange(9) < torch.tensor(lengths)[:, None]
    groups[~real] = torch.nan  # padding is not looked at
    groups = groups.nan_to_num(1e3)
    found = encoder.encode_batch(groups, real).split(lengths)
    for row, length, mine in zip(groups, lengths, found):
        one = torch.ones(1, length, dtype=torch.bool)
        alone = encoder.encode_batch(row[None, :length], one)
        torch.testing.assert_close(mine, alone, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_frames_attend_to_the_whole_utterance(encoder):
    groups = torch.randn(1, 40, 2, 10)
    real = torch.ones(1, 40, dtype=torch.bool)
    before = encoder(groups, real)
    for changed in (0, 20, 39):
        edited = groups.clone()
        edited[:, changed] += 1
        moved = (encoder(edited, real) - before).abs().amax((0, 2))
        assert (moved > 1e-5).all(), changed


def test_every_weight_is_trained(encoder):
    real = torch.tensor([[True] * 5, [True, True, False, False, False]])
    features = encoder.encode_batch(torch.randn(2, 5, 2, 10), real)
    (features * torch.randn(7, 1, 32)).sum().backward()
    idle = [
        name
        for name, weight in encoder.named_parameters()
        if weight.grad is None or not weight.grad.any()
    ]
    assert not idle


def test_codec_encodes_in_windows():
    """Each window as an utterance; a batch equals its members alone."""
    encoder = seeded(FrameEncoder(100, 2, 32, 1, 2, 64))
    flow = ConditionalFlowMatching(DiT(100, 32, 32, 1, 2))
    quantizer = seeded(ResidualVQ(32, 3, 16))
    codec = Gogo(VocosMel(), encoder, quantizer, flow, 1, window_size=6).eval()
    for layer in quantizer.layers:
        layer._codebook.embed.normal_()
        layer._codebook.initted.fill_(True)
    wavs = 0.1 * torch.randn(2, 15 * FRAME)
    tokens, lens = codec.encode(wavs, torch.tensor([1.0, 7 / 15]))
    assert tokens.shape == (2, 15, 3) and (lens * 15).tolist() == [15, 7]
    assert len(tokens[0].unique()) > 5
    alone, _ = codec.encode(wavs[1:, : 7 * FRAME])
    assert torch.equal(alone[0], tokens[1, :7])

    groups, _ = codec.group(wavs[:1])
    real = torch.ones(1, 6, dtype=torch.bool)
    _, window = codec.quantize(groups[:, 6:12], real)
    assert torch.equal(window, tokens[0, 6:12])
    # Not what the utterance would be, encoded at once.
    codec.window_size = 15
    assert not torch.equal(codec.encode(wavs[:1])[0][0], tokens[0])
