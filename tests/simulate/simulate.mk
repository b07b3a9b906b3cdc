# Random lives of an engine on a fake clock, judged by a model. A defect is compiled into the
# sources that mention it and linked before the whole core, which is compiled as it is.
SIMULATE = build/simulate$(if $(SABOTAGE),-$(SABOTAGE))
SIMULATE_LIBRARY = build/c-$(VARIANT)/libcore.a

# SEEDS=n (200), SEED=n shows that one, SABOTAGE=name (no-report-slot, no-queue-limit, …)
.PHONY: simulate
simulate: ## lead engines through random lives and judge each step (SEEDS=n SEED=n SABOTAGE=name)
	@$(MAKE) --no-print-directory SABOTAGE= $(SIMULATE_LIBRARY)
	@mkdir -p $(SIMULATE)
	@defect='$(if $(SABOTAGE),$(shell grep -lw WHS_SABOTAGE_$(subst -,_,$(SABOTAGE)) csrc/core/*.c))'; \
	[ -z '$(SABOTAGE)' ] || [ -n "$$defect" ] || { echo "no source knows $(SABOTAGE)"; exit 2; }; \
	$(CC) $(CORE_CFLAGS) -Wno-unused-function -Itests/c tests/simulate/*.c $$defect $(SIMULATE_LIBRARY) \
		-o $(SIMULATE)/simulate $(CORE_LIBS)
	@$(SIMULATE)/simulate $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),200))
