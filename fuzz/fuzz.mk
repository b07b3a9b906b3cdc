# One target for each file fuzz_NAME.c, with its corpus in corpus/NAME: under libFuzzer, and in
# a program that shows it the corpus again.
FUZZ_TARGETS := $(patsubst fuzz/fuzz_%.c,%,$(wildcard fuzz/fuzz_*.c))
FUZZ_SHARED := fuzz/fuzz.c fuzz/fuzz.h
FUZZ_REPLAYS := $(if $(T),,$(patsubst %,$(BUILD)/replay_%,$(FUZZ_TARGETS)))
FUZZ_CC ?= $(firstword $(shell command -v clang clang-19 clang-18 clang-17 clang-16 clang-14) clang)
# Warnings are the other compiler's.
CFLAGS_fuzz := -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer \
	-fno-sanitize-recover=undefined -w

$(BUILD)/replay_%: fuzz/fuzz_%.c fuzz/replay.c $(FUZZ_SHARED) $(BUILD)/libcore.a
	@$(CC) $(CORE_CFLAGS) -Wno-conversion -Itests/c -Ifuzz $< fuzz/replay.c fuzz/fuzz.c \
		$(BUILD)/libcore.a -o $@ $(CORE_LIBS)

$(BUILD)/fuzz_%: fuzz/fuzz_%.c $(FUZZ_SHARED) $(BUILD)/libcore.a
	@$(CC) $(CORE_CFLAGS) -Wno-conversion -fsanitize=fuzzer -Itests/c -Ifuzz $< fuzz/fuzz.c \
		$(BUILD)/libcore.a -o $@ $(CORE_LIBS)

# SECONDS=n (60) for each target, ONLY="name …"; SABOTAGE=json-depth is found, and
# SABOTAGE=no-row-binding.
FUZZ_SABOTAGED := $(if $(filter no-row-binding,$(SABOTAGE)),seal,json)
FUZZ_BUILD := build/c-fuzz$(if $(SABOTAGE),-$(SABOTAGE))
FUZZ_CHOSEN := $(or $(ONLY),$(if $(SABOTAGE),$(FUZZ_SABOTAGED),$(FUZZ_TARGETS)))
.PHONY: fuzz fuzz-build fuzz-setup
fuzz: fuzz-build ## look for inputs that break a rule of the core (SECONDS=n ONLY=name SABOTAGE=name)
	@$(PYTHON) fuzz/fuzz.py $(FUZZ_BUILD) --seconds $(or $(SECONDS),60) $(FUZZ_CHOSEN)

fuzz-build: fuzz-setup
	@$(MAKE) --no-print-directory VARIANT=fuzz CC=$(FUZZ_CC) \
		$(patsubst %,$(FUZZ_BUILD)/fuzz_%,$(FUZZ_CHOSEN))

fuzz-setup:
	@tools/setup.sh fuzz
