"""VocosMel against the feature extractor of the vocos package."""

import torch
from vocos.feature_extractors import MelSpectrogramFeatures

from speechbrain_gogo.lobes.gogo.mel import VocosMel

HOP = 256


def test_equals_vocos_inside_and_zero_padding_outside(device):
    wavs = 0.1 * torch.randn(2, 40 * HOP, device=device)
    found = VocosMel().to(device)(wavs)
    assert found.shape == (2, 40, 100)
    vocos = MelSpectrogramFeatures(padding="center").to(device)
    inner = slice(2, 39)  # frames whose windows lie inside the audio
    expected = vocos(wavs).transpose(1, 2)
    torch.testing.assert_close(found[:, inner], expected[:, inner])
    silence = torch.zeros(2, 4 * HOP, device=device)
    padded = vocos(torch.cat([silence, wavs, silence], dim=1)).transpose(1, 2)
    torch.testing.assert_close(found, padded[:, 4:44])
    assert (found[:, :2] - expected[:, :2]).abs().max() > 0.1  # vocos reflects


def test_silence_is_finite_and_nothing_is_saved():
    mel = VocosMel()
    assert not mel.state_dict()
    floor = torch.tensor(1e-7).log()
    assert (mel(torch.zeros(1, 4 * HOP)) == floor).all()
