# make help   lists the targets
# Needs: a Rust toolchain, a C compiler, make, Python 3 with pip. Nothing else is installed on the system.

RECIPE  ?= data/recipes/demo.toml
TRAIN   ?= data/recipes/train-demo.toml
ADAPTER ?= data/recipes/adapter-demo.toml
WORKDIR ?= data/work
PYTHON  ?= python3
SEED    ?= 4242

# What our UNet is compared with.
TORCH := torch==2.15.0 diffusers==0.42.1 transformers==5.23.0

# ONNX Runtime comes as a Python wheel; only its library is used. A library of your own:
# ORT_DYLIB_PATH=/path/libonnxruntime.so
ORT_VERSION := 1.31.1
ORT_LIBRARY := $(CURDIR)/.cache/onnxruntime/libonnxruntime.so
export ORT_DYLIB_PATH ?= $(ORT_LIBRARY)
ORT := $(if $(filter $(ORT_LIBRARY),$(ORT_DYLIB_PATH)),$(ORT_LIBRARY))

BOLID := target/release/bolid

.DEFAULT_GOAL := help
.PHONY: help build wheel test-wheel build-cuda check-cuda install onnxruntime python dataset train train-vae test fuzz test-docs test-galleries test-report test-python lint bench bench-pixels bench-judge bench-caption \
  bench-measure bench-prepare bench-import bench-export bench-read bench-unet bench-pictures bench-vae demo demo-lock models check-real evaluate-duplicates \
  evaluate-models experiment check-processors bench-snapshot

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(ORT)  ## build the program
	cargo build --release --locked

PREFIX  ?= /usr/local
DESTDIR ?=

# The commit is named in what is installed only: a build that named it would be made anew after every commit.
install: export BOLID_COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null)$(shell git diff --quiet HEAD 2>/dev/null || { git rev-parse HEAD > /dev/null 2>&1 && echo +changes; })
install:  ## put the program, completions and manual pages under PREFIX (/usr/local)
	cargo build --release --locked
	install -D $(BOLID) $(DESTDIR)$(PREFIX)/bin/bolid
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	  $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d $(DESTDIR)$(PREFIX)/share/man/man1
	$(BOLID) completions bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/bolid
	$(BOLID) completions zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_bolid
	$(BOLID) completions fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/bolid.fish
	$(BOLID) man $(DESTDIR)$(PREFIX)/share/man/man1

onnxruntime: $(ORT)  ## fetch the library that runs the models

wheel: export BOLID_COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null)$(shell git diff --quiet HEAD 2>/dev/null || { git rev-parse HEAD > /dev/null 2>&1 && echo +changes; })
wheel: $(ORT)  ## target/wheels/bolid-*.whl: the program for pip, for machines without Rust
	rm -rf target/wheels
	MATURIN_PEP517_ARGS="--compatibility pypi" $(PYTHON) -m pip wheel --quiet --no-deps --wheel-dir target/wheels .

# As a worker that has nothing but Python: an environment of its own, an empty folder, no library named.
test-wheel: wheel  ## the wheel in an empty environment and folder, to a demo snapshot
	rm -rf .cache/wheel && mkdir -p .cache/wheel/empty
	$(PYTHON) -m venv .cache/wheel/python
	.cache/wheel/python/bin/python -m pip install --quiet target/wheels/bolid-*.whl
	cd .cache/wheel/empty && env -u ORT_DYLIB_PATH ../python/bin/bolid dataset --demo

dataset: build  ## crawl, measure, judge, prepare, snapshot; RECIPE=… WORKDIR=…
	$(BOLID) dataset --recipe $(RECIPE) --workdir $(WORKDIR)

