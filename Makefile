# Two commands set everything up on a fresh machine: `make train` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BUNDLE := bundles/myelin_sem_segmentation
RUN := $(abspath $(VENV))/bin/python -m monai.bundle run --config_file

.PHONY: train test check clean

## Fetch a real micrograph, train, evaluate on its held-out region, and draw the picture.
train: $(VENV)/.bundle-installed
	$(VENV)/bin/python -m monai_cwmi fetch-sample myelin_sem
	cd $(BUNDLE) && $(RUN) configs/train.json
	cd $(BUNDLE) && $(RUN) configs/inference.json
	cd $(BUNDLE) && $(RUN) "['configs/train.json','configs/evaluate.json']"
	@echo
	@echo "Held-out Dice (mean, then each class):"
	@cat $(BUNDLE)/eval/metrics.csv
	@echo
	@echo "Written:"
	@echo "  data set          $$($(VENV)/bin/python -m monai_cwmi fetch-sample myelin_sem)"
	@echo "  model             $(abspath $(BUNDLE))/models/model.pt"
	@echo "  held-out metrics  $(abspath $(BUNDLE))/eval/metrics.csv"
	@echo "  picture           $(abspath $(BUNDLE))/eval/test_pred.png  (image, target, prediction)"
	@echo "  label image       $(abspath $(BUNDLE))/output/test_seg.png"
	@echo "  TensorBoard       $(VENV)/bin/tensorboard --logdir $(BUNDLE)/eval"

## Run all tests.
test: $(VENV)/.dev-installed
	$(VENV)/bin/python -m pytest

## Lint, format check and types.
check: $(VENV)/.dev-installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

$(VENV)/.%-installed: setup.cfg pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) $(BUNDLE)/models $(BUNDLE)/eval $(BUNDLE)/output
