# make demo: set up and transcribe the sample meeting.   make test: set up and run all tests.
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON ?= python3
AMI ?= ../shared/data/ami/train
WORK ?= out/embedded

.PHONY: demo setup system test lint unit slow sample train evaluate bench wheel clean

# A library of its own, so that the demo's meeting and documents do not mix with yours.
demo: export RAPPORTEUR_LIBRARY_HOME := $(CURDIR)/out/demo/library
demo: setup
	rm -rf out/demo
	$(BIN)/rapporteur shelve samples/docs
	$(BIN)/rapporteur transcribe samples/meeting.flac --model embedded --beam-size 5 --began 2026-03-10T09:00+01:00 --output-dir out/demo

setup: $(READY)

$(READY): requirements.lock pyproject.toml tools/install.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python tools/install.py
	@touch $@

# PortAudio is for live capture, PulseAudio for testing it without hardware, the two speech programs for making the sample and the training speech again.
system:
	@sh tools/system.sh libportaudio2:libportaudio.so.2 pulseaudio:pulseaudio pulseaudio-utils:pactl \
		libasound2-plugins:/usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so flite:flite espeak-ng:espeak-ng

test: setup system lint unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/sizes.py

unit: setup
	$(BIN)/pytest

slow: setup
	$(BIN)/pytest -m slow

sample: setup system
	$(BIN)/python -m samples.make

train: setup system
	$(BIN)/python -m audio.embedded.train --ami $(AMI) --work $(WORK)

evaluate: setup
	$(BIN)/python -m bench.embedded --ami $(AMI)/..

bench: setup
	$(BIN)/python -m bench.transcription

wheel: setup
	$(BIN)/pip wheel --no-deps --no-build-isolation --wheel-dir dist .

clean:
	rm -rf $(VENV) build dist out *.egg-info
