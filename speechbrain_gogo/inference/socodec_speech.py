"""SoCodecSpeech: text to speech in the voice of a prompt (Section 4).

A multi-stream language model generates the tokens of a SoCodec from text and
from the prompt's embedding; the codec decodes them meanwhile, with the same
embedding.
"""

import functools
import math
from pathlib import Path

import torch
from speechbrain.inference.interfaces import Pretrained
from torch.nn.utils.rnn import pad_sequence

from speechbrain_gogo.dataio.text.front_ends import front_end
from speechbrain_gogo.dataio.text.tokenizers import load_text_tokenizer
from speechbrain_gogo.inference.checks import check_whole
from speechbrain_gogo.inference.loading.pretrained import (
    find_source,
    source_name,
)
from speechbrain_gogo.inference.loading.socodec_speech import (
    TEXT_FOLDER,
    load_socodec_speech,
)
from speechbrain_gogo.inference.socodec import SoCodec
from speechbrain_gogo.inference.streaming.speech import SpeechStream
from speechbrain_gogo.inference.synthesis.generator import Groups
from speechbrain_gogo.inference.synthesis.requests import read_request
from speechbrain_gogo.inference.synthesis.sampling import read_sampling
from speechbrain_gogo.inference.synthesis.utterances import LAST_SEED, read_text
from speechbrain_gogo.lobes.socodec.generation import StreamGenerator
from speechbrain_gogo.lobes.speech.cached_decoding import Sampler