# Each part goes on where it was stopped, and does nothing where it has ended. The demo's adapter takes c_body from
# data/models/body-vae; an ADAPTER of your own names the run of TRAIN in `body.model`.
train: build  ## the whole way to an adapter on the demo snapshot; TRAIN=… ADAPTER=… WORKDIR=…
	@ls $(WORKDIR)/snapshots/demo-*/manifest.json > /dev/null 2>&1 || $(MAKE) --no-print-directory dataset
	$(BOLID) train vae --config $(TRAIN) --workdir $(WORKDIR) --continue
	$(BOLID) train cache --config $(ADAPTER) --workdir $(WORKDIR)
	$(BOLID) train pose-probe --config $(ADAPTER) --workdir $(WORKDIR) --continue
	$(BOLID) train adapter --config $(ADAPTER) --workdir $(WORKDIR) --continue
	@rm -rf $(WORKDIR)/adapter-demo
	$(BOLID) export adapter adapter-demo --workdir $(WORKDIR) --out $(WORKDIR)/adapter-demo

train-vae: build  ## fit the body-VAE to the demo snapshot (`make dataset` makes it); TRAIN=… WORKDIR=…
	$(BOLID) train vae --config $(TRAIN) --workdir $(WORKDIR)

test: $(ORT)  ## run every test
	cargo test --release --locked --workspace

# CUDA, put together from wheels: no GPU is needed to build. CUDA_CAP: the oldest cards to run on, 80 for A100
# and later.
CUDA     := $(CURDIR)/.cache/cuda
CUDA_CAP ?= 80
CARGO_CUDA = CUDA_HOME=$(CUDA) CUDA_PATH=$(CUDA) PATH=$(CUDA)/bin:$$PATH CUDA_COMPUTE_CAP=$(CUDA_CAP) \
  LIBRARY_PATH=$(CUDA)/lib/stubs:$(CUDA)/lib CARGO_TARGET_DIR=target/cuda cargo
# NCCL=1: gradients of several cards go between the cards; the program then needs NCCL where it runs.
CUDA_FEATURES := --release --locked --features cuda,cudnn $(if $(NCCL),--features nccl)

build-cuda: $(CUDA)/bin/nvcc  ## target/cuda/release/bolid-cuda, for NVIDIA GPUs; CUDA_CAP=80 NCCL=1
	$(CARGO_CUDA) build $(CUDA_FEATURES) --bin bolid
	$(CARGO_CUDA) build $(CUDA_FEATURES) --package train --example gpu_check
	cp target/cuda/release/bolid target/cuda/release/bolid-cuda

# Against stand-ins for the driver: what needs a card is in scripts/gpu_check.sh.
check-cuda: build-cuda  ## the CUDA build, and its tests that need no GPU
	LD_LIBRARY_PATH=$(CUDA)/lib/stubs:$(CUDA)/lib $(CARGO_CUDA) test $(CUDA_FEATURES) --package train
	LD_LIBRARY_PATH=$(CUDA)/lib/stubs:$(CUDA)/lib target/cuda/release/bolid-cuda --version

$(CUDA)/bin/nvcc: scripts/cuda_toolkit.sh
	cargo fetch --locked
	PYTHON=$(PYTHON) scripts/cuda_toolkit.sh $(CUDA)

test-galleries: build  ## galleries of sigal, lazygal, igal2, fgallery (pip, apt); GALLERIES=--allow-missing
	@test -x .cache/galleries/bin/sigal || ($(PYTHON) -m venv .cache/galleries && \
	  .cache/galleries/bin/python -m pip install --quiet sigal==2.6.1) || echo "sigal: pip cannot fetch it"
	cargo run --release --locked --quiet -p synth --example sized_photos -- --seed 80 --photos 12 \
	  --sizes 1200x1600,1000x1400,600x800 --out .cache/galleries/photos
	$(PYTHON) scripts/test_galleries.py --bolid $(BOLID) --photos .cache/galleries/photos --out .cache/galleries/out \
	  --sigal .cache/galleries/bin/sigal $(GALLERIES)

test-docs: build  ## the commands of README.md and docs, as they stand there
	cargo run --release --locked --quiet -p synth --example sized_photos -- --seed 81 --photos 24 --sizes 1200x1600 \
	  --out .cache/docs/photos
	$(PYTHON) scripts/test_docs.py --bolid $(BOLID) --photos .cache/docs/photos

test-report: $(ORT)  ## the report's page in a browser; needs Chromium
	cargo test --release --locked --test it review:: -- --ignored

