"""Plot of the budgets that an allocator chooses for a recording.

Figures 9 and 10 of the Gogo paper (Appendix L): the mel and its groups, the
budget of each group, and the mel decoded from the allocated tokens.
"""

import torch

from speechbrain_gogo.inference.codecs.files import read_beginning
from speechbrain_gogo.inference.files.describe import describe_rate
from speechbrain_gogo.metrics.reports.pictures import plot_budgets


def draw_budgets(
    codec, path, image_path, target_rate=None, seconds=10.0, **sampling
):
    """Draw the first ``seconds`` of a recording, its budgets, its reconstruction.

    ``target_rate`` is that of :meth:`GogoCodec.allocate`, ``sampling`` as in
    :meth:`GogoCodec.decode_batch`. Returns the budgets, int64 [N].
    """
    samples = round(seconds * codec.sample_rate)
    wav = read_beginning(path, codec.sample_rate, samples).unsqueeze(0)
    tokens, _ = codec.encode_batch(wav)
    budgets = codec.allocate(tokens, target_rate=target_rate)
    made, _ = codec.decode_batch(
        tokens, keep=budgets, num_samples=wav.shape[1], **sampling
    )
    mean = float(budgets.double().mean())
    plot_budgets(
        log_mel(codec, wav),
        budgets[0].tolist(),
        log_mel(codec, made),
        image_path,
        codec.group_size,
        codec.num_codebooks,
        f"{mean:.2f} tokens per group: {describe_rate(codec, mean)}",
        codec.group_rate * codec.group_size,
    )
    return budgets[0]


@torch.no_grad()
def log_mel(codec, wav):
    """Log-mel [N * g, n_mels] of the groups of a waveform [1, T]."""
    networks = codec.codec
    groups, _ = networks.group(wav.to(networks.places.device))
    mel = networks.log_mel(groups[0].flatten(0, 1))
    return mel.cpu()
