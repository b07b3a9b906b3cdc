# The package once more under build/crash, with the failpoints in: crash.py puts that folder
# first on PYTHONPATH and preloads what ends a process at them. Objects without a failpoint
# are those of tests/prove.
CRASH := build/crash
CRASH_PRELOAD_FLAGS := -std=c11 -D_GNU_SOURCE -O1 -g -fPIC -shared -Wall -Wextra -Werror

# KILLS=n (200), SEED=n, STORE=sqlite|postgresql,
# SABOTAGE=ack-before-commit|no-fencing|settle-before-answer
.PHONY: crash crash-build publishers
crash: build crash-build ## kill the dispatcher over and over, and count (KILLS=n STORE=postgresql SABOTAGE=name)
	@PYTHONPATH=tests/support $(BIN)/python tests/crash/crash.py $(if $(KILLS),--kills $(KILLS)) \
		$(if $(SEED),--seed $(SEED)) $(if $(STORE),--store $(STORE)) $(if $(SABOTAGE),--sabotage $(SABOTAGE))

publishers: build ## many processes publish beside one dispatcher (TIME=seconds PROCESSES=n)
	@PYTHONPATH=tests/support $(BIN)/python tests/crash/publishers.py $(if $(TIME),--seconds $(TIME)) \
		$(if $(PROCESSES),--processes $(PROCESSES))

# The package's modules are links. Only those that are missing are made, and only those that
# lead nowhere removed: somebody may be running.
crash-build: $(CRASH)/webhooksub/_core.so $(CRASH)/failpoint.so $(CRASH)/wallclock.so
	@find $(CRASH)/webhooksub -xtype l -delete
	@for entry in webhooksub/*; do case $$entry in *.so|*__pycache__) ;; \
		*) [ -e $(CRASH)/$$entry ] || ln -s ../../../$$entry $(CRASH)/webhooksub/ ;; esac; done

$(CRASH)/%.so: tests/crash/%.c
	@mkdir -p $(@D)
	@$(CC) $(CRASH_PRELOAD_FLAGS) $< -o $@ -ldl

$(CRASH)/webhooksub/_core.so: $(PROVE_OBJECTS)
	@mkdir -p $(@D) $(CRASH)/objects
	@objects=; cflags='$(PROVE_CFLAGS)'; \
	for object in $^; do \
		if grep -qw failpoint.h $${object%.o}.d; then \
			name=$${object#$(PROVE)/objects/}; name=$${name%.o}; \
			object=$(CRASH)/objects/$${name//\//-}.o; \
			$(CC) $$cflags -DWHS_FAILPOINTS -c csrc/$$name.c -o $$object || exit 1; \
		fi; \
		objects="$$objects $$object"; \
	done; \
	$(CC) -shared -pthread $$objects -o $@ $(CORE_LIBS)