test-python: build  ## files against diffusers, torch, tensorboard, webdataset, datasets, mlcroissant, zstandard, pyzstd; PYTHON has those, transformers, ultralytics
	BOLID_PYTHON=$(PYTHON) cargo test --release --locked -p train --test it -- --ignored
	BOLID_PYTHON=$(PYTHON) cargo test --release --locked -p snapshot --test it readers:: -- --ignored
	BOLID_PYTHON=$(PYTHON) cargo test --release --locked --test it quantized
	BOLID=$(BOLID) $(PYTHON) scripts/test_export_models.py

fuzz:  ## each fuzz target for S seconds; S=60 TARGETS="robots list" (fuzz/README.md)
	fuzz/run $(or $(S),60) $(TARGETS)

lint:  ## formatting and lints, no warnings allowed
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --release --locked --workspace --all-targets -- --deny warnings

bench: bench-pixels bench-judge bench-caption bench-measure bench-prepare bench-import bench-export bench-read bench-unet bench-pictures bench-vae  ## speed beside other ways, in one run each; PYTHON with torch and diffusers, or pip

bench-pixels: build
	cargo run --release --locked --quiet -p curate --example speed
	@if command -v cmake > /dev/null && command -v nasm > /dev/null; then \
	  cargo run --release --locked --quiet -p curate --features turbojpeg --example speed; \
	else echo "libjpeg-turbo beside it: skipped, cmake and nasm are not installed"; fi

bench-judge: build
	cargo run --release --locked --quiet -p curate --example million_hashes
	cargo build --release --locked --quiet --bin bolid --example judge_speed && target/release/examples/judge_speed

# Photos per second beside what a server's latency allows.
bench-caption: build
	cargo build --release --locked --quiet --bin bolid --example caption_speed && target/release/examples/caption_speed

BENCH  := .cache/bench
# The published detectors, where `make models` has fetched them.
MODELS ?= $(firstword $(wildcard .cache/models/models.toml) data/models/models.toml)

bench-measure: build  # photos/s beside bare sessions, onnxruntime and ultralytics; MODELS=models.toml, BENCH_PHOTOS=24
	@if $(MAKE) --no-print-directory python; then \
	  cargo run --release --locked --quiet -p synth --example sized_photos -- \
	    --photos $(or $(BENCH_PHOTOS),24) --out $(BENCH)/photos && \
	  cargo run --release --locked --quiet -p synth --example sized_photos -- \
	    --seed 78 --photos 48 --sizes 1000x1400 --out $(BENCH)/calibration && \
	  .cache/python/bin/python scripts/bench_measure.py --bolid $(BOLID) --photos $(BENCH)/photos \
	    --calibration $(BENCH)/calibration/1000x1400 --models $(MODELS); \
	else echo "measuring beside other ways: skipped, pip cannot fetch scripts/requirements.txt"; fi

bench-prepare: build  # photos/s of decoding, weighting and writing tensors beside OpenCV, Pillow and NumPy; BENCH_PREPARE=200
	@if $(MAKE) --no-print-directory python; then \
	  cargo build --release --locked --quiet -p curate --example speed && \
	  cargo run --release --locked --quiet -p synth --example sized_photos -- --seed 79 \
	    --photos $(or $(BENCH_PREPARE),200) --out $(BENCH)/prepare/photos && \
	  .cache/python/bin/python scripts/bench_prepare.py --bolid $(BOLID) --photos $(BENCH)/prepare/photos \
	    --speed target/release/examples/speed; \
	else echo "preparing beside other ways: skipped, pip cannot fetch scripts/requirements.txt"; fi

bench-import: build  # photos/s and CPU beside img2dataset; memory and speed over 100,000 photos
	cargo build --release --locked --quiet -p crawler --example loopback
	target/release/examples/loopback crawl
	@if test -x .cache/img2dataset/bin/img2dataset || ($(PYTHON) -m venv .cache/img2dataset && \
	  .cache/img2dataset/bin/python -m pip install --quiet img2dataset==1.47.0); then \
	  $(PYTHON) benches/import.py --bolid $(BOLID) --server target/release/examples/loopback \
	    --python .cache/img2dataset/bin/python; \
	else echo "import beside img2dataset: skipped, pip cannot fetch it"; fi

