"""GogoSpeech with its stages on servers and its codec in this process."""

import logging

from speechbrain_gogo.dataio.text.tokenizers import load_text_tokenizer
from speechbrain_gogo.inference.codec import GogoCodec
from speechbrain_gogo.inference.loading.export_speech import (
    FOLDERS,
    SPEECH_FILE,
)
from speechbrain_gogo.inference.loading.packed_stage import LlamaPlaceholder
from speechbrain_gogo.inference.loading.pretrained import (
    find_source,
    source_name,
)
from speechbrain_gogo.inference.loading.speech import load_settings, load_stages
from speechbrain_gogo.inference.serving.generator import ServedGenerator
from speechbrain_gogo.inference.serving.servers import SERVERS
from speechbrain_gogo.inference.speech import GogoSpeech

logger = logging.getLogger(__name__)


class ServedSpeech(GogoSpeech):
    """Text to speech whose language models are served over HTTP.

    The codec, its allocator and the text tokenizer run in this process, and all
    methods are those of :class:`~speechbrain_gogo.inference.speech.GogoSpeech`.
    Servers have their own random generators, so samples differ; at temperature
    0 the tokens are the same, up to rounding. Since a server samples each
    sequence separately, there is no ``text_guidance``.
    """

    @classmethod
    def from_hparams(
        cls,
        source,
        urls,
        api="llama.cpp",
        run_opts=None,
        overrides=None,
        trust_source=False,
        **hub_options,
    ):
        """Load a codec, and find the servers of the stages.

        Arguments
        ---------
        source : str | Path
            A folder, a bundled name ("gogo-mini"), or a hub id. Only the
            configurations of the stages are read.
        urls : list of str
            Addresses of the server of Stage I, and of that of Stage II.
        api : str
            "llama.cpp" or "vllm".
        run_opts : dict
            SpeechBrain run options of the codec.
        overrides : dict
            Replace values of the settings.
        trust_source : bool
            Run any code that the YAMLs name.
        **hub_options
            ``savedir``; ``revision``, ``token`` of huggingface_hub.

        Returns
        -------
        ServedSpeech

        Raises
        ------
        ValueError
            If the model cannot be loaded, ``api`` is unknown, the number of
            servers is not that of stages, or they serve other models.
        ConnectionError
            If a server does not answer.
        """
        if api not in SERVERS:
            raise ValueError(f"api='{api}': use one of {list(SERVERS)}.")
        folder = find_source(source, speech=True, **hub_options)
        hparams = load_settings(folder / SPEECH_FILE, overrides, trust_source)
        if hparams["sampling"].pop("text_guidance", 0):
            logger.warning(
                "%s speaks with text_guidance, servers sample without it.",
                source,
            )
        codec = GogoCodec.from_hparams(
            folder, run_opts=run_opts, trust_source=trust_source
        )
        codec.name = source_name(source)
        stages = load_stages(folder, codec, load_llama=LlamaPlaceholder)
        served = [name for name in FOLDERS if hasattr(stages[name], "llama")]
        if len(urls) != len(served):
            raise ValueError(
                f"{source} has the stages {', '.join(served)}: give a URL for "
                f"each, not {len(urls)}."
            )
        servers = []
        for name, url in zip(served, urls):
            stage = stages[name]
            size = stage.llama.config.vocab_size
            end_id = getattr(stage, "end_id", None)
            servers.append(SERVERS[api](url, size, end_id))
        tokenizer = load_text_tokenizer(folder / FOLDERS[0])
        speech = cls(stages, hparams, run_opts, codec, tokenizer)
        speech.generator = ServedGenerator(
            codec, *stages.values(), hparams["loop_groups"], servers
        )
        return speech

    def _stream(self, utterances, allocate, seed, sampling):
        self._check(sampling)
        return super()._stream(utterances, allocate, seed, sampling)

    def clone_voice_batch(self, requests, allocate=True, seed=0, **sampling):
        """Synthesize many texts, as :class:`GogoSpeech` does."""
        self._check(sampling)
        return super().clone_voice_batch(requests, allocate, seed, **sampling)

    @staticmethod
    def _check(sampling):
        if sampling.get("text_guidance"):
            raise ValueError(
                f"text_guidance={sampling['text_guidance']}: a server samples "
                "each sequence alone, load GogoSpeech for it."
            )
