"""Systems of a reconstruction table, with a common interface.

A system has a ``name``, the ``checkpoint`` and ``licence`` of its weights, a
``sample_rate``, and the ``settings`` on which its output depends.
``rows(utterances)`` returns its operating points, label -> options;
``rate(**options)`` their rates, and ``reconstruct(wavs, **options)`` the audio.
An option that is a dict has a value for each utterance. This file has Gogo and
folders of existing audio; published codecs are in baselines.py.
"""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from budgets import fingerprint, mean_budget, plan_budgets
from torch.nn import functional as F

from recipes.common.evaluation.results_file import hash_files
from speechbrain_gogo.dataio.audio.files import read_audio
from speechbrain_gogo.inference import open_codec
from speechbrain_gogo.lobes.gogo.flow.matching import ConditionalFlowMatching
from speechbrain_gogo.lobes.nn.fingerprint import hash_weights

SUFFIXES = ".wav", ".flac"  # of audio in folders


@dataclass(frozen=True)
class Rate:
    """Rates of a system: columns of Table 1."""

    tokens: float  # per second (TPS)
    frames: float  # per second (FPS), of the finest codebook if they differ
    codebooks: int  # #CB
    bits: float  # per second


class GogoSystem:
    """A codec of this package, a row for each number of levels to keep.

    ``budgets`` adds rows whose groups get different numbers of tokens
    (budgets.py): ``target_rate`` a second, or as many as the allocator chooses.
    ``vocoder_row`` adds one of the vocoder alone, with the original mel.
    The flow's steps and guidance, and the name in the table, are the codec's
    own if None.
    """

    def __init__(
        self,
        source,
        run_opts=None,
        licence="Apache-2.0",
        keeps=(10,),
        budgets=(),
        target_rate=None,
        budget_seed=0,
        vocoder_row=False,
        num_steps=None,
        guidance_scale=None,
        seed=0,
        name=None,
    ):
        self.codec = open_codec(source, run_opts=run_opts)
        self._encoded = None  # the last waveforms, their tokens and the like
        self.checkpoint = self.codec.name
        self.name = name or self.codec.name
        self.licence = licence
        self.sample_rate = self.codec.sample_rate
        self.keeps, self.vocoder_row = keeps, vocoder_row
        self.plans = budgets, target_rate, budget_seed
        wanted = {
            "num_steps": num_steps,
            "guidance_scale": guidance_scale,
            "seed": seed,
        }
        # A model's own numbers may change with its YAML. A codec whose
        # decoder does not sample has none.
        self.sampling = {
            key: value if wanted[key] is None else wanted[key]
            for key, value in self.codec.sampler.items()
        }
        # The codec's own fingerprint is about its tokens: it knows neither
        # decoder nor vocoder. What the allocator decides are the options.
        state = {
            key: value
            for key, value in self.codec.state_dict().items()
            if not key.startswith("mods.allocator.")
        }
        weights = hash_weights(state)
        self.settings = {
            "weights": weights,
            "precision": self.codec.precision,
            **self.sampling,
        }
        # Grid, solver and the like, if they are not the usual ones.
        flow = getattr(self.codec.codec, "flow", None)
        if getattr(flow, "draws_noise", False):
            sampler = _sampler(flow)
            if sampler != _sampler(ConditionalFlowMatching(None)):
                self.settings["sampler"] = sampler

    def rows(self, utterances):
        """Vocoder alone, each number of tokens, each plan of budgets."""
        rows = {}
        if self.vocoder_row:
            rows["vocoder only"] = {"vocoder_only": True}
        rows |= {f"keep {keep}": {"keep": keep} for keep in self.keeps}
        names, target_rate, seed = self.plans
        if names:
            sampler = {
                key: self.sampling[key]
                for key in ("num_steps", "guidance_scale")
                if key in self.sampling
            }
            plans = plan_budgets(
                self.codec, utterances, names, target_rate, seed, **sampler
            )
            rows |= {name: {"keep": plan} for name, plan in plans.items()}
            self.settings["budgets"] = fingerprint(plans)
        return rows

    def rate(self, keep=None, vocoder_only=False):
        """Tokens and bits of a row; None for the vocoder alone."""
        if vocoder_only:
            return None
        per_group = self._tokens_per_group(keep)
        group_rate = self.codec.group_rate
        tokens = group_rate * per_group
        counts = Counter(self.codec.codebooks[: math.ceil(per_group)])
        # Each token of a single codebook is a frame, in Table 1.
        frames = tokens
        if len(counts) > 1:
            frames = group_rate * max(counts.values())
        bits = tokens * math.log2(self.codec.vocab_size)
        return Rate(tokens, frames, len(counts), bits)

    def _tokens_per_group(self, keep):
        """Columns of a number of levels; the average of a plan of budgets."""
        if isinstance(keep, dict):
            num_kept = self.codec.levels.num_kept
            keep = {key: num_kept(each) for key, each in keep.items()}
            return mean_budget(keep)
        return self.codec.levels.num_kept(keep)

    def reconstruct(self, wavs, keep=None, vocoder_only=False):
        """Encode and decode [B, T] at ``sample_rate``.

        ``keep`` is the number of levels to decode, or int64 [B, N] for each
        group; all if None. With ``vocoder_only`` the original mel replaces the
        decoded one.
        """
        if vocoder_only:
            return self._vocode(wavs)
        tokens, side = self._encode(wavs)
        samples = wavs.shape[1]
        settings = {**side, **self.sampling}
        return self.codec.decode_batch(
            tokens, keep=keep, num_samples=samples, **settings
        )[0]

    def _encode(self, wavs):
        """Tokens and side information for decoding, shared by all rows."""
        if self._encoded is None or not torch.equal(self._encoded[0], wavs):
            tokens, _ = self.codec.encode_batch(wavs)
            side = self.codec.side_information(wavs)
            self._encoded = wavs, tokens, side
        return self._encoded[1:]

    @torch.no_grad()
    def _vocode(self, wavs):
        """[B, T] -> mel -> [B, T], without the codec."""
        mel, samples = self.codec.codec.mel, wavs.shape[1]
        padded = F.pad(wavs, (0, -samples % mel.hop_length))
        padded = padded.to(next(self.codec.parameters()).device)
        with self.codec.own_precision():
            return self.codec.vocoder(mel(padded))[:, :samples].float()