bench-export:  # an export to tar files beside tar; EXPORT_PHOTOS=5000
	cargo run --release --locked --quiet -p snapshot --example export_speed -- $(or $(EXPORT_PHOTOS),5000)

# MANY=5000 for a quick look; 50,000 photos take half an hour, nearly all of it to draw them.
bench-snapshot: build  ## prepare, create, verify and export a snapshot of many photos: time and memory; MANY=50000
	@if $(MAKE) --no-print-directory python; then \
	  cargo run --release --locked --quiet -p synth --example sized_photos -- --seed 82 --photos 48 --sizes 300x400 \
	    --out $(BENCH)/snapshot/people && \
	  .cache/python/bin/python scripts/bench_snapshot.py --bolid $(BOLID) --people $(BENCH)/snapshot/people \
	    --photos $(or $(MANY),50000) --out $(BENCH)/snapshot/out; \
	else echo "a snapshot of many photos: skipped, pip cannot fetch scripts/requirements.txt"; fi

python: .cache/python/ready  ## a Python of the project's own, for the scripts

.cache/python/ready: scripts/requirements.txt
	test -x .cache/python/bin/python || $(PYTHON) -m venv .cache/python
	.cache/python/bin/python -m pip install --quiet --requirement $<
	touch $@

models: build python  ## export published detectors to .cache/models (their licences are their own)
	.cache/python/bin/python scripts/export_models.py --out .cache/models --bolid $(BOLID)

# ISA=avx2: both sides as on a processor without AVX-512, ours in a build of its own.
ISA ?= native
ifeq ($(ISA),avx2)
bench-unet: export ATEN_CPU_CAPABILITY := avx2
bench-unet: export ONEDNN_MAX_CPU_ISA := AVX2
bench-unet: export MKL_ENABLE_INSTRUCTIONS := AVX2
bench-unet: export CARGO_TARGET_DIR := target/avx2
KERNELS := --no-default-features
endif

# $(call with-torch,IMPORT,PACKAGES,TITLE,COMMAND) runs COMMAND with $$python. PyTorch is large: a PYTHON that
# has it is used as it is; otherwise it is put into a virtual environment.
define with-torch
@if $(PYTHON) -c 'import $(1)' 2>/dev/null; then python=$(PYTHON); else \
	  python=.cache/python/bin/python; \
	  test -x $$python || $(PYTHON) -m venv .cache/python; \
	  $$python -c 'import $(1)' 2>/dev/null || $$python -m pip install --quiet $(2) || python=; \
	fi; \
	if [ -z "$$python" ]; then echo "$(3): skipped, pip cannot get $(2); PYTHON=… names one that has it"; else $(4); fi
endef

bench-unet:  # ISA=avx2
	$(call with-torch,torch; import diffusers,$(TORCH),UNet against PyTorch,cargo run --release --locked --quiet -p train \
	  $(KERNELS) --example unet_speed -- $$python .cache/unet_speed)

# Seconds per picture beside diffusers: the demo base, and SD 1.5's shape.
bench-pictures:
	$(call with-torch,torch; import diffusers,$(TORCH),pictures against diffusers,cargo run --release --locked --quiet -p train \
	  --example picture_speed -- $$python .cache/picture_speed data/models/tiny-sd)

# A step of the body-VAE beside PyTorch.
bench-vae:
	$(call with-torch,torch,$(firstword $(TORCH)),body-VAE against PyTorch,cargo run --release --locked --quiet -p train \
	  --example vae_speed -- $$python)

# The newest demo snapshot of WORKDIR, or SNAPSHOT, plain and compressed.
bench-read: build  # views/s and GB/s from the page cache, plain shards beside zstd; SNAPSHOT=…
	@test -n "$(SNAPSHOT)" || ls $(WORKDIR)/snapshots/demo-*/manifest.json > /dev/null 2>&1 || \
	  $(MAKE) --no-print-directory dataset
	cargo run --release --locked --quiet -p train --example read_speed -- \
	  $(or $(SNAPSHOT),$$(ls -td $(WORKDIR)/snapshots/demo-*/ | head -1))

