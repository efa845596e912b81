# Every target does its own set-up. `make` alone prints them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOURS ?= 24
FAULTS ?= 200
SERVER ?= pulseaudio
RUNS ?= 200000
MACHINE := $(shell uname -m)
# Many tests wait for real time: twice as many processes as there are cores. JOBS=0 runs them one after another.
JOBS ?= $(shell expr 2 \* $$(nproc))
PYTEST := -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
# PulseAudio and PipeWire stand in for a microphone in the tests, espeak-ng and flite speak words, mosquitto is a broker; the detector needs libportaudio2 alone.
TEST_PACKAGES := pulseaudio pulseaudio-utils libasound2-plugins pipewire pipewire-pulse wireplumber dbus-daemon espeak-ng flite mosquitto mosquitto-clients openssl curl logrotate

.DEFAULT_GOAL := help

help:  ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/installed  ## create .venv and install the project into it

demo: setup  ## play a recording through the whole pipeline, as if spoken into a microphone
	@$(BIN)/keyword-detector listen tests/recordings/demo.flac

listen: setup  ## listen to the default microphone
	@$(BIN)/keyword-detector listen

test: $(VENV)/installed-tests  ## pass the tests (installs TensorFlow where it has a wheel)
	$(BIN)/python $(PYTEST)

coverage: $(VENV)/installed-tests  ## pass the tests, and measure which branches of the detector they reach
	@rm -f .coverage*
	$(BIN)/python -m coverage run $(PYTEST)
	@$(BIN)/python -m coverage combine -q
	@$(BIN)/python -m coverage report

lint: $(VENV)/installed-lint  ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: setup  ## measure the cost of detection, in ratios
	$(BIN)/python tests/benchmarks/bench_detect.py

bench-train: $(VENV)/installed-tests  ## measure what a training step waits for, in ratios
	$(BIN)/python tests/benchmarks/bench_train.py

soak: $(VENV)/installed-tests  ## hear through random faults for HOURS=24 of simulated time (minutes)
	$(BIN)/python tests/soak/simulated.py --hours $(HOURS)

soak-live: $(VENV)/installed-tests  ## the same on a real sound server, SERVER=pulseaudio, pipewire or pipewire-pulse, FAULTS=200 (half an hour)
	$(BIN)/python tests/soak/live.py --server $(SERVER) --faults $(FAULTS)

soak-broker: $(VENV)/installed-tests  ## publish to an MQTT broker that comes and goes, FAULTS=200 times (a quarter of an hour)
	$(BIN)/python tests/soak/broker.py --faults $(FAULTS)

fuzz: $(VENV)/installed-tests  ## read RUNS=200000 made-up files of each kind
	@$(BIN)/python -m pip install -q --disable-pip-version-check --group fuzz
	@for target in settings manifest recording stdin flight; do \
	  echo "$$target"; $(BIN)/python tests/fuzz/fuzz.py $$target -runs=$(RUNS) 2>&1 | grep -a "DONE\|ERROR\|Error"; \
	done

