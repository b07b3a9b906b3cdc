# Everything a contributor types. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

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

$(BUILD)/%.o: csrc/core/%.c
	@mkdir -p $(BUILD)
	@$(CC) $(CORE_CFLAGS) -MMD -c $< -o $@

$(BUILD)/support_%.o: tests/c/%.c
	@mkdir -p $(BUILD)
	@$(CC) $(CORE_CFLAGS) -MMD -c $< -o $@

# An archive: a test links only what it needs.
$(BUILD)/libcore.a: $(CORE_OBJECTS) $(C_TEST_SUPPORT)
	@rm -f $@ && ar rcs $@ $^

$(BUILD)/test_%: tests/c/test_%.c $(BUILD)/libcore.a
	@$(CC) $(CORE_CFLAGS) -Wno-conversion -MMD -Itests/c $< $(BUILD)/libcore.a -o $@ -lcmocka $(CORE_LIBS)

-include $(wildcard $(BUILD)/*.d)
-include bench/bench.mk

.SECONDARY:
.PHONY: ctest asan tsan
ctest: $(C_TESTS) ## C tests of the core, without Python (T=name for one)
	@for t in $(C_TESTS); do echo "== $$t"; $$t || exit 1; done

asan: ## the C tests under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory ctest VARIANT=asan

tsan: ## the C tests under ThreadSanitizer
	@$(MAKE) --no-print-directory ctest VARIANT=tsan

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18