SIZE ?= quick
# The page in docs is that of the full size.
PAGE ?= $(if $(filter full,$(SIZE)),docs/experiment.md,$(WORKDIR)/experiment.md)

# It goes on where it was stopped. `quick` is estimated at half an hour on two cores; `full` took an hour
# beside other work, after a quarter of an hour for drawing and caching its photos.
experiment: build  ## the adapter beside the plain base, IP-Adapter's recipe and DreamBooth; SIZE=quick|full PAGE=…
	$(BOLID) experiment --config data/recipes/experiment-$(SIZE).toml --workdir $(WORKDIR) --page $(PAGE)

# Whatever changes the demo's snapshot on purpose is followed by this.
demo-lock: build  ## write data/locks/demo anew, and its id into README.md
	rm -rf .cache/demo-lock
	$(BOLID) dataset --recipe data/recipes/demo.toml --set 'lock=""' --workdir .cache/demo-lock
	$(BOLID) snapshot lock demo --workdir .cache/demo-lock --out data/locks/demo
	id=$$(basename .cache/demo-lock/snapshots/demo-*) && sed -i "s/demo-[0-9a-f]\{12\}/$$id/" README.md

# Exit code 3, another id, is what is expected where everything is measured anew, and nowhere else: not from
# the lock's values, nor where values within a rounding of the lock's are settled. Linux on x86-64 alone: see
# scripts/as_processor.c.
AS_PROCESSOR = env AS_PROCESSOR=$$processor LD_PRELOAD=$(CURDIR)/.cache/as_processor.so $(BOLID) dataset
check-processors: build  ## what models say on processors with AVX2 only and without AVX, and the demo's id there
	mkdir -p .cache
	$(or $(CC),cc) -O1 -shared -fPIC -o .cache/as_processor.so scripts/as_processor.c
	rm -rf .cache/processors
	for processor in avx2 sse; do work=.cache/processors/$$processor; echo "$$processor"; \
	  $(AS_PROCESSOR) --locked data/locks/demo --remeasure --workdir $$work || test $$? = 3 || exit 1; \
	  $(AS_PROCESSOR) --locked data/locks/demo --workdir $$work || exit 1; \
	  $(AS_PROCESSOR) --recipe data/recipes/demo.toml --workdir $$work/anew || exit 1; done

demo: build  ## serve the demo gallery, to look at in a browser
	$(BOLID) serve-demo

check-real: build  ## people counts on labelled real photos; MODELS=DIR PHOTOS=DIR
	$(BOLID) check-real --models $(MODELS) --photos $(PHOTOS) --sheet check-real.png

evaluate-duplicates:  ## recall and precision of near-duplicates on people never tuned on; SEED=…
	cargo run --release --locked --quiet -p curate --example near_duplicates -- $(SEED)

evaluate-models:  ## figures of the demo models on people never trained on; SEED=…
	cargo run --release --locked -p synth --example training_set -- \
	  --seed $(SEED) --people 1000 --marks 200 --gallery 200 --out .cache/evaluate-$(SEED)
	test -x .cache/python/bin/python || $(PYTHON) -m venv .cache/python
	.cache/python/bin/python -m pip install --quiet numpy onnxruntime==$(ORT_VERSION)
	.cache/python/bin/python data/models/training/evaluate.py --data .cache/evaluate-$(SEED)

$(ORT_LIBRARY):
	@mkdir -p $(@D)
	$(PYTHON) -m pip download --quiet --no-deps --only-binary=:all: --dest $(@D) onnxruntime==$(ORT_VERSION)
	$(PYTHON) -m zipfile -e $(@D)/onnxruntime-$(ORT_VERSION)-*.whl $(@D)
	mv $(@D)/onnxruntime/capi/libonnxruntime.so.$(ORT_VERSION) $@
	rm -rf $(@D)/onnxruntime $(@D)/onnxruntime-*
