# Everything a contributor types. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# --- The machine, the extension ---------------------------------------------
# SABOTAGE is for the C tests and tests/prove alone: what is installed is never broken.
WHOLE := env -u SABOTAGE
PIP := $(WHOLE) PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip --no-input --quiet
PYTEST := $(WHOLE) $(BIN)/pytest

.PHONY: setup build
setup: ## what the machine needs: compiler, libraries, tools
	@PYTHON='$(PYTHON)' tools/setup.sh

build: $(VENV)/.built ## .venv with the package, editable, its extension compiled

$(VENV)/.made: | setup
	@echo "== $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install 'setuptools>=77'
	@touch $@

$(VENV)/.built: $(VENV)/.made pyproject.toml setup.py $(wildcard csrc/*/*.[ch]) | setup
	@echo "== webhooksub._core"
	@$(PIP) install --no-build-isolation --editable '.[dev]'
	@touch $@

# --- The demo, the tests of everything --------------------------------------
.PHONY: demo test hostile prove-foundation
# EVENTS=n publishes so many.
demo: build ## deliver events to a local HTTPS receiver and count both ends (EVENTS=n)
	@$(BIN)/webhooksub demo $(if $(EVENTS),--events $(EVENTS))

.PHONY: serve
# PORT=n serves there.
serve: build ## the subscription API with two people to ask it as (PORT=8000)
	@$(BIN)/python examples/serve/start.py build/serve $(if $(PORT),--port $(PORT))

# What counts CPU or time is marked `serial` and runs alone; 5 is "none of these".
test: build crash-build ## the C tests, then all tests in Python
	@$(MAKE) --no-print-directory ctest
	@$(PYTEST) -n 2 -m 'not serial' tests --ignore=tests/prove
	@$(PYTEST) -m serial tests --ignore=tests/prove || test $$? = 5
	@$(PYTEST) tests/prove
	@$(MAKE) --no-print-directory test-sqlalchemy test-django

# All other tests run with the newest.
SQLALCHEMY := build/sqlalchemy-2.0
.PHONY: test-sqlalchemy
test-sqlalchemy: build ## the store's tests with SQLAlchemy 2.0
	@[ -e $(SQLALCHEMY) ] || { $(PIP) install --no-deps --target $(SQLALCHEMY).new \
		'SQLAlchemy~=2.0.0' && mv $(SQLALCHEMY).new $(SQLALCHEMY); }
	@PYTHONPATH=$(SQLALCHEMY) $(BIN)/python -c 'from sqlalchemy import __version__ as version; \
		assert version.startswith("2.0."); print("== SQLAlchemy", version)'
	@PYTHONPATH=$(SQLALCHEMY) $(PYTEST) -q -n 2 tests/unit/test_store_*.py \
		tests/integration/test_many_dispatchers.py tests/integration/test_async_session.py \
		tests/contrib/test_flask.py

# All other targets draw their examples by a fixed seed.
.PHONY: explore
TIMES := 1
explore: build ## what is tested by examples, with others each time (TIMES=10)
	@for n in $$(seq $(TIMES)); do $(PYTEST) -q -n 2 --hypothesis-profile=any \
		$$(grep -lr --include='test_*.py' '^from hypothesis' tests) || exit; done

.PHONY: test-django
test-django: build ## the tests of Django's part with the newest Django that a Python here takes
	@$(WHOLE) $(BIN)/python tools/newest_django.py

# With SABOTAGE=no-prereq (no-opensocket, no-body-cap, no-resend-guard, no-lease-at-send,
# follow-redirects) on a build of its own without that defence: the tests that hold it fail, and so
# does this.
HOSTILE := tests/hostile tests/unit/test_subscription_hostile.py
hostile: build ## addresses, endpoints and certificates that mean harm (SABOTAGE=no-prereq …)
	@$(if $(SABOTAGE),$(WHOLE) $(BIN)/python tests/hostile/sabotage.py --show $(SABOTAGE),\
		$(PYTEST) -n 2 -m 'not serial' $(HOSTILE) && $(PYTEST) -m serial $(HOSTILE))

# ONLY="name …" proves with these sabotages alone.
prove-foundation: build ## show that the test of each step and promise can fail
	@$(BIN)/python tests/prove/prove.py $(ONLY)

# SABOTAGE=synchronous-off is the disk that lies.
.PHONY: powerloss
powerloss: build ## cut the power after every write, and see what is lost (EVENTS=n)
	@$(WHOLE) $(BIN)/python tests/powerloss/powerloss.py $(if $(EVENTS),--events $(EVENTS)) \
		$(if $(SABOTAGE),--synchronous FULL --sabotage $(SABOTAGE))

-include tests/prove/prove.mk
-include tests/crash/crash.mk
-include tests/failover/failover.mk
-include wheels/wheels.mk
-include tests/contract/contract.mk
-include tests/simulate/simulate.mk
-include tests/canary/canary.mk
-include tests/browser/browser.mk
-include tests/fork/fork.mk

# --- C core and its tests (no Python) ---------------------------------------
# SABOTAGE=name breaks one thing on purpose, to show that its test can fail.
SABOTAGE ?=
VARIANT ?= plain
CC ?= cc
BUILD := build/c-$(VARIANT)$(if $(SABOTAGE),-$(SABOTAGE))
PACKAGES := libcurl openssl libcjson
CFLAGS_COMMON := -std=c11 -D_GNU_SOURCE -g -O2 -fPIC -pthread \
	-Wall -Wextra -Wshadow -Wconversion -Werror
CFLAGS_plain :=
CFLAGS_asan := -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
CFLAGS_tsan := -fsanitize=thread -fno-omit-frame-pointer
CFLAGS_SABOTAGE := $(if $(SABOTAGE),-DWHS_SABOTAGE_$(subst -,_,$(SABOTAGE)))
CORE_CFLAGS = $(CFLAGS_COMMON) $(CFLAGS_$(VARIANT)) $(CFLAGS_SABOTAGE) -Icsrc/core \
	$(shell pkg-config --cflags $(PACKAGES))
CORE_LIBS = $(shell pkg-config --libs $(PACKAGES)) -lm
CORE_OBJECTS := $(patsubst csrc/core/%.c,$(BUILD)/%.o,$(wildcard csrc/core/*.c))
# T=name runs one test program.
C_TESTS := $(if $(T),$(BUILD)/test_$(T),$(patsubst tests/c/test_%.c,$(BUILD)/test_%,$(wildcard tests/c/test_*.c)))
C_TEST_SUPPORT := $(patsubst tests/c/%.c,$(BUILD)/support_%.o,$(filter-out tests/c/test_%.c,$(wildcard tests/c/*.c)))

$(BUILD)/%.o: csrc/core/%.c | setup
	@mkdir -p $(BUILD)
	@$(CC) $(CORE_CFLAGS) -MMD -c $< -o $@

$(BUILD)/support_%.o: tests/c/%.c | setup
	@mkdir -p $(BUILD)
	@$(CC) $(CORE_CFLAGS) -MMD -c $< -o $@

# An archive: a test links only what it needs.
$(BUILD)/libcore.a: $(CORE_OBJECTS) $(C_TEST_SUPPORT)
	@rm -f $@ && ar rcs $@ $^

$(BUILD)/test_%: tests/c/test_%.c $(BUILD)/libcore.a
	@$(CC) $(CORE_CFLAGS) -Wno-conversion -MMD -Itests/c $< $(BUILD)/libcore.a -o $@ -lcmocka $(CORE_LIBS)

-include fuzz/fuzz.mk
-include $(wildcard $(BUILD)/*.d)

.SECONDARY:
.PHONY: ctest asan tsan
C_TESTS_RUN := $(filter-out $(patsubst %,$(BUILD)/test_%,$(LEFT_OUT)),$(C_TESTS))
ctest: $(C_TESTS_RUN) $(FUZZ_REPLAYS) ## C tests of the core, without Python (T=name for one)
	@for t in $(C_TESTS_RUN) $(FUZZ_REPLAYS); do echo "== $$t"; $(RUN) $$t || exit 1; done

asan: ## the C tests under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory ctest VARIANT=asan

tsan: ## the C tests under ThreadSanitizer
	@$(MAKE) --no-print-directory ctest VARIANT=tsan

# A race is ThreadSanitizer's to see; here it is memory, and what nobody frees.
VALGRIND := valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
	--fair-sched=yes --suppressions=tests/c/valgrind.supp
.PHONY: valgrind asan-python
# Left out is what measures half seconds, which memcheck makes longer; asan and tsan run it.
valgrind: ## the C tests under valgrind's memcheck (T=name for one)
	@tools/setup.sh valgrind
	@$(MAKE) --no-print-directory ctest RUN='$(VALGRIND)' LEFT_OUT=transport_lookup

# The extension once more, sanitized, in build/asan-python, which stands first on PYTHONPATH.
# Leaks are not looked for: Python keeps what it has to its end. TESTS="tests/unit …"
ASAN_PYTHON := build/asan-python
asan-python: build ## pytest on an extension under AddressSanitizer and UBSan (TESTS="path …")
	@$(BIN)/python tests/sanitized.py $(ASAN_PYTHON) $(or $(TESTS),tests)

-include tests/torture/torture.mk

# --- Figures ----------------------------------------------------------------
.PHONY: bench
bench: build
-include bench/bench.mk

# --- What is checked without running it -------------------------------------
C_FILES := $(wildcard csrc/*/*.[ch] tests/*/*.[ch] bench/*.[ch] fuzz/*.[ch])

.PHONY: lint types docs format sizes
lint: build ## style, layers, words
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/clang-format --dry-run -Werror $(C_FILES)
	@$(BIN)/python tools/lint_layers.py

types: build ## mypy, strict; the stub against the extension
	@$(BIN)/mypy
	@$(BIN)/mypy $(wildcard wheels/*.py fuzz/*.py)
	@$(if $(wildcard tests/typing),$(BIN)/mypy --strict tests/typing)
	@$(BIN)/stubtest --mypy-config-file pyproject.toml webhooksub._core

docs: build ## check what the documents name, run what they show
	@$(BIN)/python tools/run_docs.py

format: build ## what lint wants of layout
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .
	@$(BIN)/clang-format -i $(C_FILES)

sizes: build ## lengths of files and functions, beside what they should be
	@$(BIN)/python tools/sizes.py

# --- The rest ---------------------------------------------------------------
.PHONY: clean help
clean: ## what was built; .venv stays
	@rm -rf build dist *.egg-info webhooksub/*.so $(VENV)/.built

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18
