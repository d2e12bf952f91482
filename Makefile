# make demo   encode and decode a clip with the bundled model: results/demo/
# make test   the quick tests
# make test-all   these and the long ones, before a release
# make newest     the quick tests with the newest releases that setup.py allows
# make oldest     the same with the oldest ones
# make constraints  write constraints.txt anew; UPGRADE=--upgrade takes the
#                   newest releases, UPGRADE="-P torch==2.14.1" that one
# make mini DATA=...      train a small model in its place and evaluate it; its
#                         parts: mini-codec, mini-speech, mini-allocator
# make evaluate DATA=... [ASR=...]  evaluate it alone; ASR is the folder of a
#                         Whisper, if the hub cannot be reached
# make docs   the documentation as a site: results/site/index.html
# make lint   ruff
# make clean  delete what was built, not what was trained

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Exactly what `make demo` and `make test` install; empty for the newest.
CONSTRAINTS := --constraint constraints.txt
UPGRADE ?=
# Tests run in so many processes, of one thread each.
WORKERS ?= 2
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
WAV ?=
DATA ?=
ASR ?=
FOLDER := $(abspath $(DATA))
MINI := $(CURDIR)/results/gogo-mini
BUNDLE := $(CURDIR)/speechbrain_gogo/pretrained/gogo-mini
# The trainings end after so many minutes; on a GPU, if not given, after as many
# updates as their YAMLs say.
MINUTES ?=
VOCODER_MINUTES ?=
STAGE_MINUTES ?=
ALLOCATOR_MINUTES ?=
# Synthetic speech: by a voice of Piper if VOICE is its ONNX file, else by
# espeak-ng. So many sentences are made up of words of DATA. A GPU that learns for
# long wants 20000. All count when it is made first. The stages read all of it, the
# others a fifth: of more, a small codec spends its tokens on what synthesisers do
# and people do not.
VOICE ?=
SENTENCES ?= 8000
# Sentences of test.csv that it says when it is evaluated.
SENTENCES_SAID ?= 50
# A list of more words for those, such as /usr/share/dict/words.
WORDS ?=
LISTED = $(if $(WORDS),--word_files "['$(abspath $(WORDS))']" --word_share 0.3)

.PHONY: demo test test-all newest oldest constraints mini mini-codec mini-speech mini-allocator evaluate docs lint clean

demo: $(VENV)/.installed
	$(BIN)/gogo demo $(if $(WAV),--wav "$(WAV)")

test: $(VENV)/.tested
	$(PYTEST)

test-all: $(VENV)/.tested
	$(PYTEST) -m ""

newest:
	rm -rf .venv-newest
	$(MAKE) test VENV=.venv-newest CONSTRAINTS=

oldest:
	rm -rf .venv-oldest
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/pip install --quiet uv
	.venv-oldest/bin/uv pip install --quiet --resolution lowest-direct \
		--python .venv-oldest/bin/python --editable ".[dev]"
	touch .venv-oldest/.installed .venv-oldest/.tested
	$(MAKE) test VENV=.venv-oldest

constraints: $(VENV)/.tested
	$(BIN)/uv pip compile setup.py --all-extras --universal \
		--fork-strategy fewest --python-version 3.11 --strip-extras \
		--no-annotate --custom-compile-command "make constraints" \
		$(UPGRADE) --quiet --output-file constraints.txt

docs: $(VENV)/.tested
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Read: $(CURDIR)/results/site/index.html"

lint: $(VENV)/.tested
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.py constraints.txt $(VENV)/bin/python
	$(BIN)/pip install --quiet $(CONSTRAINTS) --editable ".[watermark]"
	touch $@

$(VENV)/.tested: setup.py constraints.txt $(VENV)/bin/python
	$(BIN)/pip install --quiet $(CONSTRAINTS) --editable ".[dev]"
	touch $@ $(VENV)/.installed

# The folder DATA holds train.csv, valid.csv and test.csv (SpeechBrain
# manifests). Stopped, by whatever, the same command goes on; to train anew,
# delete results/gogo-mini.
PYTHON_HERE := $(CURDIR)/$(BIN)/python
# $(call limit,minutes that were given,minutes on a CPU)
ON_GPU = $(PYTHON_HERE) -c "import sys, torch; \
	sys.exit(not torch.cuda.is_available())"
limit = $(if $(1),--max_minutes $(1),$$($(ON_GPU) || echo --max_minutes $(2)))
# Larger where there is a GPU: the lines of gpu/mini.yaml instead of mini.yaml's,
# and a vocoder whose discriminators, which join after 20,000 updates, do join.
LARGER = $$($(ON_GPU) && echo --ablation hparams/gpu/mini.yaml)
LONGER = $$($(ON_GPU) && echo --num_steps 40000 --batch_size 16 \
	--learning_rate 0.0005)
SYNTHETIC := $(MINI)/synthetic
SYNTHESISER = $(if $(VOICE),hparams/piper/synthesize.yaml \
	--synthesizer "{voice_files: [$(abspath $(VOICE))]}",hparams/synthesize.yaml \
	--num_voices 60 --voices_per_sentence 3)
# The recogniser of the codec's loss and of the judge.
HEARING = $(if $(ASR),--model "{hearing_source: $(abspath $(ASR))}")
MANIFESTS = --data_folder "$(FOLDER)" --train_csv "$(FOLDER)/train.csv" \
	--valid_csv "$(FOLDER)/valid.csv" --skip_prep True
MORE = --more_train_csv "{'$(FIFTH)': '$(SYNTHETIC)'}"
CACHED = $(MANIFESTS) $(MORE) --cache_folder $(MINI)/cache

