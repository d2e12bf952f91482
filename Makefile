# make demo   encode and decode a clip with the bundled model: results/demo/
# make test   every test
# make mini DATA=...      train the bundled model again and evaluate it
# make evaluate DATA=...  evaluate it alone

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WAV ?=
DATA ?=
FOLDER := $(abspath $(DATA))
MINI := $(CURDIR)/results/gogo-mini
# Without a GPU the training ends after so many minutes.
MINUTES ?= 120

.PHONY: demo test mini evaluate lint clean

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

# Trains codec and vocoder, bundles the better choices, evaluates them. The
# folder DATA holds train.csv, valid.csv and test.csv (SpeechBrain manifests).
LIMIT = $$($(PYTHON_HERE) -c "import torch; print('' if \
	torch.cuda.is_available() else '--max_minutes $(MINUTES)')")
MANIFESTS = --data_folder "$(FOLDER)" --train_csv "$(FOLDER)/train.csv" \
	--valid_csv "$(FOLDER)/valid.csv" --skip_prep True \
	--cache_folder $(MINI)/cache
PYTHON_HERE := $(CURDIR)/$(BIN)/python

mini: $(VENV)/.tested
	@test -f "$(FOLDER)/train.csv" || \
		(echo "Say where the speech is: make mini DATA=/path/with/train.csv"; exit 1)
	cd recipes/LibriTTS/codec && $(PYTHON_HERE) train.py hparams/mini.yaml \
		$(MANIFESTS) --output_folder $(MINI)/codec $(LIMIT)
	cd recipes/LibriTTS/vocoder && $(PYTHON_HERE) train.py hparams/mini.yaml \
		$(MANIFESTS) --output_folder $(MINI)/vocoder $(LIMIT)
	cd recipes/LibriTTS/codec && $(PYTHON_HERE) bundle.py hparams/bundle.yaml \
		--codec $(MINI)/codec/export --vocoder $(MINI)/vocoder/export \
		--valid_csv "$(FOLDER)/valid.csv" --data_folder "$(FOLDER)" \
		--output_folder $(CURDIR)/speechbrain_gogo/pretrained/gogo-mini
	$(MAKE) evaluate DATA="$(FOLDER)"

evaluate: $(VENV)/.tested
	cd recipes/LibriTTS/reconstruction && $(PYTHON_HERE) evaluate.py \
		hparams/offline.yaml --source gogo-mini \
		--test_csv "$(FOLDER)/test.csv" --data_folder "$(FOLDER)" \
		--output_folder $(MINI)/evaluation

clean:
	rm -rf results build *.egg-info
