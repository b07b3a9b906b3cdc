# KILLS=n (50), SEED=n, SABOTAGE=no-fencing
.PHONY: failover
failover: build ## kill dispatchers that share a PostgreSQL, and count (KILLS=n SEED=n SABOTAGE=no-fencing)
	@PYTHONPATH=tests/failover:tests/crash:tests/support $(BIN)/python tests/failover/failover.py \
		$(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(SABOTAGE),--sabotage $(SABOTAGE))
