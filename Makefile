# Two commands set everything up on a fresh machine: `make train` and `make test`.
# `make docs` builds the documentation.
PYTHON ?= python3
VENV ?= .venv
# Which bundle to train: myelin_sem_segmentation, neurite_em_segmentation, tissue_mr_segmentation, organ_ct_segmentation;
# or one whose data you downloaded: make train BUNDLE=vessel_fundus_segmentation DOWNLOAD=path/of/DRIVE
# Where a bundle reads several data sets, the files in DOWNLOAD tell which it is.
BUNDLE ?= myelin_sem_segmentation
DOWNLOAD ?=
FOLDER := bundles/$(BUNDLE)
RUN := $(abspath $(VENV))/bin/python -m monai.bundle run $(if $(DOWNLOAD),--download_dir "$(shell realpath "$(DOWNLOAD)")") --config_file
SAMPLE := $(VENV)/bin/python -m monai_cwmi fetch-sample $(BUNDLE:_segmentation=)

# A bundle has a data set of its own to fetch, or takes one that you downloaded, or both.
NO_SAMPLE := vessel_fundus_segmentation gland_histology_segmentation road_aerial_segmentation nuclei_microscopy_segmentation
TAKES_DOWNLOAD := $(NO_SAMPLE) neurite_em_segmentation
ifneq ($(filter train,$(MAKECMDGOALS)),)
ifeq ($(DOWNLOAD)$(filter-out $(NO_SAMPLE),$(BUNDLE)),)
$(error The data of $(BUNDLE) must be downloaded: see $(FOLDER)/docs/README.md, and give the folder as DOWNLOAD=folder)
endif
ifneq ($(DOWNLOAD),)
ifeq ($(filter $(TAKES_DOWNLOAD),$(BUNDLE)),)
$(error $(BUNDLE) takes no DOWNLOAD; it fetches its data by itself)
endif
endif
endif

.PHONY: train test test-fast check bundles docs linkcheck dist clean

## Fetch a bundle's real data, train, label the held-out images, evaluate, and draw the pictures.
train: $(VENV)/.bundle,clinic-installed
	$(if $(DOWNLOAD),,$(SAMPLE))
	cd $(FOLDER) && $(RUN) configs/train.json
	cd $(FOLDER) && $(RUN) configs/inference.json
	cd $(FOLDER) && $(RUN) "['configs/train.json','configs/evaluate.json']"
	@echo
	@echo "Held-out figures:"
	@cat $(FOLDER)/eval/metrics.csv
	@echo
	@echo "Written:"
	@echo "  data set          $(if $(DOWNLOAD),made of $(DOWNLOAD),$$($(SAMPLE)))"
	@echo "  model             $(abspath $(FOLDER))/models/model.pt"
	@echo "  held-out figures  $(abspath $(FOLDER))/eval/metrics.csv"
	@echo "  pictures          $$(find $(abspath $(FOLDER))/eval -name '*.png') (image, target, prediction)"
	@echo "  label maps        $$(find $(abspath $(FOLDER))/output -name '*_seg.*')"
	@echo "  TensorBoard       $(VENV)/bin/tensorboard --logdir $(FOLDER)/eval"

## Run all tests, a file at a time on each core.
test: $(VENV)/.dev-installed
	$(VENV)/bin/python -m pytest --numprocesses auto --dist loadfile --durations 15 --durations-min 1

## Run the tests that take no training, no build and no compiler: some minutes on two cores.
test-fast: $(VENV)/.dev-installed
	$(VENV)/bin/python -m pytest --numprocesses auto --dist loadfile --durations 15 --durations-min 1 -m "not slow"

## Lint, format check and types.
check: $(VENV)/.dev-installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

## Write the configuration files of all bundles from what tools/bundles says of each.
bundles: $(VENV)/.bundle-installed
	$(VENV)/bin/python tools/bundles/render.py

# Sphinx, with a warning for each reference that leads nowhere, and every warning an error.
SPHINX = $(VENV)/bin/python -m sphinx --nitpicky --fail-on-warning --keep-going --quiet

## Build the documentation and run its notebooks.
docs: $(VENV)/.docs-installed
	$(SPHINX) --builder html docs docs/_build/html
	@echo "Written: docs/_build/html/index.html"

## Ask the network whether the pages that the documentation links to are there.
linkcheck: $(VENV)/.docs-installed
	$(SPHINX) --builder linkcheck docs docs/_build/linkcheck

## Build a release into dist/: the source distribution, and the wheel from it.
dist: $(VENV)/.dist-installed
	rm -rf dist
	$(VENV)/bin/python -m build
	$(VENV)/bin/twine check --strict dist/*

$(VENV)/.%-installed: setup.cfg setup.py pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) dist bundles/*/models bundles/*/eval bundles/*/output docs/_build