class FolderSystem:
    """Reconstructions of another program, in a folder.

    For codecs without a package. The folder has <ID>.wav or <ID>.flac for every
    utterance, read at ``sample_rate`` (Hz). The rates, see :class:`Rate`, are
    printed unchanged; ``run_opts`` is not used.
    """

    def __init__(
        self,
        folder,
        name,
        checkpoint,
        licence,
        tokens,
        frames,
        codebooks,
        bits,
        run_opts=None,
        sample_rate=24000,
    ):
        self.folder, self.name = Path(folder), name
        self.checkpoint, self.licence = checkpoint, licence
        self.sample_rate = sample_rate
        self.settings = {"folder": str(folder), "checkpoint": checkpoint}
        self._rate = Rate(tokens, frames, codebooks, bits)

    def rows(self, utterances):
        """One row, named after its codebooks; every file must exist."""
        paths = {key: self._find(key) for key in utterances}
        missing = [key for key, path in paths.items() if path is None]
        if missing:
            raise ValueError(
                f"{self.folder} lacks {len(missing)} of {len(paths)} "
                f"reconstructions, the first: {missing[0]}.wav"
            )
        # Of all files, also where few utterances are wanted.
        files = [p for p in self.folder.iterdir() if p.suffix in SUFFIXES]
        self.settings["audio"] = hash_files(files)
        return {count_codebooks(self._rate.codebooks): {"path": paths}}

    def _find(self, key):
        for suffix in SUFFIXES:
            path = self.folder / (key + suffix)
            if path.is_file():
                return path
        return None

    def rate(self, path):
        """Rates from the YAML."""
        return self._rate

    def reconstruct(self, wavs, path):
        """Samples of the file, [1, T]."""
        return read_audio(path, self.sample_rate).unsqueeze(0)


def _sampler(flow):
    """Settings of a flow's sampler besides steps and guidance, for JSON."""
    return repr(flow.sampler_signature()[3:])


def count_codebooks(number):
    """The label of a row: "1 codebook", "8 codebooks"."""
    return f"{number} codebook" + "s" * (number != 1)
