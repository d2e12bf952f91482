"""GogoSpeech: text to speech in the voice of a prompt.

The interface that users load with ``from_hparams``. Text and prompt are split
into utterances (synthesis/utterances.py), the two stages generate their groups
(synthesis/generator.py), and the codec decodes them in parallel
(streaming/speech.py).
"""

from speechbrain.utils.autocast import AMPConfig

from speechbrain_gogo.dataio.text.tokenizers import load_text_tokenizer
from speechbrain_gogo.default_dtype import float32_by_default
from speechbrain_gogo.inference.checks.weights import weights_of
from speechbrain_gogo.inference.codec import GogoCodec
from speechbrain_gogo.inference.loading.export_speech import SPEECH_FILE
from speechbrain_gogo.inference.loading.pretrained import (
    find_source,
    source_name,
)
from speechbrain_gogo.inference.loading.speech import load_settings, load_stages
from speechbrain_gogo.inference.synthesis.conversion import VoiceConversion
from speechbrain_gogo.inference.synthesis.generator import GroupGenerator
from speechbrain_gogo.inference.synthesis.pretrained import PretrainedSpeech
from speechbrain_gogo.inference.synthesis.requests import read_prompt
from speechbrain_gogo.inference.synthesis.sampling import (
    FLOW,
    SAMPLING,
    TEXT_GUIDANCE,
)
from speechbrain_gogo.inference.synthesis.utterances import (
    check_room,
    make_continuation,
    make_utterances,
    read_text,
)
from speechbrain_gogo.lobes.nn.int8 import Int8
from speechbrain_gogo.lobes.speech.single_stage import NoDetailLM


class GogoSpeech(VoiceConversion, PretrainedSpeech):
    """Text to speech in the voice of a prompt, in the language of its settings.

    With a Stage II it also converts voices, see :meth:`convert_voice`.

    ``modules`` are ``stage1`` and ``stage2``; the YAML's settings are those of
    :func:`~speechbrain_gogo.inference.loading.export_speech.export_speech`.
    Besides the settings of every text to speech, ``**sampling`` may have
    ``text_guidance``, for a Stage I that was also trained on speech without
    text, and ``num_steps`` and ``guidance_scale`` of the flow.

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
    tokenizer : WordPieces | Phones | HubTokenizer
        Tokenizer of the text.

    Example
    -------
    >>> import torch
    >>> speech = GogoSpeech.from_hparams("gogo-mini")
    >>> voice = 0.1 * torch.randn(24000, generator=torch.manual_seed(0))
    >>> said = speech.clone_voice("Good morning.", voice, "Hello.", seed=1)
    >>> said.sample_rate, said.tokens.shape[1], said.wav.dim()
    (24000, 10, 1)
    """

    HPARAMS_NEEDED = [
        *PretrainedSpeech.HPARAMS_NEEDED,
        "first_window_groups",
        "overlap_groups",
        "compiled",
    ]
    SETTINGS = (*SAMPLING, TEXT_GUIDANCE, *FLOW)
    ONE_UTTERANCE = {"compiled": False}  # compiling takes longer

    def __init__(self, modules, hparams, run_opts, codec, tokenizer):
        super().__init__(modules, hparams, run_opts, codec, tokenizer)
        settings = self.hparams.loop_groups, self.hparams.compiled
        settings += (getattr(self.hparams, "weights", "float"),)
        self.generator = GroupGenerator(codec, *self.mods.values(), *settings)

    @property
    def allocates(self):
        """Whether ``allocate`` has an effect.

        It has none without an allocator, nor where Stage I generates all
        tokens: a budget is for Stage II.
        """
        single = isinstance(self.mods.stage2, NoDetailLM)
        return super().allocates and not single

    @classmethod
    def from_hparams(
        cls,
        source,
        hparams_file=SPEECH_FILE,
        savedir=None,
        run_opts=None,
        overrides=None,
        trust_source=False,
        steps=None,
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
            Replace values of the settings. With ``{"weights": "float"}`` the
            stages can also compute losses.
        trust_source : bool
            Run any code that the YAMLs name.
        steps, **hub_options
            Flow steps of the codec; ``revision``, ``token`` of huggingface_hub.

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
            folder,
            run_opts=run_opts,
            trust_source=trust_source,
            steps=steps,
            weights=hparams.get("weights", "float"),
        )
        codec.name = source_name(source)
        dtype = AMPConfig.from_name(codec.precision).dtype
        int8 = weights_of(hparams.get("weights", "float"), codec) is Int8
        tokenizer = load_text_tokenizer(folder / "stage1")
        with float32_by_default():
            stages = load_stages(folder, codec, dtype, int8=int8)
            return cls(stages, hparams, run_opts, codec, tokenizer)

    # Speech without a text

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
            Largest number of groups to generate; limited by the positions alone
            by default.

        Returns
        -------
        Speech
            Speech after the prompt.

        Raises
        ------
        ValueError
            If the prompt cannot be used or a setting is out of range.
        """
        prompt = read_prompt(self.codec, prompt_wav, sample_rate)
        utterance = make_continuation(prompt, seed, self, max_groups)
        return self._stream([utterance], allocate, seed, sampling).speech()

    # Methods that Synthesizer calls

    def most_characters(self, prompt_text, prompt):
        """Longest sentence that fits after a prompt, in characters."""
        settings = self.hparams
        stage1, stage2 = self.mods.stage1, self.mods.stage2
        ids, groups = len(self.tokenizer.encode(prompt_text)), len(prompt)
        usual = settings.groups_per_character
        left = stage1.max_positions - stage1.sequence_length(ids, groups)
        taken = stage1.group_positions * usual
        fitting = left / (ids / len(prompt_text) + taken)
        left = stage2.max_positions - stage2.sequence_length(groups)
        fitting = min(fitting, left / (stage2.group_positions * usual))
        return check_room(fitting, prompt_text, prompt, self)

    def fits(self, num_ids, num_groups):
        """Whether text and speech, the prompt included, fit both stages."""
        stage1, stage2 = self.mods.stage1, self.mods.stage2
        return (
            stage1.sequence_length(num_ids, num_groups) <= stage1.max_positions
            and stage2.sequence_length(num_groups) <= stage2.max_positions
        )

    def _utterances(
        self, text, prompt_wav, prompt_text, seed, sample_rate=None
    ):
        prompt = read_prompt(self.codec, prompt_wav, sample_rate)
        if prompt_text is None:
            read_text(text, "text", self.front_end)  # before the long work
            prompt_text = self.transcribe(prompt_wav, sample_rate)
        return make_utterances(text, prompt_text, prompt, seed, self)

    def _generate(self, utterances, allocate, sampling):
        return self.generator.generate(utterances, allocate, sampling)

    def _fill(self, batch, size):
        """Repeat utterances up to ``size``: a smaller batch would be compiled again."""
        missing = size - len(batch) if self.generator.compiles else 0
        return batch + batch[-1:] * missing

    def _decoding(self, utterance, seed, settings):
        return {
            "first_window": self.hparams.first_window_groups,
            "overlap": self.hparams.overlap_groups,
            "seed": seed,
            **settings,
        }
