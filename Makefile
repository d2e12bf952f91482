# make demo   encode and decode a clip with the bundled model: results/demo/
# make test   every test
# make mini DATA=...      train the bundled model again and evaluate it; its
#                         parts: mini-codec, mini-speech, mini-allocator
# make evaluate DATA=...  evaluate it alone

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WAV ?=
DATA ?=
FOLDER := $(abspath $(DATA))
MINI := $(CURDIR)/results/gogo-mini
BUNDLE := $(CURDIR)/speechbrain_gogo/pretrained/gogo-mini
# Without a GPU the trainings end after so many minutes.
MINUTES ?= 120
VOCODER_MINUTES ?= 30
STAGE_MINUTES ?= 35
ALLOCATOR_MINUTES ?= 15

.PHONY: demo test mini mini-codec mini-speech mini-allocator evaluate lint clean

demo: $(VENV)/.installed
	$(BIN)/gogo demo $(if $(WAV),--wav "$(WAV)")

test: $(VENV)/.tested
	$(BIN)/python -m pytest

lint: $(VENV)/.tested
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.py $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.tested: setup.py $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@ $(VENV)/.installed

# The folder DATA holds train.csv, valid.csv and test.csv (SpeechBrain
# manifests). Stopped, by whatever, the same command goes on.
PYTHON_HERE := $(CURDIR)/$(BIN)/python
limit = $$($(PYTHON_HERE) -c "import torch; print('' if \
	torch.cuda.is_available() else '--max_minutes $(1)')")
MANIFESTS = --data_folder "$(FOLDER)" --train_csv "$(FOLDER)/train.csv" \
	--valid_csv "$(FOLDER)/valid.csv" --skip_prep True
CACHED = $(MANIFESTS) --cache_folder $(MINI)/cache

mini: mini-codec mini-speech mini-allocator
	$(MAKE) evaluate DATA="$(FOLDER)"

# Trains codec and vocoder, bundles the better choices.
mini-codec: $(VENV)/.tested
	@test -f "$(FOLDER)/train.csv" || \
		(echo "Say where the speech is: make mini DATA=/path/with/train.csv"; exit 1)
	cd recipes/LibriTTS/codec && $(PYTHON_HERE) train.py hparams/mini.yaml \
		$(CACHED) --output_folder $(MINI)/codec $(call limit,$(MINUTES))
	cd recipes/LibriTTS/vocoder && $(PYTHON_HERE) train.py hparams/mini.yaml \
		$(CACHED) --output_folder $(MINI)/vocoder \
		$(call limit,$(VOCODER_MINUTES))
	cd recipes/LibriTTS/codec && $(PYTHON_HERE) bundle.py hparams/bundle.yaml \
		--codec $(MINI)/codec/export --vocoder $(MINI)/vocoder/export \
		--valid_csv "$(FOLDER)/valid.csv" --data_folder "$(FOLDER)" \
		--output_folder $(BUNDLE)

# Trains both stages of GogoSpeech on DATA and on what espeak-ng reads aloud.
SYNTHETIC := $(MINI)/espeak
TOKENS := $(MINI)/tokens
STAGES := stage1 stage2
mini-speech: mini-codec
	@command -v espeak-ng || (echo "Please: apt-get install espeak-ng"; exit 1)
	cd recipes/LibriTTS/speech_lm && $(PYTHON_HERE) synthesize.py \
		hparams/synthesize.yaml --output_folder $(SYNTHETIC) \
		--sentence_files "['$(FOLDER)/train.csv']" --num_voices 60 \
		--voices_per_sentence 3 --made_up_sentences 1000
	cd recipes/LibriTTS/speech_lm && $(PYTHON_HERE) tokenize_corpus.py \
		hparams/tokenize.yaml $(MANIFESTS) --output_folder $(TOKENS)/real
	cd recipes/LibriTTS/speech_lm && $(PYTHON_HERE) tokenize_corpus.py \
		hparams/tokenize.yaml --data_folder $(SYNTHETIC) --skip_prep True \
		--train_csv $(SYNTHETIC)/train.csv --valid_csv $(SYNTHETIC)/valid.csv \
		--output_folder $(TOKENS)/synthetic
	cd recipes/LibriTTS/speech_lm && for stage in $(STAGES); do \
		$(PYTHON_HERE) train.py hparams/mini_$$stage.yaml --train_tokens \
		"['$(TOKENS)/synthetic/train', '$(TOKENS)/real/train']" \
		--valid_tokens $(TOKENS)/synthetic/valid \
		--output_folder $(MINI)/$$stage $(call limit,$(STAGE_MINUTES)) \
		|| exit 1; done
	$(PYTHON_HERE) -c "from speechbrain_gogo.inference.export_speech import \
		export_speech as export; export('$(BUNDLE)', '$(BUNDLE)', \
		'$(MINI)/stage1/export', '$(MINI)/stage2/export')"

# Trains the token allocator, straight into the bundled model's folder.
mini-allocator: mini-codec
	cd recipes/LibriTTS/allocator && $(PYTHON_HERE) train.py hparams/mini.yaml \
		$(CACHED) --output_folder $(MINI)/allocator --export_folder $(BUNDLE) \
		$(call limit,$(ALLOCATOR_MINUTES))

evaluate: $(VENV)/.tested
	cd recipes/LibriTTS/reconstruction && $(PYTHON_HERE) evaluate.py \
		hparams/offline.yaml --source gogo-mini \
		--test_csv "$(FOLDER)/test.csv" --data_folder "$(FOLDER)" \
		--output_folder $(MINI)/evaluation

clean:
	rm -rf results build *.egg-info
