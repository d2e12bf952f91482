"""The paper's HuBERT and UTMOS, with tiny random weights."""

import json
import sys

import pytest
import torch
from tiny_judges import SMALL, noises
from transformers import (
    HubertConfig,
    HubertForCTC,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Processor,
)

from speechbrain_gogo.metrics import (
    DNSMOS,
    UTMOS,
    HubertWordErrors,
    WavLMSimilarity,
)


@pytest.fixture(scope="module")
def hubert(tmp_path_factory):
    """A folder like that of facebook/hubert-large-ls960-ft."""
    folder = tmp_path_factory.mktemp("hubert")
    letters = "|ETAONIHSRDLUMWCFGYPBVK'XJQZ"
    tokens = ["<pad>", "<s>", "</s>", "<unk>", *letters]
    (folder / "vocab.json").write_text(
        json.dumps({token: place for place, token in enumerate(tokens)})
    )
    tokenizer = Wav2Vec2CTCTokenizer(folder / "vocab.json")
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=True)
    Wav2Vec2Processor(extractor, tokenizer).save_pretrained(folder)
    torch.manual_seed(0)
    config = HubertConfig(vocab_size=len(tokens), pad_token_id=0, **SMALL)
    HubertForCTC(config).save_pretrained(folder)
    return folder


def test_hubert_batch_equals_single(hubert):
    """The transcript is the best path, with repeats merged and blanks dropped."""
    metric = HubertWordErrors(sample_rate=16000, source=str(hubert))
    wavs = noises(16000, 9000, 12345)
    heard = metric.recognize(wavs)
    assert heard == [metric.recognize([wav])[0] for wav in wavs]

    normal = (wavs[1] - wavs[1].mean()) / wavs[1].std(correction=0)
    with torch.no_grad():
        best = metric._network(normal.unsqueeze(0)).logits[0].argmax(-1)
    path = [int(t) for t in torch.unique_consecutive(best) if t]
    tokens = metric._processor.tokenizer.convert_ids_to_tokens(path)
    assert heard[1].replace(" ", "") == "".join(tokens).replace("|", "")

    row = metric.measure_batch(wavs, wavs, ["a b", "c", "d"])[0]
    assert row == metric.measure(wavs[0], None, "a b")
    assert row["hubert_words"] == 2
    assert row["hubert_wer"] == 50 * row["hubert_word_errors"]
    metric.append(["a"], torch.stack(wavs[:1]), ["a b"])
    assert metric.summarize("WER") == pytest.approx(row["hubert_wer"])


def test_hubert_whose_norm_is_over_time(hubert, tmp_path):
    """As of HuBERT-base: padding would change the transcripts."""
    Wav2Vec2Processor.from_pretrained(hubert).save_pretrained(tmp_path)
    config = HubertConfig.from_pretrained(hubert, feat_extract_norm="group")
    torch.manual_seed(0)
    HubertForCTC(config).save_pretrained(tmp_path)
    metric = HubertWordErrors(sample_rate=16000, source=str(tmp_path))
    wavs = noises(40000, 16000)
    heard = metric.recognize(wavs)
    assert heard == [metric.recognize([wav])[0] for wav in wavs]


def test_missing_networks_are_errors(monkeypatch, tmp_path):
    """The errors name what is missing and what to do, for all kinds of sources."""

    def unreachable(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    monkeypatch.setattr("torch.hub.load", unreachable)
    with pytest.raises(ValueError, match="HuBERT needs facebook/hubert.*copy"):
        HubertWordErrors()
    with pytest.raises(ValueError, match="UTMOS needs tarepan.*no route"):
        UTMOS(trust_code=True)
    with pytest.raises(ValueError, match="trust_code, or give a folder"):
        UTMOS()
    with pytest.raises(ValueError, match="SIM by WavLM needs .*none.pth"):
        WavLMSimilarity(tmp_path / "none.pth")


@pytest.mark.parametrize("first", ["UTMOS", "DNSMOS"])
def test_utmos_from_a_folder(tmp_path, monkeypatch, first):
    """One by one at 16 kHz, by what the folder's own package gives.

    DNSMOS comes from another package of the same name.
    """
    for name in [key for key in sys.modules if key.startswith("speechmos")]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "hubconf.py").write_text(
        "from speechmos.utmos22.strong.model import Loudness\n"
        "def utmos22_strong():\n"
        "    return Loudness()\n"
    )
    model = tmp_path / "speechmos" / "utmos22" / "strong" / "model.py"
    model.parent.mkdir(parents=True)
    model.write_text(
        "import torch\n"
        "class Loudness(torch.nn.Module):\n"
        "    def forward(self, wave, rate):\n"
        "        assert wave.shape[0] == 1 and rate == 16000\n"
        "        return wave.abs().mean(1)\n"
    )
    judges = [
        lambda: UTMOS(str(tmp_path), sample_rate=16000),
        lambda: DNSMOS(["p808_mos"], sample_rate=16000),
    ]
    if first == "UTMOS":
        metric, other = (judge() for judge in judges)
    else:
        other, metric = (judge() for judge in judges[::-1])
    assert other.measure(0.1 * noises(16000)[0])["p808_mos"] > 1
    wavs = noises(800, 400)
    rows = metric.measure_batch(wavs)
    assert [row["utmos"] for row in rows] == pytest.approx(
        [float(wav.abs().mean()) for wav in wavs]
    )
    metric.append(["a"], wavs[0][None], wavs[0][None])
    assert metric.scores == [rows[0]["utmos"]]