learn: $(VENV)/installed-tests  ## run the notebooks of docs/learn and write them as web pages
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[learn]'
	$(BIN)/python -m jupyter nbconvert --execute --to html --output-dir docs/learn/html docs/learn/*.ipynb
	@sed -i 's/\.ipynb">/.html">/g; s#href="\.\./#href="../../#g' docs/learn/html/*.html

install-service: ## install and start the system service (needs root); DESTDIR=TREE: install into a tree
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" = 0 ] || { echo "needs root: sudo make install-service"; exit 1; }
	$(call need,python3-venv $(if $(DESTDIR),,libportaudio2))
	@DESTDIR="$(DESTDIR)" PYTHON="$(PYTHON)" systemd/install
	@if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then \
	  systemctl daemon-reload && systemctl enable keyword-detector && systemctl restart --no-block keyword-detector && \
	  echo "started; 'systemctl status keyword-detector' tells what it hears"; \
	else echo "installed; nothing was started"; fi

uninstall-service: ## stop and remove the system service; its settings stay
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" = 0 ] || { echo "needs root: sudo make uninstall-service"; exit 1; }
	@if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then \
	  systemctl disable --now keyword-detector \
	    $$(systemctl list-units --all --plain --no-legend 'keyword-detector@*.service' | cut -d ' ' -f 1) || true; \
	fi
	rm -f "$(DESTDIR)"/etc/systemd/system/keyword-detector.service "$(DESTDIR)"/etc/systemd/system/keyword-detector@.service
	rm -rf "$(DESTDIR)"/opt/keyword-detector
	@if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
	@echo "removed; /etc/keyword-detector.toml and /etc/keyword-detector are left"

lock: setup  ## choose the versions that install-service installs anew
	@$(BIN)/python -m pip install -q --disable-pip-version-check --group lock
	$(BIN)/python -m uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url --extra all -o systemd/requirements.lock pyproject.toml


clean:  ## remove .venv and what was built
	rm -rf $(VENV) dist build .coverage* .pytest_cache .mypy_cache .ruff_cache

# What a fresh system lacks is named with the command that installs it, and installed when we are root.
define need
	@missing=""; \
	for package in $(1); do dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ] && command -v apt-get >/dev/null; then \
	  if [ "$$(id -u)" = 0 ]; then \
	    echo "installing$$missing"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	  else \
	    echo "missing system packages; install them with: sudo apt-get install$$missing"; \
	  fi; \
	fi
endef

$(VENV)/bin/python:
	$(call need,libportaudio2)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "expected Python 3.11 to 3.13, found $$($(PYTHON) --version): set PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null; \
	  else \
	    echo "missing system packages; install them with: sudo apt-get install python3-venv"; exit 1; \
	  fi; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml $(VENV)/bin/python
	@echo "installing keyword-detector into $(VENV)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check 'pip>=25.1'
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

$(VENV)/installed-tests: $(VENV)/installed
	$(call need,$(TEST_PACKAGES))
	@# PipeWire's plugin of ALSA cannot be installed beside PulseAudio: it is unpacked, for the tests alone.
	@cd $(VENV) && apt-get download -qq pipewire-alsa >/dev/null 2>&1 && dpkg -x pipewire-alsa_*.deb pipewire-alsa && \
	  rm pipewire-alsa_*.deb || echo "pipewire-alsa could not be had: its tests are skipped"
	@# Prometheus's package would start a server for good: it is unpacked, for the tests alone.
	@cd $(VENV) && apt-get download -qq prometheus >/dev/null 2>&1 && dpkg-deb --fsys-tarfile prometheus_*.deb | \
	  tar -x --one-top-level=prometheus ./usr/bin && rm prometheus_*.deb || echo "Prometheus could not be had: its tests are skipped"
	@echo "installing what the tests need, TensorFlow included"
	@if $(BIN)/python -m pip install -q --disable-pip-version-check --dry-run --only-binary :all: -e '.[train-cpu]' 2>/dev/null; then \
	  $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[train-cpu]'; \
	elif [ "$(MACHINE)" = x86_64 ] || [ "$(MACHINE)" = aarch64 ]; then \
	  echo "TensorFlow could not be installed; is the package registry reachable?"; exit 1; \
	else \
	  echo "TensorFlow has no wheel for $(MACHINE): the tests that need it are skipped"; \
	fi
	@$(BIN)/python -m pip install -q --disable-pip-version-check --group test
	@touch $@

$(VENV)/installed-lint: $(VENV)/installed-tests
	@$(BIN)/python -m pip install -q --disable-pip-version-check --group lint
	@touch $@

.PHONY: help setup demo listen test coverage lint bench bench-train soak soak-live soak-broker fuzz learn install-service uninstall-service lock clean
