"""GogoTokenizer: the codec's tokens by the interfaces of other tokenizers."""

import copy
import pickle

import pytest
import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.dataio.dataio import clean_padding_
from speechbrain.nnet.losses import ctc_loss
from torch import nn

from speechbrain_gogo.inference import GogoCodec, GogoTokenizer

LAYOUTS = pytest.mark.parametrize("layout", ["flat", "grouped"])
GROUP = 5120  # samples


@pytest.fixture(scope="module")
def codec(tiny_codec_folder):
    return GogoCodec.from_hparams(tiny_codec_folder, run_opts={"device": "cpu"})


@pytest.fixture
def build(tiny_codec_folder):
    """The tokenizer with settings."""
    return lambda **settings: GogoTokenizer(tiny_codec_folder, **settings)


@pytest.fixture
def speech():
    """Two utterances of 5 and 2.5 groups, and their relative lengths."""
    noise = torch.randn(
        2, 5 * GROUP, generator=torch.Generator().manual_seed(0)
    )
    noise[1, 5 * GROUP // 2 :] = 0.0
    return 0.1 * noise, torch.tensor([1.0, 0.5])


@LAYOUTS
@pytest.mark.parametrize("num_codebooks", [10, 3])
def test_interface_equals_encodec(build, codec, speech, layout, num_codebooks):
    tokenizer = build(layout=layout, num_codebooks=num_codebooks)
    wavs, length = speech
    matrix, lens = codec.encode_batch(wavs, length)
    matrix = matrix[..., :num_codebooks]
    flat = matrix.reshape(2, -1, 1)
    expected = {"flat": flat, "grouped": matrix}[layout]
    tokens, emb = tokenizer.encode(wavs, length)
    assert torch.equal(tokens, expected) and tokens.dtype == torch.int64
    assert torch.equal(tokenizer(wavs.unsqueeze(1), length)[0], expected)
    assert torch.equal(tokenizer.embeddings(tokens), emb)
    stereo = torch.stack([2 * wavs, 0 * wavs], 1)  # [B, C, T]
    for many in (stereo, stereo.mT, stereo.numpy(), stereo.mT.numpy()):
        assert torch.equal(tokenizer.encode(many, length)[0], expected)
    books, codes, width = tokenizer.vocabulary.shape
    assert emb.shape == (*tokens.shape, width) and codes == 12800
    assert tokens.shape[2] == books == tokenizer.codebooks
    for book in range(books):
        found = tokenizer.vocabulary[book][tokens[:, :, book]]
        assert torch.allclose(found, emb[:, :, book])
    wav = tokenizer.decode(tokens.float(), length)
    known, _ = codec.decode_batch(matrix, lens)
    assert wav.shape == (2, 1, 5 * GROUP)
    clean_padding_(known, length)
    assert torch.allclose(wav[:, 0], known, atol=1e-6)


@LAYOUTS
def test_decoded_batch_equals_single(build, speech, layout):
    tokenizer = build(layout=layout)
    (wavs, length), half = speech, 5 * GROUP // 2
    together = tokenizer.decode(tokenizer.encode(wavs, length)[0], length)
    alone = tokenizer.decode(tokenizer.encode(wavs[1:, :half])[0])
    assert alone.shape == (1, 1, 3 * GROUP)
    apart = (together[1, :, :half] - alone[0, :, :half]).abs().max()
    assert apart < 1e-2 * alone.abs().max()  # Griffin-Lim magnifies rounding
    assert not together[1, :, half:].any()


def test_incomplete_groups_of_flat_sequences(build, codec, speech):
    tokenizer = build()
    tokens, _ = tokenizer.encode(*speech)
    wav = tokenizer.decode(tokens[:1, :37])
    assert wav.shape == (1, 1, 37 * 512)
    matrix = tokens[:1].reshape(1, 5, 10)[:, :4].clone()
    matrix[:, 3, 7:] = codec.mask_id
    known, _ = codec.decode_batch(matrix)
    assert torch.allclose(wav[0, 0], known[0, : 37 * 512], atol=1e-6)
    nothing = tokenizer.decode(tokens, torch.tensor([1.0, 0.0]))
    assert not nothing[1].any()


@pytest.mark.parametrize("rate", [16000, 22050])
def test_other_sample_rates(build, codec, rate):
    tokenizer = build(sample_rate=rate, layout="grouped")
    time = torch.arange(rate)[None] / rate
    wav = 0.3 * torch.sin(700 * time)
    tokens, _ = tokenizer.encode(wav, torch.ones(1))
    known, _ = codec.encode_batch(wav, sample_rate=rate)
    assert torch.equal(tokens, known)
    decoded = tokenizer.decode(tokens)
    assert decoded.shape[2] == -(-5 * GROUP * rate // 24000)


def test_frozen_in_a_brain(build, speech, tmp_path):
    """In evaluation mode, without optimizer, saved and loaded."""
    tokenizer = build()
    wavs, length = speech
    before, _ = tokenizer.encode(wavs, length)
    weights = [p.clone() for p in tokenizer.parameters()]
    checkpointer = sb.utils.checkpoints.Checkpointer(
        tmp_path, {"codec": tokenizer}
    )

    class Recipe(sb.Brain):
        """Adds offsets in place, as embedding layers of recipes do."""

        def compute_forward(self, batch, stage):
            assert self.modules.head.training == (stage == sb.Stage.TRAIN)
            tokens, _ = self.modules.codec.encode(*batch)
            assert torch.equal(tokens, before)
            tokens += 1
            logits = self.modules.head(self.modules.emb(tokens[..., 0]))
            return logits.log_softmax(-1), batch[1]

        def compute_objectives(self, predictions, batch, stage):
            words = torch.tensor([[1, 2, 3, 1], [2, 1, 3, 2]])
            full = torch.ones(2)
            return ctc_loss(predictions[0], words, predictions[1], full, 0)

    brain = Recipe(
        {
            "codec": tokenizer,
            "emb": nn.Embedding(12801, 8),
            "head": nn.Linear(8, 4),
        },
        lambda parameters: torch.optim.Adam(parameters, 0.1),
        checkpointer=checkpointer,
    )
    loader = torch.utils.data.DataLoader([speech], batch_size=None)
    losses = []
    for _ in range(3):
        brain.fit([1], loader, progressbar=False)
        losses.append(brain.evaluate(loader, progressbar=False))
    assert losses[-1] < losses[0]
    assert not any(part.training for part in tokenizer.modules())
    assert all(map(torch.equal, weights, tokenizer.parameters()))
    assert not any(p.requires_grad for p in tokenizer.parameters())
    checkpointer.save_checkpoint()
    checkpointer.recover_if_possible()
    assert "vocabulary" not in tokenizer.state_dict()
    for twin in (
        copy.deepcopy(tokenizer),
        pickle.loads(pickle.dumps(tokenizer)),
    ):
        assert torch.equal(twin.encode(wavs, length)[0], before)


def test_recipe_precision_has_no_effect(build, speech):
    tokenizer = build()
    tokens, _ = tokenizer.encode(*speech)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(tokenizer.encode(*speech)[0], tokens)
        wav = tokenizer.decode(tokens)
    assert torch.equal(wav, tokenizer.decode(tokens))


def test_names_of_dasb(build, speech):
    tokenizer, (wavs, length) = build(layout="grouped"), speech
    tokenizer.device = "cpu"  # Tokotron does
    tokens = tokenizer.sig_to_tokens(wavs, length)
    few = tokenizer.sig_to_tokens(wavs, length, num_codebooks=3)
    assert torch.equal(few, tokens[..., :3])
    some = tokenizer.sig_to_tokens(wavs, num_codebooks=[0, 4])
    assert torch.equal(some[:1], tokens[:1, :, [0, 4]])
    wav = tokenizer.tokens_to_sig(few)
    masked = torch.cat([few, torch.full((2, 5, 7), 12800)], 2)
    assert wav.shape == (2, 5 * GROUP)
    assert torch.allclose(wav, tokenizer.decode(masked)[:, 0], atol=1e-6)
    table = tokenizer.get_pretrained_embeddings(
        vocab_size=12800, num_codebooks=3, device="cpu"
    )
    layer = nn.Embedding(3 * 12800, table.shape[1])
    layer.weight.data.copy_(table)
    steps = few + 12800 * torch.arange(3)
    assert torch.allclose(layer(steps), tokenizer.embeddings(few))
    silence = tokenizer.encode(torch.zeros(1, 100000), torch.ones(1))[0]
    assert silence.squeeze(0).mode(0).values.shape == (10,)


@pytest.mark.parametrize("name", ["savedir", "save_path"])
def test_built_by_yaml(tiny_codec_folder, tmp_path, name):
    text = f"""
    codec: !apply:speechbrain_gogo.inference.GogoTokenizer.from_hparams
        source: {tiny_codec_folder}
        {name}: {tmp_path}
        sample_rate: 16000
        num_codebooks: 5
        layout: grouped
    modules:
        codec: !ref <codec>
    """
    hparams = load_hyperpyyaml(text)
    codec = hparams["modules"]["codec"]
    assert codec is hparams["codec"]
    assert (codec.sample_rate, codec.num_codebooks) == (16000, 5)
    assert codec.vocab_size == 12800


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layout": "round"}, "layout='round': use one of"),
        ({"num_codebooks": 11}, "num_codebooks=11 is outside 1..10"),
        ({"sample_rate": 0}, "sample_rate=0: give it in Hz"),
    ],
)
def test_settings_are_checked(build, settings, message):
    with pytest.raises(ValueError, match=message):
        build(**settings)


def test_calls_are_checked(build):
    tokenizer = build()
    with pytest.raises(ValueError, match=r"flat.* \[batch, steps, 1\]"):
        tokenizer.decode(torch.zeros(1, 5, 10))
    with pytest.raises(ValueError, match=r"not empty; got shape \(0, 5, 1\)"):
        tokenizer.decode(torch.zeros(0, 5, 1))
    with pytest.raises(ValueError, match="Token -1 at .* 0..12799, or 12800"):
        tokenizer.decode(torch.full((1, 5, 1), -1))
    wrong = {2: "=2: .*'flat' has 1 codebooks", 0: "=0: ", 2.5: "whole"}
    for number, message in {**wrong, (): r"=\(\): "}.items():
        with pytest.raises(ValueError, match=f"num_codebooks.*{message}"):
            tokenizer.sig_to_tokens(torch.zeros(1, GROUP), None, number)
    with pytest.raises(ValueError, match="vocab_size=1024.* has 12800 codes"):
        tokenizer.get_pretrained_embeddings(1024, 1)
