# Every command sets up what it needs from a bare python3 (3.11 or newer), make and a package index.
PYTHON ?= python3
UV     := .tools/bin/uv
LOCK   := versions.lock

export BENTOML_DO_NOT_TRACK := true
export UV_PYTHON_DOWNLOADS := never

.PHONY: help demo serve bench zoo bento image image-test manifests setup ray test test-slow test-all readme lock clean
.DEFAULT_GOAL := help

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv-serve/.ready  ## serve the bundled models, predict, evaluate, weigh the best, end to end (no torch, no data)
	.venv-serve/bin/python -m benchmarks demo

serve: .venv-serve/.ready  ## leave the service running on http://localhost:3000 (PORT=… for another)
	.venv-serve/bin/python -m bentoml serve . --port $(or $(PORT),3000)

bench: .venv-serve/.ready  ## micro-benchmarks, load per model, and the HTML report
	.venv-serve/bin/python -m benchmarks

zoo: .venv/.ready  ## train what is missing, export all into artifacts/ (RECIPES="fm002-ann cf003" MINUTES=60 PLAN=1)
	.venv/bin/python -m export zoo $(RECIPES) $(if $(FORMATS),--format $(FORMATS)) --to $(or $(TO),artifacts) \
	  $(if $(JOBS),--jobs $(JOBS)) $(if $(MINUTES),--max-minutes $(MINUTES)) $(if $(PLAN),--plan)

bento: .venv-serve/.ready  ## pack the service and its models into BentoML's store, without torch
	.venv-serve/bin/python -m bentoml build

# BentoML reads the template of the Dockerfile from its temporary folder, and only when that is below the current one.
image: bento  ## make a container image of it (DEVICE=cuda BACKEND=podman TAG=…; see docs/deploy.md)
	cd "$${TMPDIR:-/tmp}" && "$(CURDIR)/.venv-serve/bin/python" -m bentoml containerize weighbridge:latest \
	  --image-tag $(or $(TAG),weighbridge:$(or $(DEVICE),cpu)) --opt build-arg=DEVICE=$(or $(DEVICE),cpu) \
	  --backend $(or $(BACKEND),docker) $(if $(filter podman buildah,$(BACKEND)),--opt format=docker) $(OPTS)

image-test: .venv/.ready .venv-serve/.ready  ## build and run the images with Debian's buildah and podman; root, minutes
	WEIGHBRIDGE_CONTAINER_TEST=1 .venv/bin/python -m pytest -q tests/container

manifests: .venv/.ready .venv-manifests/.ready  ## build the Kubernetes manifests and check them against the schemas
	.venv/bin/python -m pytest -q tests/deploy/test_kubernetes.py

setup: .venv/.ready  ## everything for development: training, export, tests

ray: .venv-ray/.ready  ## .venv-ray with Ray, for training and evaluation on a cluster; its tests run where it is

# Real servers and clocks beside another process of tests: what fails there is named, and tried again with nothing beside it.
PYTEST := .venv/bin/python -m pytest
AGAIN   = [ $$? = 1 ] && echo "once more, alone:" && $(PYTEST) --last-failed --last-failed-no-failures none

test: .venv/.ready  ## the linter, types, and every test but the slow ones: some minutes
	.venv/bin/python -m ruff check .
	.venv/bin/python -m mypy
	$(PYTEST) -n 2 --dist loadfile -p no:benchmark -m "not slow" || { $(AGAIN); }

test-slow: .venv/.ready .venv-serve/.ready  ## servers killed, trainings resumed, whole measurements; and the demo
	$(PYTEST) -n 2 --dist loadfile -p no:benchmark -m slow || { $(AGAIN); }
	.venv-serve/bin/python -m benchmarks demo --seconds 2

test-all: test test-slow  ## both; CI also has manifests and foreign models to test with, and runs image-test (.ci/run)

readme: .venv-serve/.ready  ## make the generated tables of the README anew
	.venv-serve/bin/python -m benchmarks.readme

lock: $(UV)  ## resolve the versions again, for every supported Python
	$(UV) pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	  --no-emit-index-url --group dev --group ray --upgrade --output-file $(LOCK)

clean:  ## remove environments and generated files
	rm -rf .venv .venv-serve .venv-manifests .venv-peers .venv-crosscheck .venv-openvino .venv-ray .venv-foreign .tools runs artifacts benchmarks/runs

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Weighbridge needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Try make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .tools || { echo "python3 cannot make virtual environments (Debian: apt install python3-venv)"; exit 1; }
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check uv

# .venv-serve has no torch: what runs there proves that serving does not need it.
.venv-serve/.ready: $(UV) pyproject.toml $(LOCK)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv-serve
	$(UV) pip install --quiet --python .venv-serve --constraint $(LOCK) --group bench
	@touch $@

.venv-ray/.ready: $(UV) pyproject.toml $(LOCK)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv-ray
	$(UV) pip install --quiet --python .venv-ray --constraint $(LOCK) --group ray
	@touch $@

# KServe's types are read from its SDK, of which nothing is run: it comes without what it would need.
.venv-manifests/.ready: $(UV) pyproject.toml
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv-manifests
	$(UV) pip install --quiet --python .venv-manifests --group manifests
	$(UV) pip install --quiet --python .venv-manifests --no-deps kserve==0.21.0
	@touch $@

# Classifiers that other projects ship, for the tests of importing; nothing of theirs is run but the ONNX files.
.venv-foreign/.ready: $(UV) pyproject.toml
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv-foreign
	$(UV) pip install --quiet --python .venv-foreign --no-deps --group foreign
	@touch $@

.venv/.ready: $(UV) pyproject.toml $(LOCK)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	$(UV) pip install --quiet --python .venv --constraint $(LOCK) --group dev
	@touch $@
