"""All samples of audio are read, with and without a length in the header."""

import io
import itertools

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_gogo.dataio.audio import (
    decode_audio,
    open_audio,
    read_audio,
    stream_audio,
)
from speechbrain_gogo.dataio.audio.resampling import change_rate
from speechbrain_gogo.dataio.audio.waveform import AudioError
from speechbrain_gogo.metrics.signals import at_rate

SECONDS = 3.0
LAYER3_RATES = (16000, 22050, 24000, 32000, 44100, 48000)
UNKNOWN = 0xFFFFFFFF


def speech_like(rate, channels=1, quiet_first=True):
    """Noise in bursts, so that a variable bit rate varies: [T, channels]."""
    generator = np.random.default_rng(rate + channels)
    noise = generator.standard_normal((int(SECONDS * rate), channels))
    time = np.arange(len(noise))[:, None] / rate
    loud = (time > SECONDS / 2) == quiet_first
    return 0.1 * noise * loud * (1 + np.sin(9 * time)) + 1e-4 * noise


def encode(samples, rate, kind="MP3", **options):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, **options)
    return file.getvalue()


def without_first_frame(mp3):
    """An MP3 as a recorder writes it, that does not tell its length."""
    assert b"Xing" in mp3[:64] or b"Info" in mp3[:64]
    return mp3[mp3.index(mp3[:2], 64) :]


def at_once(data):
    samples, rate = soundfile.read(
        io.BytesIO(data), dtype="float32", always_2d=True
    )
    return torch.from_numpy(samples).mean(-1), rate


@pytest.mark.parametrize("rate", LAYER3_RATES)
def test_mp3_in_pieces_equals_the_whole(tmp_path, rate):
    """To the last bit, at every kind of bit rate, with one channel or two.

    Every other rate has the fine level with one channel.
    """
    turn = 1 if LAYER3_RATES.index(rate) % 2 else -1
    modes = ("CONSTANT", "AVERAGE", "VARIABLE")
    levels = tuple(zip((0.2, 0.8), (1, 2)[::turn]))
    for mode, (level, channels) in itertools.product(modes, levels):
        options = {"bitrate_mode": mode, "compression_level": level}
        data = encode(speech_like(rate, channels), rate, **options)
        path = tmp_path / "a.mp3"
        path.write_bytes(data)
        expected, _ = at_once(data)
        assert torch.equal(read_audio(path, rate), expected)
        for seconds in (0.0101, 0.25, 1.7):
            pieces = list(stream_audio(path, rate, seconds))
            assert torch.equal(torch.cat(pieces), expected)
            assert max(map(len, pieces)) <= seconds * rate
        assert torch.equal(decode_audio(data, SECONDS, rate), expected)


@pytest.mark.parametrize("rate", LAYER3_RATES)
@pytest.mark.parametrize("quiet_first", [True, False])
def test_mp3_without_a_length(tmp_path, rate, quiet_first):
    """libsndfile's guess from the first frame is wrong."""
    samples = speech_like(rate, 1, quiet_first)
    told = encode(samples, rate, bitrate_mode="VARIABLE")
    path = tmp_path / "a.mp3"
    tag = b"ID3\x03\0\0\0\0\x02\x10" + bytes(272)
    bare = without_first_frame(told)
    for data in (bare, tag + bare, tag + tag + bare + b"TAG" + bytes(125)):
        path.write_bytes(data)
        wav = read_audio(path, rate)
        # The encoder's delay and padding are not told, either.
        assert 0 <= len(wav) - len(samples) < 3 * 1152
        offset = 1105  # of LAME: 576 samples, and 529 of the decoder
        found = wav[offset : offset + len(samples)]
        expected, _ = at_once(told)
        assert torch.allclose(found, expected, atol=1e-6)
        pieces = stream_audio(path, rate, 0.3)
        assert torch.equal(torch.cat(list(pieces)), wav)
        assert torch.equal(decode_audio(data, SECONDS + 0.1, rate), wav)
        with open_audio(path) as sound:
            assert sound.duration() == len(wav) / rate
    with pytest.raises(AudioError, match="not as long as its row says"):
        decode_audio(bare, SECONDS / 2, rate)


def test_concatenated_mp3_is_read_completely(tmp_path):
    """The first frame has the length of the first part only."""
    part = encode(speech_like(24000), 24000)
    path = tmp_path / "joined.mp3"
    path.write_bytes(part + part)
    wav = read_audio(path, 24000)
    assert 2 * SECONDS <= len(wav) / 24000 < 2 * SECONDS + 0.3
    assert wav[int(SECONDS * 24000) :].std() > 0.01
    path.write_bytes(part + b"APETAGEX" + bytes(20000))
    assert len(read_audio(path, 24000)) == SECONDS * 24000