class SoCodecSpeech(Pretrained):
    """Text to speech in the voice of a prompt, with the tokens of a SoCodec.

    ``modules`` are ``lm``, a
    :class:`~speechbrain_gogo.lobes.socodec.multi_stream_lm.MultiStreamLM`.

    Arguments
    ---------
    modules : dict
        The language model.
    hparams : dict
        Settings: ``sampling``, ``language``, ``max_characters``,
        ``steps_per_character``, ``slowest``, ``loop_steps``, ``batch_size``.
    run_opts : dict
        SpeechBrain's run options.
    codec : SoCodec
        The codec of the tokens.
    tokenizer : WordPieces | HubTokenizer
        Of the text.
    """

    HPARAMS_NEEDED = [
        "sampling",
        "language",
        "max_characters",
        "steps_per_character",
        "slowest",
        "loop_steps",
        "batch_size",
    ]
    MODULES_NEEDED = ["lm"]

    def __init__(self, modules, hparams, run_opts, codec, tokenizer):
        super().__init__(modules, hparams, run_opts)
        self.codec, self.tokenizer = codec, tokenizer
        self.sample_rate = codec.sample_rate
        self.front_end = front_end(self.hparams.language)
        read_sampling({}, self.hparams.sampling)  # the model's own make sense

    @classmethod
    def from_hparams(
        cls,
        source,
        savedir=None,
        run_opts=None,
        overrides=None,
        trust_source=False,
        **hub_options,
    ):
        """Load a SoCodec together with the model that speaks its tokens.

        Arguments
        ---------
        source : str | Path
            A folder or a hub id: a codec's, with ``speech.yaml`` in it.
        savedir : str | Path
            Where files from the hub are put; its own cache by default.
        run_opts : dict
            SpeechBrain run options, such as ``{"device": "cuda"}``.
        overrides : dict
            Replace values of the settings.
        trust_source : bool
            Run whatever the YAMLs name.
        **hub_options
            ``revision``, ``token`` of huggingface_hub.

        Returns
        -------
        SoCodecSpeech

        Raises
        ------
        ValueError
            If there is no such model, it is not to be trusted, its weights do
            not match, or codec and model do not belong together.
        """
        folder = find_source(source, savedir, speech=True, **hub_options)
        codec = SoCodec.from_hparams(
            folder, run_opts=run_opts, trust_source=trust_source
        )
        codec.name = source_name(source)
        settings = load_socodec_speech(folder, codec, overrides, trust_source)
        tokenizer = load_text_tokenizer(Path(folder) / TEXT_FOLDER)
        modules = {"lm": settings.pop("lm")}
        return cls(modules, settings, run_opts, codec, tokenizer)

    # Synthesis

    def clone_voice(
        self,
        text,
        prompt_wav,
        prompt_text=None,
        allocate=True,
        seed=0,
        sample_rate=None,
        **sampling,
    ):
        """Say something in the voice of a prompt.

        Arguments
        ---------
        text : str
            Of any length: it is spoken sentence by sentence.
        prompt_wav : str | Path | torch.Tensor
            A few seconds of the voice: an audio file of any rate, or samples
            in [-1, 1], [T] or [1, T].
        prompt_text : str
            What the prompt says; not needed, only its voice is taken.
        allocate : bool
            As of GogoSpeech; every step has all streams here.
        seed : int
            Of all that is drawn.
        sample_rate : int
            Of ``prompt_wav``, if it is a tensor and not at the codec's rate.
        **sampling
            ``temperature``, ``top_p``, ``top_k``, ``repetition_penalty``; the
            model's own by default.

        Returns
        -------
        Speech

        Raises
        ------
        ValueError
            If the text says nothing, the prompt cannot be used, or a setting
            is out of range.
        """
        return self.stream_voice(
            text,
            prompt_wav,
            prompt_text,
            allocate,
            seed,
            sample_rate,
            **sampling,
        ).speech()

    def stream_voice(
        self,
        text,
        prompt_wav,
        prompt_text=None,
        allocate=True,
        seed=0,
        sample_rate=None,
        **sampling,
    ):
        """Say something, to be heard while it is being generated.

        Arguments
        ---------
        text, prompt_wav, prompt_text, allocate, seed, sample_rate, sampling
            As in :meth:`clone_voice`.

        Returns
        -------
        SpeechStream
            Iterator of float32 [T]; joined, the chunks are what
            :meth:`clone_voice` gives.

        Raises
        ------
        ValueError
            As :meth:`clone_voice` does, before the first chunk.
        """
        settings, _ = read_sampling(sampling, self.hparams.sampling)
        sentences = self._sentences(text, seed)
        voice = self._voice(prompt_wav, sample_rate)
        groups = (
            self._generate([sentence], voice[None], settings)
            for sentence in sentences
        )
        return SpeechStream(self.codec, groups, embedding=voice)

    def clone_voice_batch(self, requests, allocate=True, seed=0, **sampling):
        """Say many things, side by side.

        Arguments
        ---------
        requests : list of dict
            Arguments of :meth:`clone_voice` each, or tuples of ``text``,
            ``prompt_wav`` and ``prompt_text``.
        allocate, seed, sampling
            Of all requests, as in :meth:`clone_voice`.

        Returns
        -------
        list of Speech
            Each is what :meth:`clone_voice` gives, up to rounding.

        Raises
        ------
        ValueError
            As :meth:`clone_voice` does.
        """
        settings, _ = read_sampling(sampling, self.hparams.sampling)
        requests = [read_request(request, seed) for request in requests]
        voices = [
            self._voice(each["prompt_wav"], each.get("sample_rate"))
            for each in requests
        ]
        sentences, owners = [], []
        for owner, request in enumerate(requests):
            found = self._sentences(request["text"], request["seed"])
            sentences += found
            owners += [owner] * len(found)
        generated = [[] for _ in requests]  # of each, its sentences
        size = self.hparams.batch_size
        for first in range(0, len(sentences), size):
            rows = owners[first : first + size]
            voice = torch.stack([voices[owner] for owner in rows])
            batch = sentences[first : first + size]
            groups = list(self._generate(batch, voice, settings))
            for row, owner in enumerate(rows):
                found = [each.utterance(row) for each in groups]
                generated[owner].append(found)
        return [
            SpeechStream(self.codec, found, embedding=voice).speech()
            for found, voice in zip(generated, voices)
        ]

    def forward(self, *args, **kwargs):
        """Same as :meth:`clone_voice`."""
        return self.clone_voice(*args, **kwargs)

    # Small steps

    def _voice(self, prompt_wav, sample_rate):
        """Embedding [D] of a prompt."""
        if isinstance(prompt_wav, (str, Path)):
            return self.codec.file_embedding(prompt_wav)
        try:
            wav = torch.as_tensor(prompt_wav)
        except (RuntimeError, TypeError, ValueError):
            raise ValueError(
                f"prompt_wav {prompt_wav!r:.60} is neither a path nor samples."
            ) from None
        if wav.dim() == 1 or (wav.dim() == 2 and wav.shape[0] > 1):
            wav = wav.unsqueeze(0)
        found = self.codec.speaker_embedding(wav, sample_rate=sample_rate)
        return found[0]

    def _sentences(self, text, seed):
        """Ids, seed and most steps of each sentence of a text."""
        seed = check_whole(seed, "seed")
        text = read_text(text, "text", self.front_end)
        settings, lm = self.hparams, self.mods.lm
        room = lm.speech_positions - (lm.num_streams - 1) * lm.delay - 1
        usual = settings.steps_per_character
        longest = min(settings.max_characters, int(room / usual))
        sentences = []
        for number, part in enumerate(self.front_end.split(text, longest)):
            steps = math.ceil(settings.slowest * usual * (len(part) + 10))
            ids = self.tokenizer.encode(part)[: lm.text_positions]
            place = (seed * 1_000_003 + number) % LAST_SEED
            sentences.append((ids, place, min(steps, room)))
        return sentences

    def _generate(self, sentences, voices, settings):
        """Steps of sentences that are generated side by side, as Groups."""
        lm, codec = self.mods.lm, self.codec
        device = next(lm.parameters()).device
        ids, seeds, steps = zip(*sentences)
        text = [torch.tensor(each, device=device) for each in ids]
        counts = torch.tensor([len(each) for each in text], device=device)
        text = pad_sequence(text, True)
        settings = {k: v for k, v in settings.items() if k != "text_guidance"}
        generator = StreamGenerator(
            lm,
            voices.to(device),
            text,
            counts / text.shape[1],
            Sampler(list(seeds), **settings),
            torch.tensor(steps),
            self.hparams.loop_steps,
        )
        kind = functools.partial(torch.autocast, device.type, enabled=False)
        found = iter(generator)
        while True:
            with kind():  # not while the caller is at work
                step = next(found, None)
            if step is None:
                return
            tokens, active, finished = step
            tokens = tokens.masked_fill(~active[:, None], codec.mask_id)
            budgets = torch.full_like(active, lm.num_streams, dtype=torch.long)
            yield Groups(tokens, budgets, active, finished)