# On a CPU, memory that is freed stays with the process (glibc): mapping the
# pages of every large tensor anew takes a tenth of an update and more.
MINIS := mini mini-codec mini-speech mini-allocator
$(MINIS): export MALLOC_MMAP_THRESHOLD_ = 2147483648
$(MINIS): export MALLOC_TRIM_THRESHOLD_ = 8589934592
$(MINIS): export MALLOC_TOP_PAD_ = 268435456

mini: mini-codec mini-speech mini-allocator
	$(MAKE) evaluate DATA="$(FOLDER)"

# What a synthesiser reads aloud: sentences of DATA, and more made up of its words.
$(MINI)/.synthesized: | $(VENV)/.tested
	@test -f "$(FOLDER)/train.csv" || \
		(echo "Say where the speech is: make mini DATA=/path/with/train.csv"; exit 1)
	cd recipes/LibriTTS/speech_lm && $(PYTHON_HERE) synthesize.py \
		$(SYNTHESISER) --output_folder $(SYNTHETIC) \
		--sentence_files "['$(FOLDER)/train.csv']" \
		--made_up_sentences $(SENTENCES) $(LISTED)
	touch $@

FIFTH := $(SYNTHETIC)/fifth.csv
$(FIFTH): | $(MINI)/.synthesized
	awk 'NR % 5 == 1' $(SYNTHETIC)/train.csv > $@.part && mv $@.part $@

# Trains the codec on DATA and a fifth of it, and the vocoder on what the codec
# decodes; bundles both.
mini-codec: $(MINI)/.bundled
$(MINI)/.bundled: | $(FIFTH)
	cd recipes/LibriTTS/codec && $(PYTHON_HERE) train.py hparams/mini_mlp.yaml \
		$(CACHED) --output_folder $(MINI)/codec $(HEARING) \
		$(call limit,$(MINUTES),180)
	cd recipes/LibriTTS/vocoder && $(PYTHON_HERE) train.py hparams/mini.yaml \
		$(CACHED) --output_folder $(MINI)/vocoder $(LONGER) \
		--coded_by $(MINI)/codec/export \
		$(call limit,$(VOCODER_MINUTES),30)
	cd recipes/LibriTTS/codec && $(PYTHON_HERE) bundle.py hparams/bundle.yaml \
		--codec $(MINI)/codec/export --vocoder $(MINI)/vocoder/export \
		--valid_csv "$(FOLDER)/valid.csv" --data_folder "$(FOLDER)" \
		--output_folder $(BUNDLE)
	touch $@

# Trains the stage that speaks on both.
TOKENS := $(MINI)/tokens
mini-speech: $(MINI)/.bundled
	cd recipes/LibriTTS/speech_lm && $(PYTHON_HERE) tokenize_corpus.py \
		hparams/tokenize.yaml $(MANIFESTS) --output_folder $(TOKENS)/real
	cd recipes/LibriTTS/speech_lm && $(PYTHON_HERE) tokenize_corpus.py \
		hparams/tokenize.yaml --data_folder $(SYNTHETIC) --skip_prep True \
		--train_csv $(SYNTHETIC)/train.csv --valid_csv $(SYNTHETIC)/valid.csv \
		--output_folder $(TOKENS)/synthetic --copies 2
	cd recipes/LibriTTS/speech_lm && $(PYTHON_HERE) train.py \
		hparams/aligned_stage1.yaml --train_tokens \
		"['$(TOKENS)/synthetic/train', '$(TOKENS)/real/train']" \
		--valid_tokens $(TOKENS)/synthetic/valid $(LARGER) \
		--text_tokenizer $(BUNDLE)/stage1/phones.txt \
		--output_folder $(MINI)/stage1 $(call limit,$(STAGE_MINUTES),70)
	$(PYTHON_HERE) -c "from speechbrain_gogo.inference.loading.export_speech import \
		export_speech as export; export('$(BUNDLE)', '$(BUNDLE)', \
		'$(MINI)/stage1/export', None)"

# Trains the token allocator, straight into the bundled model's folder.
mini-allocator: $(MINI)/.bundled | $(FIFTH)
	cd recipes/LibriTTS/allocator && $(PYTHON_HERE) train.py hparams/mini.yaml \
		$(CACHED) --output_folder $(MINI)/allocator --export_folder $(BUNDLE) \
		--model "{in_dim: 6}" \
		$(LARGER) $(call limit,$(ALLOCATOR_MINUTES),35)

evaluate: $(VENV)/.tested
	cd recipes/LibriTTS/reconstruction && $(PYTHON_HERE) evaluate.py \
		hparams/offline.yaml --source gogo-mini \
		--test_csv "$(FOLDER)/test.csv" --data_folder "$(FOLDER)" \
		$(if $(ASR),--recognizer "$(abspath $(ASR))") \
		--output_folder $(MINI)/evaluation
	cd recipes/SeedTTS/zero_shot && $(PYTHON_HERE) own_voice_list.py \
		"$(FOLDER)/test.csv" $(MINI)/own_voice.lst --source gogo-mini \
		--data-folder "$(FOLDER)" --tasks $(SENTENCES_SAID) --seed 5
	cd recipes/SeedTTS/zero_shot && $(PYTHON_HERE) evaluate.py \
		hparams/offline.yaml --source gogo-mini --meta_list $(MINI)/own_voice.lst \
		$(if $(ASR),--recognizer "$(abspath $(ASR))") \
		--output_folder $(MINI)/own_voice

# Leaves results/ alone: trained models are there.
clean:
	rm -rf build *.egg-info .pytest_cache .ruff_cache
