# --- Wheels (wheels/README.md) ------------------------------------------------
# Where what was built is kept, by the hash of what it was built from.
export WHEELS_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/webhooksub
WHEEL_TOOLS = $(WHEELS_CACHE)/tools-$(shell cd wheels && sha256sum requirements.txt | sha256sum | cut -c 1-16)/bin
# ARCHES="x86_64" builds for one machine and C library alone.
ARCHES ?= x86_64 aarch64 x86_64-musl
FREE_THREADED ?= python3.13t

.PHONY: wheels wheel-matrix sdist wheel-check wheel-page reproducible ci-wheels
wheels: ## dist/: the sdist and a wheel for each of ARCHES, checked
	@rm -rf dist
	@$(MAKE) --no-print-directory sdist
	@for arch in $(ARCHES); do PYTHON='$(PYTHON)' wheels/wheel.sh $$arch || exit 1; done
	@if [ '$(FREE_THREADED)' ]; then \
	    made=$$(wheels/roots.sh $(FREE_THREADED)) && \
	    PYTHON=$$made/bin/$(FREE_THREADED) wheels/wheel.sh x86_64 || exit 1; fi
	@$(MAKE) --no-print-directory wheel-check

sdist: ## dist/: the source, without anything built
	@PYTHON='$(PYTHON)' wheels/sdist.sh

wheel-check: ## the gate that what is in dist/ must pass
	@$(WHEEL_TOOLS)/python wheels/check.py dist/*.whl
	@$(WHEEL_TOOLS)/twine check --strict dist/*
	@wheels/ci.sh identifiers

reproducible: ## build the x86-64 wheel twice and compare
	@PYTHON='$(PYTHON)' wheels/reproducible.sh

# ROWS="sid trixie" runs these alone, ROWS=--local this machine's own Pythons, --quick a part of
# the suite.
wheel-matrix: ## the whole suite from the wheels in dist/, under every Python that can be had
	@$(WHEEL_TOOLS)/python wheels/matrix.py $(ROWS)

wheel-page: ## docs/platforms.md from what the matrix has found
	@$(WHEEL_TOOLS)/python wheels/matrix.py --page

# A part of .ci/run. Building what a wheel links takes minutes, once, and the whole suite under
# every Python longer than all the rest: WHEELS=1 asks for both.
ci-wheels: ## the x86-64 wheel, its gate, this machine's Pythons; WHEELS=1: all of it, from nothing
	@if [ '$(WHEELS)' ] || ls $(WHEELS_CACHE)/deps-*-x86_64/components.json >/dev/null 2>&1; then \
	    $(MAKE) --no-print-directory wheels ARCHES=x86_64 FREE_THREADED= && \
	    $(MAKE) --no-print-directory wheel-matrix ROWS='--local $(if $(WHEELS),,--quick)'; \
	else echo "no wheels: nothing is kept in $(WHEELS_CACHE), and WHEELS=1 is not set"; fi
