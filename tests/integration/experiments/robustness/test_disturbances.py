"""Power, spectrum and alignment of disturbances."""

from io import BytesIO

import pytest
import soundfile
import torch
from tones import RATE, draw, tone


def changed(disturbance, setting, wav, key="clip"):
    found = disturbance.change(wav, RATE, setting, draw(key), key)
    assert found.shape == wav.shape and found.isfinite().all()
    return found


def test_power_and_spectrum_of_noises():
    from recipes.common.disturbances import Noise
    from recipes.common.noises import Pink, White

    wav = tone()
    for kind in (White(), Pink()):
        parts = {s: changed(Noise(kind, []), s, wav) - wav for s in (20, 0)}
        power = {s: noise.square().mean() for s, noise in parts.items()}
        for ratio, found in power.items():
            expected = wav.square().mean() / 10 ** (ratio / 10)
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=0)
        torch.testing.assert_close(
            parts[0], 10 * parts[20], rtol=0.02, atol=1e-3
        )
    noise = Pink()(8 * RATE, RATE, draw("pink"), "clip")
    power = torch.fft.rfft(noise).abs().square()  # bins of 1/8 Hz
    octaves = [power[8 * f : 16 * f].sum() for f in (100, 400, 1600)]
    assert max(octaves) < 1.3 * min(octaves)


def test_babble_is_of_other_speakers_in_any_order(tmp_path):
    from recipes.common.noises import Babble

    rows = {}
    for place in range(6):
        path = tmp_path / f"{place}.wav"
        soundfile.write(path, tone(0.5, 200 + 100 * place).numpy(), RATE)
        rows[f"clip{place}"] = {
            "wav": str(path),
            "spk_id": "me" if place < 3 else "you",
            "samples": (0, None),
        }
    babble, reversed_babble = Babble(2), Babble(2)
    babble.set_clips(rows)
    reversed_babble.set_clips(dict(reversed(rows.items())))
    noise = babble(RATE, RATE, draw("clip0"), "clip0")
    again = reversed_babble(RATE, RATE, draw("clip0"), "clip0")
    assert torch.equal(noise, again)
    peaks = torch.fft.rfft(noise).abs()  # bins of 1 Hz
    own, others = peaks[150:450].max(), peaks[450:750].max()
    assert own < 0.1 * others
    babble.set_clips({"clip0": rows["clip0"]})
    with pytest.raises(ValueError, match="babble: null"):
        babble(RATE, RATE, draw("clip0"), "clip0")


def test_babble_has_no_silent_voices(tmp_path):
    from recipes.common.disturbances import Noise
    from recipes.common.noises import Babble

    path = tmp_path / "other.wav"
    rows = {"other": {"wav": str(path), "samples": (0, None)}}
    voice = torch.cat([torch.zeros(30 * RATE), tone(0.5)])
    babble = Babble(1)
    babble.set_clips(rows)
    soundfile.write(path, voice.numpy(), RATE)
    changed(Noise(babble, []), 10, tone(0.5))  # finite
    soundfile.write(path, 0 * voice.numpy(), RATE)
    with pytest.raises(ValueError, match="silent clips is no noise: other"):
        changed(Noise(babble, []), 10, tone(0.5))


def test_rooms_without_reverberation_are_refused():
    from recipes.common.disturbances import Room

    with pytest.raises(ValueError, match="reverberation of 0 s"):
        changed(Room([]), 0.0, tone())


def test_silent_parts_of_recorded_noise_are_not_drawn(tmp_path):
    from recipes.common.disturbances import Noise
    from recipes.common.noises import Recorded

    noise = torch.cat([torch.zeros(30 * RATE), tone(0.5)])
    soundfile.write(tmp_path / "noise.wav", noise.numpy(), RATE)
    recorded = Noise(Recorded(tmp_path), [])
    for key in ("a", "b", "c"):
        changed(recorded, 10, tone(0.5), key)  # finite
    soundfile.write(tmp_path / "noise.wav", 0 * noise.numpy(), RATE)
    with pytest.raises(ValueError, match="noise.wav is silent"):
        changed(recorded, 10, tone(0.5))


def test_compression_is_aligned_and_worse_at_lower_rates():
    from recipes.common.disturbances import Compressed, Telephone

    wav = tone() + tone(1.0, 5000.0)
    wav += 0.05 * torch.randn(RATE, generator=draw("noise"))
    mp3 = Compressed([], {"format": "MP3", "bitrate_mode": "CONSTANT"})
    opus = Compressed([], {"format": "OGG", "subtype": "OPUS"})
    for codec in (mp3, opus):
        errors = [
            float((changed(codec, s, wav) - wav).norm() / wav.norm())
            for s in (128, 32)
        ]
        assert errors[0] < errors[1]
        assert errors[0] < 0.25
    for kind in ("mu-law", "gsm"):
        spectrum = torch.fft.rfft(changed(Telephone([kind]), kind, wav)).abs()
        clean = torch.fft.rfft(wav).abs()
        assert spectrum[4900:5100].max() < 0.02 * clean[4900:5100].max()
        assert spectrum[430:450].max() > 0.7 * clean[430:450].max()


@pytest.mark.parametrize("rate", [8000, 24000, 48000])
def test_bit_rates_are_those_of_the_labels(rate, monkeypatch):
    from recipes.common import disturbances

    sizes = []

    def through_file(wav, sample_rate, **options):
        soundfile.write(file := BytesIO(), wav.numpy(), sample_rate, **options)
        sizes.append(len(file.getvalue()) * 8 / 1000)  # kbit of 4 s
        return wav

    monkeypatch.setattr(disturbances, "through_file", through_file)
    options = {"format": "MP3", "bitrate_mode": "CONSTANT"}
    mp3 = disturbances.Compressed([], options)
    wav = 0.1 * torch.randn(4 * rate, generator=draw("noise"))
    for setting in (32, 64):
        mp3.change(wav, rate, setting, None, "clip")
    assert sizes == pytest.approx([4 * 32, 4 * 64], rel=0.1)
    with pytest.raises(ValueError, match="kbit/s, not 4: change"):
        mp3.change(wav, rate, 4, None, "clip")


def test_clips_that_are_shorter_than_the_longest_delay():
    from recipes.common.disturbances import Telephone

    wav = 0.1 * torch.randn(240, generator=draw("noise"))
    assert Telephone([]).change(wav, 24000, "mu-law", None, "c").shape == (240,)


def test_rooms_gains_rates_and_shifts():
    from recipes.common.disturbances import Gain, Resampled, Room, Shift

    wav = tone() * torch.linspace(0, 1, RATE)
    heard = changed(Room([]), 0.5, wav)
    torch.testing.assert_close(heard.norm(), wav.norm())
    assert (heard - wav).norm() > 0.2 * wav.norm()
    torch.testing.assert_close(changed(Gain([]), -20, wav), 0.1 * wav)
    assert changed(Gain([]), 40, wav).abs().max() == 1
    back = changed(Resampled([]), 8000, wav)
    assert (back - wav).norm() < 0.02 * wav.norm()  # 440 Hz go through
    late = changed(Shift([]), 5, wav)
    assert torch.equal(late[: RATE - 80], wav[80:]) and not late[-80:].any()
