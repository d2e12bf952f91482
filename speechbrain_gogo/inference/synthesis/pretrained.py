"""Public methods of every text to speech of this package."""

from speechbrain_gogo.inference.synthesis.requests import (
    hear_prompt,
    read_request,
)
from speechbrain_gogo.inference.synthesis.synthesizer import Synthesizer


class PretrainedSpeech(Synthesizer):
    """Text to speech in the voice of a prompt; see :class:`Synthesizer`."""

    # Arguments of from_hparams that suit the synthesis of a single utterance.
    ONE_UTTERANCE = {}

    @property
    def allocates(self):
        """Whether there is an allocator, so that ``allocate`` has an effect."""
        return "allocator" in self.codec.mods

    # Synthesis

    def clone_voice(
        self,
        text,
        prompt_wav=None,
        prompt_text=None,
        allocate=True,
        seed=0,
        sample_rate=None,
        **sampling,
    ):
        """Synthesize a text in the voice of a prompt.

        Arguments
        ---------
        text : str
            Text of any length, spoken sentence by sentence.
        prompt_wav : str | Path | torch.Tensor | numpy.ndarray | list
            A few seconds of the voice: an audio file of any rate, or samples in
            [-1, 1], float of any precision: [T], [1, T], [1, 1, T] or, of
            several channels, [T, C]. None uses the model's own voice, if it has
            one.
        prompt_text : str
            Transcript of the prompt. If it is not given and the model needs it,
            it is recognised by :meth:`transcribe`. A warning is logged if it is
            too long or too short for the prompt.
        allocate : bool
            Use the codec's allocator, if it has one, to choose the number of
            tokens of each group; otherwise all tokens.
        seed : int
            Seed of all sampling.
        sample_rate : int
            Sample rate of ``prompt_wav``, if it is a tensor and not at the
            codec's rate.
        **sampling
            ``temperature``, ``repetition_penalty``, ``top_p`` and ``top_k`` of
            the language models, and the class's other ``SETTINGS``; the model's
            settings by default.

        Returns
        -------
        Speech

        Raises
        ------
        ValueError
            If a text is empty, the prompt cannot be used or is too long, or a
            setting is unknown or out of range.
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
        prompt_wav=None,
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
        self._read_sampling(sampling)  # before the long work
        prompt = self._prompt(prompt_wav, prompt_text)
        utterances = self._utterances(text, *prompt, seed, sample_rate)
        return self._stream(utterances, allocate, seed, sampling)

    def clone_voice_batch(self, requests, allocate=True, seed=0, **sampling):
        """Synthesize many texts in batches.

        Arguments
        ---------
        requests : list of dict
            Arguments of :meth:`clone_voice` each: ``text``, ``prompt_wav``,
            ``prompt_text``, and optionally ``seed`` and ``sample_rate``; or
            tuples of the first three.
        allocate, seed, sampling
            Settings of all requests, as in :meth:`clone_voice`.

        Returns
        -------
        list of Speech
            Each is the result of :meth:`clone_voice`, up to rounding.

        Raises
        ------
        ValueError
            As :meth:`clone_voice` does.
        """
        settings, decoding = self._read_sampling(sampling)
        requests = [read_request(request, seed) for request in requests]
        for request in requests:
            names = "prompt_wav", "prompt_text"
            prompt = self._prompt(*(request[name] for name in names))
            request.update(zip(names, prompt))
        parts = [self._utterances(**request) for request in requests]
        utterances = [each for part in parts for each in part]
        groups = self._generate_all(utterances, allocate, settings)
        return [
            self._decode(
                [next(groups) for _ in part], part[0], request["seed"], decoding
            ).speech()
            for part, request in zip(parts, requests)
        ]

    def check_request(
        self, text, prompt_wav=None, prompt_text=None, sample_rate=None
    ):
        """Raise the errors of :meth:`clone_voice`, without generating speech."""
        prompt = self._prompt(prompt_wav, prompt_text)
        self._utterances(text, *prompt, 0, sample_rate)

    def transcribe(self, prompt_wav, sample_rate=None, recognizer=None):
        """Transcribe a prompt, to check and correct the result.

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
            If no recogniser is installed, or no words were recognised.
        """
        return hear_prompt(prompt_wav, sample_rate, self, recognizer)

    def forward(self, *args, **kwargs):
        """Same as :meth:`clone_voice`."""
        return self.clone_voice(*args, **kwargs)

    def _prompt(self, prompt_wav, prompt_text):
        """A prompt and its text; for None, those of the model's own voice."""
        if prompt_wav is not None:
            return prompt_wav, prompt_text
        if self.voice is None:
            raise ValueError(
                "This model has no voice of its own: give prompt_wav, a few "
                "seconds of a voice."
            )
        return self.voice
