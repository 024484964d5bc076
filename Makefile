# make report: install what is missing, measure the bundled model and write reports/example/report-digits/index.html
# make test:   install what is missing and run the tests
# make docs:   the documentation site, build/docs/index.html; a warning, such as a link that leads nowhere, is an error
# make paper:  the figures of reports/example/ on photo tiles and two-moons (needs the Debian packages named in README.md)
# make dist:   wheel and sdist in dist/, checked
# make check-dist: the same, then the wheel in a fresh environment and a small report from it in another folder
# make test-oldest: a part of the tests with the oldest torch, NumPy and pandas that pyproject.toml allows
# make studies: models trained on Fashion-MNIST, figures 2 and 4 of the paper; interrupted, it goes on where it stopped
PYTHON ?= python3
EXTRAS ?= dev
VENV := .venv
INSTALLED := $(VENV)/.installed
RELEASING := $(VENV)/.releasing

.PHONY: report test lint docs paper studies dist check-dist test-oldest

report: $(INSTALLED)
	$(VENV)/bin/fmdiag report --out reports/example/report-digits --overwrite

test: $(INSTALLED)
	# What each of hundreds of processes would compile anew is kept, whatever the environment says.
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist worksteal

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/basedpyright

docs: $(INSTALLED)
	$(VENV)/bin/python -m sphinx -q -E -W --keep-going -b html docs build/docs

dist: $(INSTALLED) $(RELEASING)
	$(VENV)/bin/python -m checks.dist --build-only

check-dist: $(INSTALLED) $(RELEASING)
	$(VENV)/bin/python -m checks.dist

test-oldest: $(INSTALLED)
	$(VENV)/bin/python -m checks.oldest

paper: $(INSTALLED)
	$(VENV)/bin/fmdiag alignment --dataset two-moons --out reports/example/figure-1a-two-moons --overwrite
	$(VENV)/bin/fmdiag alignment --dataset photo-tiles --size 32 --n 50000 \
	    --out reports/example/figure-1a-photo-tiles --overwrite
	$(VENV)/bin/fmdiag alignment --dataset photo-tiles --size 128 --sizes 8,16,32,64,128 --times 0.01:0.97:49 --memory 2GB \
	    --out reports/example/figure-1c-photo-tiles --overwrite

# Both share their parts and go on where they stopped: seven minutes by 15 processes on an H200; a model takes an hour
# on one core.
STUDY := --dataset fashion-mnist --network unet2d --channels 32,64,96 --depth 1 --no-attention --batch-size 64 \
    --lr 1e-3 --steps 8000 --evaluations 4 --n-steps 25 --seeds 3 --parts reports/example/study-size-fashion-mnist/parts
studies: $(INSTALLED)
	$(VENV)/bin/fmdiag study size $(STUDY) --sizes 100,1000,10000,all --out reports/example/study-size-fashion-mnist
	$(VENV)/bin/fmdiag study losses $(STUDY) --sizes all --losses cfm,efm:512 \
	    --out reports/example/study-losses-fashion-mnist

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	# Its dependencies would bring torchvision; the tests of its checkpoints need its U-Net only.
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps torchcfm
	touch $@

$(RELEASING): $(INSTALLED)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt build twine check-wheel-contents
	touch $@
