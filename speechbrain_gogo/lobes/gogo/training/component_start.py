"""Initialization of a small codec with principal components of groups.

The linear paths of encoder and decoder start from the principal components of real
groups, so the codec is a transform coder before its first update, and the MLPs and
convolutions learn the residual. From random weights the same codec needs several
times as many updates (docs/measurements/training.md). Not in the paper.

Letters: M groups, g frames per group, d mel bins, R components, K tokens per
group, L dimensions of the quantizer.
"""

import torch

# Standard deviation of components at the quantizer's input, and factor of its
# output: its steps, equidistant after a tanh, then quantize a Gaussian with
# about the least error.
QUANTIZED_DEVIATION, RESTORED_DEVIATION = 0.8, 1.2
# The MLP reads components of deviation (s / s_1) ** 0.3: finer ones count less,
# but not as little as they do in the mel.
FLATTENING = 0.3


def principal_components(groups, count):
    """Directions in which groups vary most.

    groups [M, g, d] -> their mean [g * d]; orthonormal directions [R, g * d],
    R = ``count``; and the standard deviations along them [R], falling.
    """
    if len(groups) <= count:
        raise ValueError(
            f"{len(groups)} groups are too few for {count} principal components: "
            "give more groups, or lower num_components."
        )
    x = groups.flatten(1).double()
    mean = x.mean(0)
    variances, vectors = torch.linalg.eigh((x - mean).T.cov())  # rising
    variances = variances.flip(0)[:count].clamp(min=1e-12)
    directions = vectors.flip(1)[:, :count].T
    return mean.float(), directions.float(), variances.sqrt().float()


@torch.no_grad()
def start_as_components(codec, groups):
    """Initialize a codec as a transform coder of principal components.

    ``groups`` are a normalized mel of real speech, [M, g, d]. The K * L largest
    components are quantized, in decreasing order: token k has the components
    k * L to (k + 1) * L - 1.

    The encoder of the Gogo network is a :class:`GroupMLPEncoder`, its quantizer
    an :class:`FSQ` of L dimensions, its decoder a :class:`ConvolutionalDecoder`;
    the width of a token's feature is L + 1: one dimension marks a masked token.
    Raises a ValueError if the widths do not fit or the groups are too few.
    """
    encoder, quantizer = codec.encoder, codec.quantizer
    decoder = codec.flow.backbone
    used = len(quantizer.levels)  # L
    if encoder.dim != used + 1:
        raise ValueError(
            f"A token's feature has {encoder.dim} dimensions; to start as "
            f"principal components it needs {used + 1}, one more than the "
            "quantizer's levels."
        )
    rank = encoder.analysis.out_features
    quantized = codec.num_codebooks * used  # K * L
    if rank < quantized:
        raise ValueError(
            f"num_components={rank} is less than the {quantized} numbers that "
            "the tokens of a group hold."
        )
    mean, directions, deviations = principal_components(groups, rank)

    analysis = directions / deviations[:, None]
    encoder.analysis.weight.copy_(analysis)
    encoder.analysis.bias.copy_(-analysis @ mean)
    encoder.project_in.weight.mul_((deviations / deviations[0]) ** FLATTENING)
    linear = torch.zeros(codec.num_codebooks, used + 1, rank)
    rows = torch.arange(quantized)
    linear[rows // used, rows % used, rows] = QUANTIZED_DEVIATION
    encoder.linear.weight.copy_(linear.flatten(0, 1))

    quantizer.project_in.weight.copy_(torch.eye(used, used + 1))
    quantizer.project_out.weight.copy_(torch.eye(used + 1, used))
    quantizer.project_in.bias.zero_()
    quantizer.project_out.bias.zero_()
    codec.mask.copy_(torch.eye(used + 1)[-1])
    codec.places.zero_()

    linear = torch.zeros(rank, codec.num_codebooks, used + 1)
    restored = RESTORED_DEVIATION * deviations[:quantized]
    linear[rows, rows // used, rows % used] = restored
    decoder.linear.weight.copy_(linear.flatten(1))
    decoder.linear.bias.zero_()
    decoder.synthesis.weight.copy_(directions.T)
    decoder.synthesis.bias.copy_(mean)
