# Two commands do everything: `make demo` and `make test`. Each makes the environment it needs.
#
#   PYTHON=python3.12 make demo      another interpreter (3.11 or later)
#   TORCH_ARGS="--index-url URL"     where to take torch from, e.g. PyTorch's CPU or CUDA index

PYTHON ?= python3
TORCH_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0
UV := uv==0.13.8

export PATH := $(abspath $(BIN)):$(PATH)
export DVC_NO_ANALYTICS := 1
# One command, one core set: the frameworks' thread pools must not fight over it.
export PYTHONUNBUFFERED := 1
# Where Python may not keep compiled modules, every command would compile Dagster anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-extraction demo ui repro test unit check proof lock clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

# torch comes first and exactly: a range would bring another build with it. The rest is installed
# from hashed locks; --no-deps because the lock is complete.
$(VENV)/.torch: Makefile
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH_ARGS) $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV)
	@touch $@

$(VENV)/.base: $(VENV)/.torch requirements/base.lock pyproject.toml
	@echo "installing the base environment"
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/base.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.all: $(VENV)/.base requirements/all.lock
	@echo "installing the extraction backends and the development tools"
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/all.lock
	@touch $@

setup: $(VENV)/.base  ## Install what `make demo` needs into .venv
setup-extraction: $(VENV)/.all  ## Also install ultralytics, paddle and the development tools

demo: $(VENV)/.base  ## Synthetic videos to a verified release, in minutes
	@$(BIN)/gaitworks demo

ui: $(VENV)/.base  ## Open the Dagster UI on this workspace
	@$(BIN)/gaitworks ui

repro: $(VENV)/.base  ## `dvc repro`: the same pipeline through DVC
	@$(BIN)/dvc repro

test: $(VENV)/.all  ## The whole test suite
	$(BIN)/python -m pytest -n 2 --dist worksteal -rs -m "not proof and not data and not gpu"

unit: $(VENV)/.all  ## Only the tests that end in seconds
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/unit -m "not slow and not proof and not gpu" -q

check: $(VENV)/.all  ## Format, lint, types, layers and unit tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/unit -m "not slow and not proof and not gpu" -q

proof: $(VENV)/.all  ## The long proofs: fault injection at full count, statistics
	$(BIN)/python -m pytest -m proof -o faulthandler_timeout=0

# The locks leave out torch and the CUDA packages it brings: see "Installing" in the README.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header $(foreach p,torch triton cuda-bindings cuda-pathfinder cuda-toolkit \
	nvidia-cublas nvidia-cuda-cupti nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 \
	nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 \
	nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx,--no-emit-package $(p))

lock: $(VENV)/.torch  ## Resolve pyproject.toml into the committed locks
	$(LOCK) --all-extras -o requirements/all.lock pyproject.toml
	$(LOCK) -c requirements/all.lock -o requirements/base.lock pyproject.toml

clean:  ## Remove the demo's inputs, results and scratch (keeps .venv)
	rm -rf data releases .gaitworks dvc_plots
	find raw truth .dagster -mindepth 1 -not -name README.md -not -name dagster.yaml -delete
