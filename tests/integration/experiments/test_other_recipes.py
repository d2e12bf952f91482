"""Gogo tokens in recipes for other tokenizers.

Small stand-ins for the DASB benchmark (recognition with an LSTM and CTC,
Tokotron) and for SpeechBrain's LibriTTS/vocoder/hifigan_discrete: the calls, the
types and the lengths are theirs.
"""

import csv

import numpy as np
import pytest
import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataio import clean_padding_, read_audio
from speechbrain.lobes.models.HifiGAN import UnitHifiganGenerator
from speechbrain.nnet.losses import ctc_loss
from speechbrain.utils.data_utils import undo_padding
from torchaudio.functional import resample

from speechbrain_gogo.inference.files.corpora import (
    find_source,
    tokenize_to_folder,
)

RECIPE = """
codec: !apply:speechbrain_gogo.inference.GogoTokenizer.from_hparams
    source: {source}
    sample_rate: 16000
    num_codebooks: 5
    layout: {layout}
embedding: !new:torch.nn.Embedding
    num_embeddings: {rows}
    embedding_dim: 32
enc: !new:speechbrain.nnet.RNN.LSTM
    input_shape: [null, null, 32]
    hidden_size: 64
    bidirectional: True
ctc_lin: !new:speechbrain.nnet.linear.Linear
    input_size: 128
    n_neurons: 31
modules:
    codec: !ref <codec>
    embedding: !ref <embedding>
    enc: !ref <enc>
    ctc_lin: !ref <ctc_lin>
"""


