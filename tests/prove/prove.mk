# The package once more for each sabotage of the C core, under build/prove/NAME: prove.py
# puts that folder first on PYTHONPATH. Objects are shared; a variant compiles only those
# whose sources mention its macro.
PROVE := build/prove
PROVE_OBJECTS := $(patsubst csrc/%.c,$(PROVE)/objects/%.o,$(wildcard csrc/*/*.c))
PROVE_PYTHON = $(shell $(BIN)/python -c 'import sysconfig as s; \
	print("-I" + s.get_path("include"), \
	"" if s.get_config_var("Py_GIL_DISABLED") else "-DPy_LIMITED_API=0x030B0000")')
PROVE_CFLAGS = -std=c11 -D_GNU_SOURCE -O1 -g -fPIC -fvisibility=hidden -pthread \
	-Icsrc/core -Icsrc/binding $(PROVE_PYTHON) $(shell pkg-config --cflags $(PACKAGES))

$(PROVE)/objects/%.o: csrc/%.c
	@mkdir -p $(@D)
	@$(CC) $(PROVE_CFLAGS) -MMD -c $< -o $@

$(PROVE)/clean/webhooksub/_core.so: $(PROVE_OBJECTS)
	@mkdir -p $(@D)
	@$(CC) -shared -pthread $^ -o $@ $(CORE_LIBS)

# An object differs where a file in its list of sources mentions the macro, or the name of
# the sabotage itself.
$(PROVE)/%/webhooksub/_core.so: $(PROVE_OBJECTS)
	@mkdir -p $(@D) $(PROVE)/$*/objects
	@macro=WHS_SABOTAGE_$(subst -,_,$*); objects=; cflags='$(PROVE_CFLAGS)'; \
	grep -lw -e $$macro -e WHS_SABOTAGE csrc/*/*.[ch] >$(PROVE)/$*/mentions; \
	for object in $^; do \
		if grep -qwFf $(PROVE)/$*/mentions $${object%.o}.d; then \
			name=$${object#$(PROVE)/objects/}; name=$${name%.o}; \
			object=$(PROVE)/$*/objects/$${name//\//-}.o; \
			$(CC) $$cflags -D$$macro -DWHS_SABOTAGE='"$*"' -c csrc/$$name.c -o $$object || exit 1; \
		fi; \
		objects="$$objects $$object"; \
	done; \
	$(CC) -shared -pthread $$objects -o $@ $(CORE_LIBS)

-include $(wildcard $(PROVE)/objects/*/*.d)
