"""GogoSpeech: text to speech in the voice of a prompt.

The interface that users load with ``from_hparams``. Text and prompts become
lines (lines.py), the two stages speak them (speaking.py), and the codec makes
them audible meanwhile (speech_stream.py).
"""

from speechbrain.inference.interfaces import Pretrained
from speechbrain.utils.autocast import AMPConfig

from speechbrain_gogo.dataio.text.tokenizers import load_text_tokenizer
from speechbrain_gogo.inference.codec import GogoCodec
from speechbrain_gogo.inference.loading.export_speech import SPEECH_FILE
from speechbrain_gogo.inference.loading.pretrained import (
    find_source,
    source_name,
)
from speechbrain_gogo.inference.loading.speech import load_settings, load_stages
from speechbrain_gogo.inference.speaking.lines import (
    read_prompt,
    read_request,
    write_lines,
    write_on,
)
from speechbrain_gogo.inference.speaking.sampling import read_sampling
from speechbrain_gogo.inference.speaking.speaker import LineSpeaker
from speechbrain_gogo.inference.streaming.speech import SpeechStream


class GogoSpeech(Pretrained):
    """Speaks English text in the voice of a prompt.

    ``modules`` are ``stage1`` and ``stage2``; the YAML's settings are those of
    :func:`~speechbrain_gogo.inference.loading.export_speech.export_speech`.

    Arguments
    ---------
    modules : dict
        The :class:`~speechbrain_gogo.lobes.speech.stages.BackboneLM` and the
        :class:`~speechbrain_gogo.lobes.speech.stages.DetailLM`.
    hparams : dict
        Settings.
    run_opts : dict
        SpeechBrain's run options.
    codec : GogoCodec
        Whose tokens the stages speak.
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
        self.sample_rate = codec.sample_rate
        settings = self.hparams.loop_groups, self.hparams.compiled
        read_sampling({}, self.hparams.sampling)  # the model's own make sense
        self.speaker = LineSpeaker(codec, *self.mods.values(), *settings)

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
        """Load a codec together with the two stages that speak its tokens.

        Arguments
        ---------
        source : str | Path
            A folder, a bundled name ("gogo-mini"), or a hub id: a codec's,
            with ``stage1`` and ``stage2`` in it.
        hparams_file : str
            The settings, in that folder.
        savedir : str | Path
            Where files from the hub are put; its own cache by default.
        run_opts : dict
            SpeechBrain run options, such as ``{"device": "cuda",
            "precision": "bf16"}``.
        overrides : dict
            Replace values of the settings.
        trust_source : bool
            Run whatever the YAMLs name.
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
        stages = load_stages(folder, codec, dtype)
        tokenizer = load_text_tokenizer(folder / "stage1")
        return cls(stages, hparams, run_opts, codec, tokenizer)

    # Speaking

    def clone_voice(
        self,
        text,
        prompt_wav,
        prompt_text,
        allocate=True,
        seed=0,
        sample_rate=None,
        **sampling,
    ):
        """Say something in the voice of a prompt.

        Arguments
        ---------
        text : str
            English, of any length: it is spoken sentence by sentence.
        prompt_wav : str | Path | torch.Tensor
            A few seconds of the voice: an audio file of any rate, or samples
            in [-1, 1], [T] or [1, T].
        prompt_text : str
            What the prompt says.
        allocate : bool
            Spend as many tokens on each group as it needs, if the codec has
            an allocator; else all ten.
        seed : int
            Of all that is drawn.
        sample_rate : int
            Of ``prompt_wav``, if it is a tensor and not at the codec's rate.
        **sampling
            ``temperature``, ``repetition_penalty``, ``top_p``, ``top_k`` of
            the stages, ``text_guidance`` of a Stage I that has learned to
            speak without text, too, ``num_steps`` and ``guidance_scale`` of
            the flow; the model's own by default.

        Returns
        -------
        Speech

        Raises
        ------
        ValueError
            If a text says nothing, the prompt cannot be used or is too long,
            or a setting is out of range.
        """
        lines = self._lines(text, prompt_wav, prompt_text, seed, sample_rate)
        return self._stream(lines, allocate, seed, sampling).speech()

    def stream_voice(
        self,
        text,
        prompt_wav,
        prompt_text,
        allocate=True,
        seed=0,
        sample_rate=None,
        **sampling,
    ):
        """Say something, to be heard while it is being spoken.

        Arguments
        ---------
        text, prompt_wav, prompt_text, allocate, seed, sample_rate, sampling
            As in :meth:`clone_voice`.

        Returns
        -------
        SpeechStream
            Iterator of float32 [T]; joined, the pieces are what
            :meth:`clone_voice` gives.

        Raises
        ------
        ValueError
            As :meth:`clone_voice` does, before the first piece.
        """
        lines = self._lines(text, prompt_wav, prompt_text, seed, sample_rate)
        return self._stream(lines, allocate, seed, sampling)

    def continue_speech(
        self,
        prompt_wav,
        allocate=True,
        seed=0,
        sample_rate=None,
        max_groups=None,
        **sampling,
    ):
        """Speak on after a prompt, without any text.

        Arguments
        ---------
        prompt_wav, allocate, seed, sample_rate, sampling
            As in :meth:`clone_voice`.
        max_groups : int
            Where to stop; where the models end by default.

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
        line = write_on(prompt, seed, self, max_groups)
        return self._stream([line], allocate, seed, sampling).speech()

    def clone_voice_batch(self, requests, allocate=True, seed=0, **sampling):
        """Say many things, side by side.

        Arguments
        ---------
        requests : list of dict
            Arguments of :meth:`clone_voice` each: ``text``, ``prompt_wav``,
            ``prompt_text``, and if need be ``seed`` and ``sample_rate``; or
            tuples of the first three.
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
        drawing, decoding = read_sampling(sampling, self.hparams.sampling)
        requests = [read_request(request, seed) for request in requests]
        lines, owners = [], []
        for owner, request in enumerate(requests):
            found = self._lines(**request)
            lines += found
            owners += [owner] * len(found)
        spoken = [[] for _ in requests]  # of each, its sentences
        size = self.hparams.batch_size
        for first in range(0, len(lines), size):
            batch = lines[first : first + size]
            if self.speaker.compiles:  # not once more for a smaller batch
                batch += batch[-1:] * (size - len(batch))
            groups = list(self.speaker.speak(batch, allocate, drawing))
            for row, owner in enumerate(owners[first : first + size]):
                spoken[owner].append([each.line(row) for each in groups])
        return [
            self._listen(sentences, request["seed"], decoding).speech()
            for sentences, request in zip(spoken, requests)
        ]

    def forward(self, *args, **kwargs):
        """Same as :meth:`clone_voice`."""
        return self.clone_voice(*args, **kwargs)

    # Small steps

    def _lines(self, text, prompt_wav, prompt_text, seed, sample_rate=None):
        prompt = read_prompt(self.codec, prompt_wav, sample_rate)
        return write_lines(text, prompt_text, prompt, seed, self)

    def _stream(self, lines, allocate, seed, sampling):
        """Speak lines one after the other."""
        drawing, decoding = read_sampling(sampling, self.hparams.sampling)
        spoken = (
            self.speaker.speak([line], allocate, drawing) for line in lines
        )
        return self._listen(spoken, seed, decoding)

    def _listen(self, sentences, seed, decoding):
        """Sentences of one voice as audio."""
        return SpeechStream(
            self.codec,
            sentences,
            first_window=self.hparams.first_window_groups,
            overlap=self.hparams.overlap_groups,
            seed=seed,
            **decoding,
        )
