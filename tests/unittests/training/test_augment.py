"""Augmentation of training clips."""

import torch

from speechbrain_gogo.dataio.audio.augment import ClipAugmentation


def peak_frequency(wav):
    """Hz of the strongest bin, at 24 kHz."""
    return int(torch.fft.rfft(wav).abs().argmax()) * 24000 / len(wav)


def tone(frequency, seconds=2.0):
    """A sine at 24 kHz."""
    time = torch.arange(int(24000 * seconds)) / 24000
    return 0.3 * torch.sin(2 * torch.pi * frequency * time)


def test_speed_perturbation_changes_pitch_and_length():
    """A speed of 1.1 raises the pitch by a tenth and shortens the clip."""
    fast = ClipAugmentation(24000).change_speed(tone(400), 1.1)
    assert abs(len(fast) - 48000 / 1.1) < 2
    assert abs(peak_frequency(fast) - 440) < 2


def test_filter_has_the_gains_of_its_curve():
    """The gain of a tone is that of the curve at its frequency."""
    augment = ClipAugmentation(24000)
    heights = [6.0, 0, 0, 0, 0, 0]
    octaves = torch.tensor(12000 / 60).log2()
    for frequency in (120.0, 3000.0):
        place = torch.tensor(frequency / 60).log2() / octaves
        wanted = 6 / 6**0.5 * torch.cos(torch.pi * place)
        wav = tone(frequency)
        middle = slice(12000, 36000)
        ratio = augment.filter(wav, heights)[middle].norm() / wav[middle].norm()
        assert abs(20 * ratio.log10() - wanted) < 0.2


def test_random_numbers_depend_on_seed_epoch_and_clip():
    """Equal for the same three values, different if one changes."""
    wav = torch.randn(48000, generator=torch.Generator().manual_seed(0)) / 10
    one = ClipAugmentation(24000, seed=1, max_start=5120)
    changed = one(wav, 3, "a")
    assert torch.equal(changed, one(wav, 3, "a"))
    other = ClipAugmentation(24000, seed=2, max_start=5120)
    for candidate in (one(wav, 4, "a"), one(wav, 3, "b"), other(wav, 3, "a")):
        assert candidate.shape != changed.shape or not torch.equal(
            candidate, changed
        )


def test_augmented_clips_do_not_exceed_full_scale():
    """Loud clips are not amplified above 1."""
    augment = ClipAugmentation(24000, gain_db=(20.0, 20.0), filter_share=0.0)
    assert augment(tone(300), 1, "a").abs().max() <= 1.0001


def test_a_lead_is_faint_noise_before_the_whole_clip():
    """Nothing of the clip is lost, and the other draws stay as they were."""
    wav = tone(300)
    plain = ClipAugmentation(24000, 1)(wav, 1, "a")
    led = ClipAugmentation(24000, 1, max_lead=5120)(wav, 1, "a")
    lead = len(led) - len(plain)
    assert 0 < lead <= 5120
    assert torch.equal(led[lead:], plain)
    assert 0 < led[:lead].abs().max() < 1e-3
    loud = ClipAugmentation(24000, 1, max_lead=5120, lead_noise=0.01)
    louder = loud(wav, 1, "a")
    assert torch.equal(louder[lead:], plain)
    torch.testing.assert_close(louder[:lead], 100 * led[:lead])
