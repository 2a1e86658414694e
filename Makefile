# make help   lists the targets
# Needs: a Rust toolchain, a C compiler, make, Python 3 with pip. Nothing else is installed on the system.

RECIPE  ?= data/recipes/demo.toml
WORKDIR ?= data/work
PYTHON  ?= python3
SEED    ?= 4242

# ONNX Runtime comes as a Python wheel; only its library is used. A library of your own: ORT_DYLIB_PATH=/path/libonnxruntime.so
ORT_VERSION := 1.31.1
ORT_LIBRARY := $(CURDIR)/.cache/onnxruntime/libonnxruntime.so
export ORT_DYLIB_PATH ?= $(ORT_LIBRARY)
ORT := $(if $(filter $(ORT_LIBRARY),$(ORT_DYLIB_PATH)),$(ORT_LIBRARY))

BOLID := target/release/bolid

.DEFAULT_GOAL := help
.PHONY: help build onnxruntime dataset test test-report test-python lint bench demo check-real evaluate-duplicates evaluate-models

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(ORT)  ## build the program
	cargo build --release --locked

onnxruntime: $(ORT)  ## fetch the library that runs the models

dataset: build  ## crawl, measure, judge, prepare, snapshot; RECIPE=… WORKDIR=…
	$(BOLID) dataset --recipe $(RECIPE) --workdir $(WORKDIR)

test: $(ORT)  ## run every test
	cargo test --release --locked --workspace

test-report: $(ORT)  ## the report's page in a browser; needs Chromium
	cargo test --release --locked --test review -- --ignored

test-python:  ## adapter files against diffusers; PYTHON has diffusers, transformers, torch
	BOLID_PYTHON=$(PYTHON) cargo test --release --locked -p train --test interchange -- --ignored

lint:  ## formatting and lints, no warnings allowed
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- --deny warnings

bench:  ## speed of the pixel loops, with a ratio measured in the same run
	cargo run --release --locked --quiet -p curate --example speed
	cargo run --release --locked --quiet -p curate --example million_hashes
	cargo build --release --locked --quiet --bin bolid --example judge_speed && target/release/examples/judge_speed

demo: build  ## serve the demo gallery, to look at in a browser
	$(BOLID) serve-demo

check-real: build  ## people counts on labelled real photos; MODELS=DIR PHOTOS=DIR
	$(BOLID) check-real --models $(MODELS) --photos $(PHOTOS) --sheet check-real.png

evaluate-duplicates:  ## recall and precision of near-duplicates on people never tuned on; SEED=…
	cargo run --release --locked --quiet --example near_duplicates -- $(SEED)

evaluate-models:  ## figures of the demo models on people never trained on; SEED=…
	cargo run --release --locked -p synth --example training_set -- \
	  --seed $(SEED) --people 1000 --marks 200 --out .cache/evaluate-$(SEED)
	test -x .cache/python/bin/python || $(PYTHON) -m venv .cache/python
	.cache/python/bin/python -m pip install --quiet numpy onnxruntime==$(ORT_VERSION)
	.cache/python/bin/python data/models/training/evaluate.py --data .cache/evaluate-$(SEED)

$(ORT_LIBRARY):
	@mkdir -p $(@D)
	$(PYTHON) -m pip download --quiet --no-deps --only-binary=:all: --dest $(@D) onnxruntime==$(ORT_VERSION)
	$(PYTHON) -m zipfile -e $(@D)/onnxruntime-$(ORT_VERSION)-*.whl $(@D)
	mv $(@D)/onnxruntime/capi/libonnxruntime.so.$(ORT_VERSION) $@
	rm -rf $(@D)/onnxruntime $(@D)/onnxruntime-*