def in_a_pipe(kind, number):
    """A file whose writer knew no length, and put a number in its place."""
    subtype = {"subtype": "PCM_16"}
    data = bytearray(encode(speech_like(8000), 8000, kind, **subtype))
    size, order = number.to_bytes(4, "big"), "big"
    if kind in ("WAV", "WAVEX", "RF64"):
        size, order = size[::-1], "little"
    if kind == "FLAC":
        data[21] &= 0xF0
        data[22:26] = bytes(4)
    elif kind == "AU":
        data[8:12] = size
    elif kind == "RF64":
        data[20:44] = bytes(24)
    elif kind == "CAF":
        place = data.index(b"data") + 4
        data[place : place + 8] = b"\xff" * 8
    else:
        place = data.index(b"SSND" if kind == "AIFF" else b"data") + 4
        data[place : place + 4] = size
        data[4:8] = min(number + 36, UNKNOWN).to_bytes(4, order)
    return bytes(data)


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        *[("WAV", number) for number in (0, UNKNOWN, 0x7FFFFFFF, 0x7FFFF000)],
        *[("WAV", number) for number in (0x7FFFEFFC, 0x7FFFFF00, 0x80000000)],
        *[("WAVEX", UNKNOWN), ("FLAC", 0), ("RF64", 0), ("CAF", UNKNOWN)],
        *[("AIFF", number) for number in (0, UNKNOWN, 0x7F000008)],
        *[("AU", number) for number in (0, UNKNOWN)],
    ],
)
def test_audio_from_a_pipe_is_complete(tmp_path, kind, number):
    data = in_a_pipe(kind, number)
    path = tmp_path / "piped"
    path.write_bytes(data)
    expected = torch.from_numpy(speech_like(8000)[:, 0]).float()
    for wav in (
        read_audio(path, 8000),
        torch.cat(list(stream_audio(path, 8000, 0.7))),
        decode_audio(data, SECONDS, 8000),
    ):
        assert torch.allclose(wav, expected, atol=1e-4)


@pytest.mark.parametrize("number", [0x10000000, 0x7FFFF800, 0x9ABCDEF0])
def test_wrong_length_in_a_header_is_refused(tmp_path, number):
    """Only known placeholders are accepted."""
    data = bytearray(encode(speech_like(8000), 8000, "WAV"))
    data[40:44] = number.to_bytes(4, "little")
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    with pytest.raises(AudioError, match="truncated audio"):
        read_audio(path, 8000)


def test_raw_audio_has_no_header(tmp_path):
    """The content decides, not the suffix."""
    path = tmp_path / "a.raw"
    samples = speech_like(8000)
    path.write_bytes(encode(samples, 8000, "WAV"))
    assert len(read_audio(path, 8000)) == len(samples)
    path.write_bytes(samples.astype("<i2").tobytes())
    with pytest.raises(AudioError, match="a.raw is no audio file"):
        read_audio(path, 8000)


def test_samples_in_the_range_of_16_bits_are_refused(tmp_path):
    data = encode(32768 * speech_like(8000), 8000, "WAV", subtype="FLOAT")
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    for read in (
        lambda: read_audio(path, 8000),
        lambda: list(stream_audio(path, 8000)),
        lambda: decode_audio(data, SECONDS, 8000),
    ):
        with pytest.raises(AudioError, match="divide 16-bit samples"):
            read()


def test_empty_wav_has_no_samples(tmp_path):
    """Also where another chunk follows its samples."""
    path = tmp_path / "a.wav"
    for following in (b"", b"LIST\x04\0\0\0INFO"):
        path.write_bytes(encode([], 8000, "WAV") + following)
        with pytest.raises(AudioError, match="empty audio"):
            read_audio(path, 8000)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_resampled_pieces_equal_the_whole(tmp_path, rate):
    """Bit for bit, with the same number of samples."""
    path = tmp_path / "a.flac"
    soundfile.write(path, np.resize(speech_like(rate), 65 * rate + 17), rate)
    whole = read_audio(path, 24000)
    assert len(whole) == -(-(65 * rate + 17) * 24000 // rate)
    for seconds in (0.37, 31.0):
        pieces = list(stream_audio(path, 24000, seconds))
        assert torch.equal(torch.cat(pieces), whole)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_default_dtype_changes_no_resampled_sample(dtype):
    """torchaudio 2.11.1 (functional.resample) computes the length in it.

    75,000 samples were 74,752 by bfloat16, and none by float16.
    """
    wav = torch.from_numpy(np.resize(speech_like(16000), 50_000)).float()
    expected = change_rate(wav, 16000, 24000)
    judged = at_rate(wav, 16000, 24000)
    torch.set_default_dtype(dtype)
    try:
        assert torch.equal(change_rate(wav, 16000, 24000), expected)
        assert np.array_equal(at_rate(wav, 16000, 24000), judged)
    finally:
        torch.set_default_dtype(torch.float32)
    assert expected.shape == judged.shape == (75_000,)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("told", [True, False])
def test_part_of_a_file_equals_the_whole(tmp_path, kind, told):
    """Also of compressed files and of files without a length."""
    data = encode(speech_like(24000), 24000, kind)
    if kind == "MP3" and not told:
        data = without_first_frame(data)
    elif kind in ("WAV", "FLAC") and not told:
        data = in_a_pipe(kind, UNKNOWN)
    path = tmp_path / "a"
    path.write_bytes(data)
    with open_audio(path) as sound:
        rate = sound.sample_rate
    whole = read_audio(path, rate)
    for first, end in ((1234, 5678), (0, 100), (20001, None)):
        with open_audio(path) as sound:
            part = sound.read_part(first, end)
        assert torch.equal(part, whole[first:end])
    for first, end in ((len(whole), None), (100, len(whole) + 1)):
        with open_audio(path) as sound, pytest.raises(AudioError, match="part"):
            sound.read_part(first, end)


def test_mp3_cut_within_a_frame_is_refused(tmp_path):
    """Without a length the last frame is checked; tags may follow."""
    bare = without_first_frame(encode(speech_like(24000), 24000))
    path = tmp_path / "a.mp3"
    path.write_bytes(bare)
    whole = read_audio(path, 24000)
    for tail in (b"TAG" + bytes(125), b"APETAGEX" + bytes(300)):
        path.write_bytes(bare + tail)
        assert torch.equal(read_audio(path, 24000), whole)
    for cut in (10, 50, len(bare) // 2 + 7):
        path.write_bytes(bare[:-cut])
        with pytest.raises(AudioError, match="truncated"):
            read_audio(path, 24000)
