# Chromium from Debian, socket.io-client from npm, Playwright from PyPI: kept under build/browser.
# SABOTAGE=no-acknowledgement is a page that acknowledges nothing.
BROWSER := build/browser
.PHONY: browser browser-setup
browser: build browser-setup ## notifications in Chromium, with a server killed between (SABOTAGE=name)
	@$(WHOLE) PYTHONPATH=tests/support:$(BROWSER)/python $(BIN)/python tests/browser/browser.py \
		$(BROWSER) $(if $(SABOTAGE),--sabotage $(SABOTAGE))

browser-setup: $(BROWSER)/node_modules/socket.io-client $(BROWSER)/python/playwright

$(BROWSER)/node_modules/socket.io-client: | setup
	@PYTHON='$(PYTHON)' tools/setup.sh browser
	@mkdir -p $(BROWSER)
	@cd $(BROWSER) && npm install --no-audit --no-fund --silent socket.io-client@4

$(BROWSER)/python/playwright: | build
	@PYTHON='$(PYTHON)' tools/setup.sh browser
	@$(PIP) install --target $(BROWSER)/python playwright
