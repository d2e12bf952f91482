"""Samples that trainings of the siblings' language models write."""

import soundfile
import torch

from recipes.common.training.codec_lm_samples import CodecLMSamples
from speechbrain_gogo.inference import CoFiSpeech, SoCodecSpeech
from speechbrain_gogo.metrics.reports.pictures import plot_mels


def test_samples_speak_in_the_voice_of_clips(
    tiny_socodec_speech_folder, tiny_cofi_speech_folder, tmp_path
):
    draw = torch.Generator().manual_seed(0)
    clip = {
        "id": "anna/1",
        "sig": 0.1 * torch.randn(40000, generator=draw),
        "text": torch.tensor([3, 4, 5]),
    }

    def write(path, wav):
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, wav[0].numpy(), 24000)

    for kind, folder in (
        (SoCodecSpeech, tiny_socodec_speech_folder),
        (CoFiSpeech, tiny_cofi_speech_folder),
    ):
        speech = kind.from_hparams(folder)
        lm, codec = speech.mods.lm, speech.codec
        with torch.no_grad():
            draw_samples = CodecLMSamples(codec, [clip], 0, {"top_k": 10})
            [(name, text, tokens, voice, _)] = draw_samples.clips
            spoken = draw_samples.speak(lm, text, tokens, voice)
            draw_samples(lm, tmp_path / kind.__name__, write)
        prompt = len(tokens[0]) // 3 if kind is CoFiSpeech else 0
        assert torch.equal(spoken[:, :prompt], tokens[:, :prompt])
        assert prompt < spoken.shape[1] <= 2 * tokens.shape[1]
        heard = soundfile.info(tmp_path / kind.__name__ / f"{name}.wav").frames
        assert heard == spoken.shape[1] * codec.group_samples
        assert (tmp_path / kind.__name__ / f"{name}.png").is_file()


def test_a_model_that_ends_at_once_does_not_end_the_training(
    tiny_socodec_speech_folder, tmp_path, monkeypatch
):
    speech = SoCodecSpeech.from_hparams(tiny_socodec_speech_folder)
    clip = {"id": "1", "sig": torch.zeros(20000), "text": torch.tensor([3])}
    draw_samples = CodecLMSamples(speech.codec, [clip], 0, {})
    monkeypatch.setattr(speech.mods.lm, "generate", lambda *inputs: iter(()))
    pictures = []
    monkeypatch.setattr(
        "recipes.common.training.codec_lm_samples.plot_mels",
        lambda *given: pictures.append(given) or plot_mels(*given),
    )
    draw_samples(speech.mods.lm, tmp_path, write=None)
    assert pictures[0][2:] == (12, 100)  # frames per group and second
    assert [path.name for path in tmp_path.iterdir()] == ["1.png"]
