"""Synthesis of utterances, in every text to speech of this package.

A language model generates the groups of tokens of utterances, and the codec
decodes them in parallel. A subclass loads its networks and implements the
methods that raise NotImplementedError.
"""

from speechbrain.inference.interfaces import Pretrained

from speechbrain_gogo.dataio.text.front_ends import front_end
from speechbrain_gogo.inference.streaming.speech import SpeechStream
from speechbrain_gogo.inference.synthesis.sampling import (
    SAMPLING,
    read_sampling,
)
from speechbrain_gogo.lobes.nn.precision import KeepsPrecision


class Synthesizer(KeepsPrecision, Pretrained):
    """Language models, the ``modules``, and the codec of their tokens.

    ``hparams`` has the settings of ``HPARAMS_NEEDED`` and ``language``;
    ``tokenizer`` is that of the text: WordPieces, Phones or HubTokenizer.
    """

    HPARAMS_NEEDED = [
        "sampling",
        "max_characters",
        "groups_per_character",
        "slowest",
        "loop_groups",
        "batch_size",
    ]
    # Names of the **sampling arguments of clone_voice.
    SETTINGS = SAMPLING

    def __init__(self, modules, hparams, run_opts, codec, tokenizer):
        super().__init__(modules, hparams, run_opts)
        self.codec = codec
        self.tokenizer = tokenizer
        self.sample_rate = codec.sample_rate
        # Older models have no language and read English.
        self.front_end = front_end(getattr(self.hparams, "language", "en"))
        self._read_sampling({})  # checks the defaults
        # The recording of the model's own voice and its transcript, or None.
        self.voice = getattr(self.hparams, "voice", None)

    # A subclass implements these

    def most_characters(self, prompt_text, prompt):
        """Longest sentence that fits after a prompt, in characters.

        ``prompt_text`` is what the language model reads, ``prompt`` its tokens, int64
        [N, K]. A ValueError is raised if no sentence fits after the prompt.
        """
        raise NotImplementedError

    def fits(self, num_ids, num_groups):
        """Whether text and speech, the prompt included, fit the models."""
        raise NotImplementedError

    def _utterances(
        self, text, prompt_wav, prompt_text, seed, sample_rate=None
    ):
        """Utterances of a request, one or more."""
        raise NotImplementedError

    def _generate(self, utterances, allocate, sampling):
        """Groups of a batch of utterances, independent of each other."""
        raise NotImplementedError

    def _decoding(self, utterance, seed, settings):
        """Settings of the codec's ``decode_groups`` for a request.

        ``utterance`` is the request's first one, ``settings`` are those of
        the flow.
        """
        raise NotImplementedError

    # Steps that all share

    def _read_sampling(self, given):
        """Settings of the samplers, and of the flow if there is one."""
        defaults = self.hparams.sampling
        return read_sampling(given, defaults, self.SETTINGS)

    def _fill(self, batch, size):
        """Utterances to generate in one batch, ``size`` at most."""
        return batch

    def _generate_all(self, utterances, allocate, settings):
        """Groups of each utterance, generated in batches."""
        size = self.hparams.batch_size
        for first in range(0, len(utterances), size):
            some = utterances[first : first + size]
            batch = self._fill(some, size)
            groups = list(self._generate(batch, allocate, settings))
            for index in range(len(some)):
                yield [each.utterance(index) for each in groups]

    def _stream(self, utterances, allocate, seed, sampling):
        """Generate utterances one by one."""
        settings, decoding = self._read_sampling(sampling)
        groups = (
            self._generate([utterance], allocate, settings)
            for utterance in utterances
        )
        return self._decode(groups, utterances[0], seed, decoding)

    def _decode(self, sentences, utterance, seed, decoding):
        """Decode the groups of several sentences as one stream of audio."""
        settings = self._decoding(utterance, seed, decoding)
        return SpeechStream(self.codec, sentences, **settings)
