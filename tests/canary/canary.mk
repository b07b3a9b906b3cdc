# SABOTAGE=log-secret (show-secret, send-secret, plain-store) must be found, and ends with 1.
.PHONY: canary
canary: build ## look for secrets in all that a service shows (SABOTAGE=log-secret)
	@$(WHOLE) $(BIN)/python tests/canary/canary.py $(if $(SABOTAGE),--sabotage $(SABOTAGE))
