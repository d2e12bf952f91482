"""The complete codec: what a group's tokens depend on, and Eq. 4."""

import pytest
import torch
from torch import nn

from speechbrain_gogo.lobes.gogo.auxiliary import ARPrior, ASRHead, LossBalancer
from speechbrain_gogo.lobes.gogo.objective import GogoObjective
from speechbrain_gogo.lobes.tokens.granular import NestedDropout

GROUP, REACH = 5120, 256  # samples: of a group, of a neighbour's last frame


@pytest.fixture
def codec(tiny_codec):
    """Tiny, with an encoder that tells groups of noise apart."""
    torch.manual_seed(0)
    for weight in tiny_codec.encoder.transformer.parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, std=0.3)
    return tiny_codec


@pytest.fixture
def wavs():
    generator = torch.Generator().manual_seed(1)
    return 0.1 * torch.randn(3, 6 * GROUP + 777, generator=generator)


def test_tokens_in_batches_and_chunks_equal_single(codec, wavs):
    samples = [wavs.shape[1], 2 * GROUP, 3000]
    groups = [7, 2, 1]
    wavs[1, samples[1] :], wavs[2, samples[2] :] = 0.9, float("nan")
    wav_lens = torch.tensor(samples) / wavs.shape[1]
    tokens, lens = codec.encode(wavs, wav_lens)
    assert tokens.shape == (3, 7, 10) and tokens.dtype == torch.int64
    assert (lens * 7).round().tolist() == groups
    assert tokens.min() >= 0 and tokens.max() < codec.vocab_size == 12800
    assert len(tokens.unique()) > 15  # no blind encoder
    for b, (n, count) in enumerate(zip(groups, samples)):
        alone, _ = codec.encode(wavs[b : b + 1, :count])
        assert torch.equal(alone[0], tokens[b, :n])
        assert not tokens[b, n:].any()
    codec.chunk_size, codec.window_size = 3, 2
    assert torch.equal(codec.encode(wavs, wav_lens)[0], tokens)
    backbone, _ = codec.encode(wavs, wav_lens, num_tokens=3)
    assert torch.equal(backbone, tokens[..., :3])


def test_group_depends_on_its_stft_windows_only(codec, wavs):
    before, _ = codec.encode(wavs)

    def changed(first, last):
        edited = wavs.clone()
        edited[1, first:last] *= -3
        differ = (codec.encode(edited)[0] != before).any(-1)
        assert not differ[0].any() and not differ[2].any()
        return differ[1].nonzero().flatten().tolist()

    inner = 3 * GROUP + REACH, 4 * GROUP - 2 * REACH
    assert changed(*inner) == [3]
    assert set(changed(3 * GROUP, 4 * GROUP)) <= {2, 3, 4}


def test_padding_does_not_change_decoding(codec):
    tokens = torch.randint(12800, (2, 4, 10))
    tokens[..., 6:] = codec.mask_id
    noise = torch.randn(2, 80, 100)
    lens = torch.tensor([1.0, 0.5])
    options = {"num_steps": 2, "guidance_scale": 1.0}
    mel = codec.decode_mel(tokens, lens, noise, **options)
    alone = codec.decode_mel(tokens[1:, :2], None, noise[1:, :40], **options)
    torch.testing.assert_close(mel[1:, :40], alone, rtol=1e-4, atol=1e-4)


def test_condition_is_equation_2(codec):
    """Tokens, then placeholders, for each group; mask_id is m."""
    tokens = torch.randint(12800, (1, 2, 10))
    tokens[0, 1, 4:] = codec.mask_id
    q = codec.embed(tokens)
    assert (q[0, 1, 4:] == codec.mask).all()
    codes = codec.quantizer.embed(tokens[:, 0])
    torch.testing.assert_close(q[:, 0], codes)
    condition = codec.align(q).unflatten(1, (2, 20)) - codec.places
    torch.testing.assert_close(condition[:, :, :10], q)
    assert condition[:, :, 10:].abs().max() < 1e-6


def test_objective_is_equation_4(codec, wavs):
    wav_lens = torch.tensor([1.0, 0.5, 0.2])
    text, text_lens = torch.randint(3, 40, (3, 8)), torch.tensor([1, 0.5, 0.25])
    objective = GogoObjective(
        codec,
        NestedDropout,
        LossBalancer(10, 0.2, 1.8),
        ARPrior(32, 1, 2, 64),
        ASRHead(40, 32, 1, 2, 64),
        ar_weight=0.06,
        asr_weight=0.5,
    ).train()
    codec.quantizer.eval()  # or groups would depend on the rest of a batch
    generator = torch.Generator()
    found = objective(
        wavs, wav_lens, text, text_lens, generator=generator.manual_seed(2)
    )

    generator.manual_seed(2)
    groups, lens = codec.group(wavs, wav_lens)
    number = (lens * 7).round().long().tolist()
    one = torch.ones(1)
    each = [
        codec.quantize_batch(groups[b : b + 1, :n], one)[1]
        for b, n in enumerate(number)
    ]
    q = nn.utils.rnn.pad_sequence(each, batch_first=True)
    n_keep = torch.randint(1, 11, (3,), generator=generator)
    for b, n in enumerate(n_keep.tolist()):
        q[b, :, n:] = codec.mask
    mel, condition = groups.flatten(1, 2), codec.align(q)
    cfm = codec.flow(mel, condition, lens, "batch", generator=generator)
    ar = objective.ar_prior(torch.cat(each))
    asr = objective.asr_head(q, lens, text, text_lens)
    share = (n_keep - 1) * 1.6 / 9
    expected = ((0.2 + share) * cfm).mean() + 0.06 * ar
    expected = expected + 0.5 * ((1.8 - share) * asr).mean()
    torch.testing.assert_close(found["loss"], expected)
    torch.testing.assert_close(found["cfm"], cfm.mean())
    assert torch.equal(
        found["tokens"],
        codec.encode(wavs, wav_lens)[0][
            torch.arange(7) < torch.tensor(number)[:, None]
        ],
    )

    found["loss"].backward()
    idle = {
        name
        for name, weight in objective.named_parameters()
        if weight.grad is None or not weight.grad.any()
    }
    assert not idle
