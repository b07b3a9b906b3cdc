# What `make bench` builds and runs. See bench/README.md.
# WHEEL=1: all of it with the libraries that a wheel brings, the product from such a wheel;
# they are built where nobody has yet.
BENCH_WHEEL := build/bench-wheel
BENCH_FOLDER := $(if $(WHEEL),$(BENCH_WHEEL),$(BUILD))
BENCH_PYTHON := $(if $(WHEEL),$(BENCH_WHEEL)/venv,$(VENV))/bin/python
BENCH_PROGRAMS := $(addprefix $(BENCH_FOLDER)/bench_,opponent match tls)
BENCH_PROGRAMS += $(if $(WHEEL),$(BENCH_WHEEL)/venv/.installed)
BENCH_SUPPORT := $(BUILD)/support_sidedrawer.o $(BUILD)/support_handmade.o
# QUICK=1: a smoke run. WRITE=1: the figures go to bench/README.md.
BENCH_OPTIONS := $(if $(QUICK),--quick) $(if $(WRITE),--write)

$(BUILD)/bench_opponent: bench/opponent.c
	@mkdir -p $(BUILD)
	@$(CC) $(CORE_CFLAGS) $< -o $@ $(CORE_LIBS)

$(BUILD)/bench_%: bench/%.c $(CORE_OBJECTS) $(BENCH_SUPPORT)
	@$(CC) $(CORE_CFLAGS) -Itests/c -MMD $< $(CORE_OBJECTS) $(BENCH_SUPPORT) -o $@ $(CORE_LIBS)

$(BENCH_WHEEL)/bench_opponent: bench/opponent.c
	@mkdir -p $(@D)
	@wheels/program.sh $(shell uname -m) $@ $< -std=c11 -D_GNU_SOURCE -O2

$(BENCH_WHEEL)/bench_%: bench/%.c $(wildcard csrc/core/*.[ch]) tests/c/sidedrawer.c tests/c/handmade.c
	@mkdir -p $(@D)
	@wheels/program.sh $(shell uname -m) $@ $(filter %.c,$^) \
		-std=c11 -D_GNU_SOURCE -O2 -Icsrc/core -Itests/c

$(BENCH_WHEEL)/venv/.installed: $(wildcard csrc/*/*.[ch] webhooksub/*.py webhooksub/*/*.py) setup.py
	@mkdir -p $(BENCH_WHEEL) && rm -rf $(BENCH_WHEEL)/venv $(BENCH_WHEEL)/dist
	@PYTHON='$(PYTHON)' wheels/wheel.sh $(shell uname -m) $(CURDIR)/$(BENCH_WHEEL)/dist
	@$(PYTHON) -m venv $(BENCH_WHEEL)/venv
	@$(BENCH_WHEEL)/venv/bin/pip install --quiet $(BENCH_WHEEL)/dist/*.whl
	@touch $@

.PHONY: bench bench-tools
bench-tools:
	@sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; missing=; \
	PATH="$$PATH:/usr/sbin"; \
	for tool in nginx openssl; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	[ -z "$$missing" ] || $$sudo apt-get install -y --no-install-recommends $$missing

bench: bench-tools $(BENCH_PROGRAMS) ## the figures of bench/README.md (QUICK=1 smoke, WRITE=1 keeps them, WHEEL=1)
	@$(BENCH_PYTHON) bench/run.py --programs $(BENCH_FOLDER) $(BENCH_OPTIONS)

.PHONY: bench-fairness
bench-fairness: build ## what a dead origin and a failing neighbour cost others (QUICK=1 smoke)
	@$(BIN)/python bench/fairness.py $(if $(QUICK),--quick)

# FOR=n takes n seconds.
.PHONY: django-contention
django-contention: build ## Django's writes and a worker on one SQLite file: nothing fails (FOR=30)
	@$(BIN)/python bench/django_contention.py --seconds $(or $(FOR),30)

# QUICK=1: a smoke run. WRITE=1: the figures go to docs/operations.md. FOR=n: n seconds sustained.
.PHONY: bench-scale
bench-scale: build bench-tools $(BUILD)/bench_opponent ## a store that many share: PostgreSQL, SQLite, memory (QUICK=1 smoke, WRITE=1, FOR=600)
	@PYTHONPATH=bench:tests/support $(BIN)/python bench/scale/scale.py --programs $(BUILD) \
		$(BENCH_OPTIONS) $(if $(FOR),--seconds $(FOR))