@pytest.fixture(scope="module")
def clips(tiny_corpus):
    """Rows of the four clips that validate."""
    with open(tiny_corpus / "valid.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["wav"] = row["wav"].replace("$data_root", str(tiny_corpus))
    return rows


def sound(path, rate):
    info = sb.dataio.audio_io.info(path)
    return resample(read_audio(path), info.sample_rate, rate)


@pytest.fixture(scope="module")
def batch(clips):
    """Audio at 16 kHz with the lengths that its tokens share, and words."""
    letters = "-_ abcdefghijklmnopqrstuvwxyz.'"
    examples = []
    for row in clips:
        ids = [max(letters.find(c), 1) for c in row["wrd"].lower()]
        wav = sound(row["wav"], 16000)
        examples.append(
            {"id": row["ID"], "sig": wav, "tokens": torch.tensor(ids)}
        )
    return PaddedBatch(examples)


class Recognizer(sb.Brain):
    """Tokens to characters; the lengths of the audio are those of tokens."""

    def compute_forward(self, batch, stage):
        wavs, wav_lens = batch.sig
        with torch.no_grad():
            self.hparams.codec.to(self.device).eval()
            tokens, _ = self.hparams.codec.encode(wavs, wav_lens)
        books = tokens.shape[-1]
        tokens += torch.arange(0, books * 12800, 12800)
        feats = self.modules.embedding(tokens).mean(2)
        logits = self.modules.ctc_lin(self.modules.enc(feats)[0])
        p_ctc = logits.log_softmax(-1)
        if stage != sb.Stage.TRAIN:
            self.said = sb.decoders.ctc_greedy_decode(p_ctc, wav_lens, 0)
        return p_ctc, wav_lens

    def compute_objectives(self, predictions, batch, stage):
        words, lens = batch.tokens
        return ctc_loss(*predictions[:1], words, predictions[1], lens, 0)


@pytest.mark.parametrize("layout", ["flat", "grouped"])
def test_recognition(tiny_codec_folder, batch, tmp_path, layout):
    books = {"flat": 1, "grouped": 5}[layout]
    text = RECIPE.format(
        source=tiny_codec_folder, layout=layout, rows=books * 12800
    )
    hparams = load_hyperpyyaml(text)
    table = hparams["codec"].vocabulary[:books].flatten(0, 1)
    hparams["embedding"].weight.data.copy_(table)
    modules = hparams["modules"]
    brain = Recognizer(
        modules,
        lambda parameters: torch.optim.Adam(parameters, 1e-2),
        hparams,
        checkpointer=sb.utils.checkpoints.Checkpointer(tmp_path, modules),
    )
    loader = torch.utils.data.DataLoader([batch], batch_size=None)
    first = brain.evaluate(loader, progressbar=False)
    brain.fit(range(1, 6), loader, loader, progressbar=False)
    brain.checkpointer.save_checkpoint()
    last = brain.evaluate(loader, progressbar=False)
    assert len(brain.said) == len(batch.id)
    assert np.isfinite(last)
    if layout == "flat":  # grouped has too few steps for the characters
        assert last < 0.9 * first


@pytest.mark.parametrize("layout", ["flat", "grouped"])
def test_tokotron(tiny_codec_folder, batch, tmp_path, layout):
    """Extraction to files, padding with silence, and decoding of generated tokens."""
    text = RECIPE.format(source=tiny_codec_folder, layout=layout, rows=1)
    model = load_hyperpyyaml(text)["codec"]
    device = next(model.parameters()).device
    silence = torch.zeros(1, 100000, device=device)
    tokens, emb = model(silence, torch.ones(1, device=device))
    quiet = tokens.squeeze(0).mode(0).values
    heads = len(quiet)
    assert model.embeddings(quiet[None, None, :]).squeeze((0, 1)).shape == (
        heads,
        emb.shape[-1],
    )
    wavs, wav_lens = batch.sig
    tokens, _ = model(wavs, wav_lens)
    for key, array in zip(batch.id, undo_padding(tokens.int(), wav_lens)):
        np.save(tmp_path / f"audio_tokens_{key}.npy", np.array(array))
    bos, examples = torch.zeros(1, heads), []
    for key in batch.id:
        audio = np.load(tmp_path / f"audio_tokens_{key}.npy")
        padding = quiet[None].expand(12, -1)
        audio = torch.cat([bos, torch.from_numpy(audio), padding])
        examples.append({"audio": audio})
    audio, length = PaddedBatch(examples).audio
    assert audio.is_floating_point()
    wav = model.decode(audio[:, 1:]).squeeze(1)
    clean_padding_(wav, length)
    assert wav.isfinite().all() and wav.abs().amax(1).min() > 0
    seconds = wav.shape[1] / 16000
    steps = audio.shape[1] - 1
    assert seconds == pytest.approx(steps * 5120 / 24000 / (5 // heads), 1e-3)
    assert wav.shape == model.tokens_to_sig(audio[:, 1:]).shape


def test_hifigan_discrete(tiny_codec_folder, clips, tiny_corpus, tmp_path):
    """Arrays from files; every token decodes to 512 samples."""
    from speechbrain_gogo.inference import GogoCodec

    codec = GogoCodec.from_hparams(tiny_codec_folder)
    source = find_source(tiny_corpus / "valid.csv", codec.sample_rate)
    tokenize_to_folder(codec, source, tmp_path)
    generator = UnitHifiganGenerator(
        in_channels=8,
        out_channels=1,
        resblock_type="1",
        resblock_dilation_sizes=[[1, 3, 5]],
        resblock_kernel_sizes=[3],
        upsample_kernel_sizes=[16, 16, 8],
        upsample_initial_channel=16,
        upsample_factors=[8, 8, 8],
        vocab_size=12801,
        embedding_dim=8,
    )
    optimizer = torch.optim.AdamW(generator.parameters(), 1e-2)
    losses = []
    for _ in range(3):
        for row in clips:
            code = np.load(tmp_path / "codes" / f"{row['ID']}.npy")
            code = code + np.arange(1) * 12800 + 1
            code = torch.IntTensor(code)
            audio = sound(row["wav"], 24000)
            steps = min(len(audio) // 512, len(code))
            assert len(code) - steps <= 10  # the last group is padded
            code, audio = code[None, :20], audio[None, None, : 20 * 512]
            made, _ = generator(code)
            assert made.shape == audio.shape
            loss = (made - audio).abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert sum(losses[-4:]) < sum(losses[:4])
