# What `make bench` builds and runs. See bench/README.md.
BENCH_PROGRAMS := $(BUILD)/bench_opponent $(BUILD)/bench_match $(BUILD)/bench_tls
# WHEEL=1: also with the libraries that a wheel brings, built where nobody has yet.
BENCH_PROGRAMS += $(if $(WHEEL),$(BUILD)/bench_tls_wheel)
BENCH_SUPPORT := $(BUILD)/support_sidedrawer.o $(BUILD)/support_handmade.o
# QUICK=1: a smoke run. WRITE=1: the figures go to bench/README.md.
BENCH_OPTIONS := $(if $(QUICK),--quick) $(if $(WRITE),--write)

$(BUILD)/bench_opponent: bench/opponent.c
	@mkdir -p $(BUILD)
	@$(CC) $(CORE_CFLAGS) $< -o $@ $(CORE_LIBS)

$(BUILD)/bench_%: bench/%.c $(CORE_OBJECTS) $(BENCH_SUPPORT)
	@$(CC) $(CORE_CFLAGS) -Itests/c -MMD $< $(CORE_OBJECTS) $(BENCH_SUPPORT) -o $@ $(CORE_LIBS)

$(BUILD)/bench_tls_wheel: bench/tls.c $(wildcard csrc/core/*.[ch])
	@mkdir -p $(BUILD)
	@wheels/program.sh $(shell uname -m) $@ $(filter %.c,$^) -std=c11 -D_GNU_SOURCE -O2 -Icsrc/core

.PHONY: bench bench-tools
bench-tools:
	@sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; missing=; \
	PATH="$$PATH:/usr/sbin"; \
	for tool in nginx openssl; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	[ -z "$$missing" ] || $$sudo apt-get install -y --no-install-recommends $$missing

bench: bench-tools $(BENCH_PROGRAMS) ## the figures of bench/README.md (QUICK=1 smoke, WRITE=1 keeps them, WHEEL=1)
	@$(BIN)/python bench/run.py --programs $(BUILD) $(BENCH_OPTIONS) $(if $(WHEEL),--wheel)

.PHONY: bench-fairness
bench-fairness: build ## what a dead origin and a failing neighbour cost others (QUICK=1 smoke)
	@$(BIN)/python bench/fairness.py $(if $(QUICK),--quick)

# FOR=n takes n seconds.
.PHONY: django-contention
django-contention: build ## Django's writes and a worker on one SQLite file: nothing fails (FOR=30)
	@$(BIN)/python bench/django_contention.py --seconds $(or $(FOR),30)

.PHONY: bench-scale
bench-scale: build bench-tools ## a store that many share: PostgreSQL beside SQLite and memory (QUICK=1 smoke)
	@PYTHONPATH=bench:tests/support $(BIN)/python bench/scale.py $(if $(QUICK),--quick)
