"""From audio files to token files and back, at bounded memory.

It connects a codec and the format of tokens.py, which also stores the number of
samples and side information for decoding. It also maps input files to output
files.
"""

from pathlib import Path

from tqdm import tqdm

from speechbrain_gogo.dataio.audio.writing import FORMATS, written_audio
from speechbrain_gogo.inference.codecs.files import encode_recording
from speechbrain_gogo.inference.files.tokens import load_tokens, save_tokens
from speechbrain_gogo.inference.marking import (
    SYNTHETIC,
    mark_stream,
    says_synthetic,
)
from speechbrain_gogo.lobes.tokens.granular import keep_prefix

READABLE_AUDIO = (
    *(".aif", ".aiff", ".au", ".caf", ".flac", ".mp3"),
    *(".oga", ".ogg", ".opus", ".w64", ".wav"),
)
WRITABLE_AUDIO = FORMATS  # the first one in folders
TOKENS = (".safetensors",)


def encode_with_budgets(codec, path, allocate=False, target_rate=None):
    """Tokens of an audio file, optionally with budgets of the codec's allocator.

    ``target_rate`` is that of :meth:`GogoCodec.allocate`. Returns tokens int64
    [N, K], the masking token where one is dropped, and the number of samples at the
    codec's rate.
    """
    tokens, samples = encode_recording(codec, path)
    if allocate:
        budgets = codec.allocate(tokens.unsqueeze(0), target_rate=target_rate)
        tokens = keep_prefix(tokens, budgets[0], codec.mask_id)
    return tokens, samples


def encode_to_file(codec, path, token_path, allocate=False, target_rate=None):
    """Encode an audio file into a token file, see :func:`encode_with_budgets`.

    The token file records the codec's fingerprint, and whether the audio is a
    recording, according to its metadata.
    """
    tokens, samples = encode_with_budgets(codec, path, allocate, target_rate)
    mask_id = codec.mask_id if allocate else None
    metadata = samples, codec.fingerprint, codec.name
    side = codec.file_side_information(path)
    save_tokens(
        token_path,
        tokens,
        *metadata,
        mask_id=mask_id,
        side=side,
        recorded=not says_synthetic(path),
    )
    return tokens, samples


def decode_to_file(codec, token_path, out_path, **settings):
    """Decode a token file into an audio file of the original's length.

    Unless the tokens are those of a recording, the audio is watermarked, and
    its metadata marks it as synthetic. ``settings`` are those of the codec's
    ``decode_stream``, such as ``keep``: they override the values in the token
    file, such as ``embedding``. ``watermark`` is as in :func:`write_decoded`.
    Returns the number of samples.
    """
    found = load_tokens(token_path, codec)
    settings = {"num_samples": found.num_samples, **found.side, **settings}
    synthetic = not found.recorded
    write_decoded(codec, found.tokens, out_path, synthetic, **settings)
    return found.num_samples


def write_decoded(
    codec, tokens, out_path, synthetic, watermark="perth", **settings
):
    """Decode a token matrix [N, K] into an audio file.

    If ``synthetic``, not of a recording, the audio is marked as such in its
    metadata, and watermarked unless ``watermark`` is None. ``settings`` are those
    of the codec's ``decode_stream``.
    """
    pieces = codec.decode_stream(tokens, **settings)
    if synthetic:
        pieces = (piece.cpu() for piece in pieces)
        pieces = mark_stream(pieces, codec.sample_rate, watermark)
    comment = SYNTHETIC if synthetic else ""
    with written_audio(out_path, codec.sample_rate, comment) as write:
        seconds = len(tokens) / codec.group_rate
        for audio in with_progress(pieces, codec.sample_rate, seconds):
            write(audio)


def with_progress(pieces, sample_rate, seconds):
    """Pieces of audio as they are, with a progress bar for a minute or more.

    Example
    -------
    >>> import torch
    >>> pieces = [torch.zeros(3), torch.zeros(2)]
    >>> [len(each) for each in with_progress(pieces, 5, seconds=1.0)]
    [3, 2]
    """
    samples, short = 0, seconds < 60
    with tqdm(total=round(seconds), unit="s", disable=short) as bar:
        for piece in pieces:
            yield piece
            samples += len(piece)
            bar.update(samples // sample_rate - bar.n)


def plan(inputs, out, readable, writable):
    """Map input files to output files: pairs of a source and a target Path.

    ``inputs`` are files, and folders that are searched for files that end in a
    suffix of ``readable``. ``out`` is a file; a folder if there are several
    inputs, or if it exists. ``writable`` are suffixes of written files, of
    which those in a folder get the first. Suffixes are in lower case.

    Example
    -------
    >>> pairs = plan(["a.wav", "b.flac"], "out", READABLE_AUDIO, TOKENS)
    >>> [target.name for _, target in pairs]
    ['a.safetensors', 'b.safetensors']
    """
    inputs, out = [Path(given) for given in inputs], Path(out)
    if len(inputs) == 1 and not inputs[0].is_dir() and not out.is_dir():
        if out.suffix.lower() not in writable:
            raise ValueError(
                f"{out} is no folder, and no name for a file to write: end "
                f"it in {' or '.join(writable)}, or make the folder."
            )
        pairs = [(inputs[0], out)]
    elif out.is_file():
        raise ValueError(f"{out} is a file: several inputs need a folder.")
    else:
        pairs = [
            (path, out / inside.with_suffix(writable[0]))
            for given in inputs
            for path, inside in _search(given, readable)
        ]
    taken = {source.resolve() for source, _ in pairs}
    for source, target in pairs:
        if target.resolve() in taken:
            raise ValueError(
                f"{source} would be written over {target}, which this call "
                "also reads or writes: rename one or choose another folder."
            )
        taken.add(target.resolve())
    return pairs


def _search(given, suffixes):
    """Files of a folder, or the file itself, with their paths in OUT."""
    if not given.is_dir():
        return [(given, Path(given.name))]
    return [(x, x.relative_to(given)) for x in find_files(given, suffixes)]


def find_files(folder, suffixes):
    """Files of a folder at any depth that end in a suffix; a ValueError if none."""
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and path.is_file()
    )
    if not found:
        raise ValueError(f"No file in {folder} ends in {', '.join(suffixes)}.")
    return found
