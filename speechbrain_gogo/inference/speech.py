"""GogoSpeech: text to speech in the voice of a prompt.

The interface that users load with ``from_hparams``. Text and prompt are cut
into utterances (synthesis/utterances.py), the two stages generate their groups
(synthesis/generator.py), and the codec decodes these meanwhile
(streaming/speech.py).
"""

from speechbrain.inference.interfaces import Pretrained
from speechbrain.utils.autocast import AMPConfig

from speechbrain_gogo.dataio.text.front_ends import front_end
from speechbrain_gogo.dataio.text.tokenizers import load_text_tokenizer
from speechbrain_gogo.inference.codec import GogoCodec
from speechbrain_gogo.inference.loading.export_speech import SPEECH_FILE
from speechbrain_gogo.inference.loading.pretrained import (
    find_source,
    source_name,
)
from speechbrain_gogo.inference.loading.speech import load_settings, load_stages
from speechbrain_gogo.inference.streaming.speech import SpeechStream
from speechbrain_gogo.inference.synthesis.generator import GroupGenerator
from speechbrain_gogo.inference.synthesis.requests import (
    hear_prompt,
    read_prompt,
    read_request,
)
from speechbrain_gogo.inference.synthesis.sampling import read_sampling
from speechbrain_gogo.inference.synthesis.utterances import (
    make_continuation,
    make_utterances,
    read_text,
)
from speechbrain_gogo.lobes.nn.precision import (
    KeepsPrecision,
    float32_by_default,
)


