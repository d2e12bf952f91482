"""Number of frames of wav2vec 2.0-like networks for a signal."""


def count_frames(config, samples):
    """Frames after the convolutions of wav2vec 2.0, HuBERT or WavLM.

    Arguments
    ---------
    config : transformers.PretrainedConfig
        Configuration with ``conv_kernel`` and ``conv_stride``, as in HuBERT and
        WavLM.
    samples : torch.Tensor
        Lengths of signals, int64 of any shape.

    Returns
    -------
    torch.Tensor
        int64, the same shape.

    Example
    -------
    >>> import torch
    >>> from transformers import WavLMConfig
    >>> count_frames(WavLMConfig(), torch.tensor([16000, 400]))
    tensor([49,  1])
    """
    for kernel, stride in zip(config.conv_kernel, config.conv_stride):
        samples = (samples - kernel) // stride + 1
    return samples
