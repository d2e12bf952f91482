# make demo   encode and decode a clip with the bundled model: results/demo/
# make test   every test
# make mini   train the bundled model again (DATA=folder with train.csv ...)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WAV ?=
DATA ?=
MINI := results/gogo-mini
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

clean:
	rm -rf results build *.egg-info