class GogoSpeech(KeepsPrecision, Pretrained):
    """Text to speech in the voice of a prompt, of English text.

    ``modules`` are ``stage1`` and ``stage2``; the YAML's settings are those of
    :func:`~speechbrain_gogo.inference.loading.export_speech.export_speech`.

    Arguments
    ---------
    modules : dict
        The :class:`~speechbrain_gogo.lobes.speech.stage1.BackboneLM` and the
        :class:`~speechbrain_gogo.lobes.speech.stage2.DetailLM`.
    hparams : dict
        Settings.
    run_opts : dict
        SpeechBrain's run options.
    codec : GogoCodec
        The codec of the stages' tokens.
    tokenizer : WordPieces | HubTokenizer
        Of the text.
    """

    HPARAMS_NEEDED = [
        "sampling",
        "first_window_groups",
        "overlap_groups",
        "max_characters",
        "groups_per_character",
        "slowest",
        "loop_groups",
        "batch_size",
        "compiled",
    ]
    MODULES_NEEDED = ["stage1", "stage2"]

    def __init__(self, modules, hparams, run_opts, codec, tokenizer):
        super().__init__(modules, hparams, run_opts)
        self.codec = codec
        self.tokenizer = tokenizer
        # Models of before there was a choice read English.
        self.front_end = front_end(getattr(self.hparams, "language", "en"))
        self.sample_rate = codec.sample_rate
        settings = self.hparams.loop_groups, self.hparams.compiled
        read_sampling({}, self.hparams.sampling)  # checks the defaults
        self.generator = GroupGenerator(codec, *self.mods.values(), *settings)

    @classmethod
    def from_hparams(
        cls,
        source,
        hparams_file=SPEECH_FILE,
        savedir=None,
        run_opts=None,
        overrides=None,
        trust_source=False,
        **hub_options,
    ):
        """Load a codec together with the two stages that generate its tokens.

        Arguments
        ---------
        source : str | Path
            A folder, a bundled name ("gogo-mini"), or a hub id: a codec's,
            with ``stage1`` and ``stage2`` in it.
        hparams_file : str
            The settings, in that folder.
        savedir : str | Path
            Folder for files from the hub; the hub's cache by default.
        run_opts : dict
            SpeechBrain run options, such as ``{"device": "cuda",
            "precision": "bf16"}``.
        overrides : dict
            Replace values of the settings.
        trust_source : bool
            Run any code that the YAMLs name.
        **hub_options
            ``revision``, ``token`` of huggingface_hub.

        Returns
        -------
        GogoSpeech

        Raises
        ------
        ValueError
            If there is no such model, it is not to be trusted, its weights
            do not match, or codec and stages do not belong together.
        """
        folder = find_source(source, savedir, speech=True, **hub_options)
        hparams = load_settings(folder / hparams_file, overrides, trust_source)
        codec = GogoCodec.from_hparams(
            folder, run_opts=run_opts, trust_source=trust_source
        )
        codec.name = source_name(source)
        dtype = AMPConfig.from_name(codec.precision).dtype
        tokenizer = load_text_tokenizer(folder / "stage1")
        with float32_by_default():
            stages = load_stages(folder, codec, dtype)
            return cls(stages, hparams, run_opts, codec, tokenizer)

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
            English, of any length: it is generated sentence by sentence.
        prompt_wav : str | Path | torch.Tensor | numpy.ndarray | list
            A few seconds of the voice: an audio file of any rate, or samples
            in [-1, 1], float of any precision: [T], [1, T], [1, 1, T] or, of
            several channels, [T, C].
        prompt_text : str
            What the prompt says; recognised by :meth:`transcribe` if it is
            not given. A warning says if the prompt cannot say that.
        allocate : bool
            Use the codec's allocator, if it has one, to set the number of
            tokens of each group; else all ten.
        seed : int
            Of all sampling.
        sample_rate : int
            Of ``prompt_wav``, if it is a tensor and not at the codec's rate.
        **sampling
            ``temperature``, ``repetition_penalty``, ``top_p``, ``top_k`` of
            the stages, ``text_guidance`` of a Stage I that was trained on
            speech without text, too, ``num_steps`` and ``guidance_scale`` of
            the flow; the model's settings by default.

        Returns
        -------
        Speech

        Raises
        ------
        ValueError
            If a text is empty, the prompt cannot be used or is too long, or a
            setting is out of range.
        """
        utterances = self._utterances(
            text, prompt_wav, prompt_text, seed, sample_rate
        )
        return self._stream(utterances, allocate, seed, sampling).speech()

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
        """Stream the audio of :meth:`clone_voice` while it is generated.

        Arguments
        ---------
        text, prompt_wav, prompt_text, allocate, seed, sample_rate, sampling
            As in :meth:`clone_voice`.

        Returns
        -------
        SpeechStream
            Iterator of float32 [T]; the concatenated chunks are the result
            of :meth:`clone_voice`.

        Raises
        ------
        ValueError
            As :meth:`clone_voice` does, before the first chunk.
        """
        utterances = self._utterances(
            text, prompt_wav, prompt_text, seed, sample_rate
        )
        return self._stream(utterances, allocate, seed, sampling)

    def continue_speech(
        self,
        prompt_wav,
        allocate=True,
        seed=0,
        sample_rate=None,
        max_groups=None,
        **sampling,
    ):
        """Continue a prompt without any text.

        Arguments
        ---------
        prompt_wav, allocate, seed, sample_rate, sampling
            As in :meth:`clone_voice`.
        max_groups : int
            Most groups to generate; as many as there are positions by default.

        Returns
        -------
        Speech
            What follows the prompt.

        Raises
        ------
        ValueError
            If the prompt cannot be used or a setting is out of range.
        """
        prompt = read_prompt(self.codec, prompt_wav, sample_rate)
        utterance = make_continuation(prompt, seed, self, max_groups)
        return self._stream([utterance], allocate, seed, sampling).speech()

    def transcribe(self, prompt_wav, sample_rate=None, recognizer=None):
        """Recognise what a prompt says, to look at it or correct it.

        Arguments
        ---------
        prompt_wav, sample_rate
            As in :meth:`clone_voice`.
        recognizer : str
            Hub id or folder of a Whisper model, such as
            "openai/whisper-base"; by default pocketsphinx, which comes with
            ``gogo[metrics]`` and is far weaker.

        Returns
        -------
        str

        Raises
        ------
        ValueError
            If no recogniser is installed, or nothing was heard.
        """
        return hear_prompt(prompt_wav, sample_rate, self, recognizer)

    def clone_voice_batch(self, requests, allocate=True, seed=0, **sampling):
        """Synthesize many texts in batches.

        Arguments
        ---------
        requests : list of dict
            Arguments of :meth:`clone_voice` each: ``text``, ``prompt_wav``,
            ``prompt_text``, and optionally ``seed`` and ``sample_rate``; or
            tuples of the first three.
        allocate, seed, sampling
            Of all requests, as in :meth:`clone_voice`.

        Returns
        -------
        list of Speech
            Each is the result of :meth:`clone_voice`, up to rounding.

        Raises
        ------
        ValueError
            As :meth:`clone_voice` does.
        """
        settings, decoding = read_sampling(sampling, self.hparams.sampling)
        requests = [read_request(request, seed) for request in requests]
        utterances, owners = [], []
        for owner, request in enumerate(requests):
            parts = self._utterances(**request)
            utterances += parts
            owners += [owner] * len(parts)
        sentences = [[] for _ in requests]
        size = self.hparams.batch_size
        for first in range(0, len(utterances), size):
            batch = utterances[first : first + size]
            if self.generator.compiles:  # avoid compiling a smaller batch
                batch += batch[-1:] * (size - len(batch))
            groups = list(self.generator.generate(batch, allocate, settings))
            for index, owner in enumerate(owners[first : first + size]):
                sentences[owner].append([g.utterance(index) for g in groups])
        return [
            self._decode(groups, request["seed"], decoding).speech()
            for groups, request in zip(sentences, requests)
        ]

    def forward(self, *args, **kwargs):
        """Same as :meth:`clone_voice`."""
        return self.clone_voice(*args, **kwargs)

    def _utterances(
        self, text, prompt_wav, prompt_text, seed, sample_rate=None
    ):
        prompt = read_prompt(self.codec, prompt_wav, sample_rate)
        if prompt_text is None:
            read_text(text, "text", self.front_end)  # before the long work
            prompt_text = self.transcribe(prompt_wav, sample_rate)
        return make_utterances(text, prompt_text, prompt, seed, self)

    def _stream(self, utterances, allocate, seed, sampling):
        """Generate utterances one after the other."""
        settings, decoding = read_sampling(sampling, self.hparams.sampling)
        groups = (
            self.generator.generate([utterance], allocate, settings)
            for utterance in utterances
        )
        return self._decode(groups, seed, decoding)

    def _decode(self, sentences, seed, decoding):
        """The groups of several sentences as one stream of audio."""
        return SpeechStream(
            self.codec,
            sentences,
            first_window=self.hparams.first_window_groups,
            overlap=self.hparams.overlap_groups,
            seed=seed,
            **decoding,
        )
