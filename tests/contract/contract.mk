# ADAPTER=starlette (fastapi, …) holds another one to it; SABOTAGE=drop-404-check must be found.
ADAPTER ?= serve
.PHONY: contract
contract: build ## try the API by its own OpenAPI document (ADAPTER=serve)
	@SABOTAGE='$(SABOTAGE)' $(BIN)/python tests/contract/run.py $(ADAPTER)
