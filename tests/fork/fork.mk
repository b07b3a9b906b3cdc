# Servers that fork. They are installed when this is run: nothing else needs them. Where uWSGI
# does not compile, its rows are left out and said to be.
# ONLY='name' rows that begin so, SABOTAGE=write-socket|write-database
.PHONY: fork
fork: build ## fork in each way that servers do, and see what the parent loses (ONLY=name SABOTAGE=name)
	@$(PIP) install gunicorn celery
	@$(PIP) install uwsgi 2>/dev/null || echo 'uWSGI does not install here'
	@$(WHOLE) $(BIN)/python tests/fork/fork.py $(if $(ONLY),--only '$(ONLY)') \
		$(if $(SABOTAGE),--sabotage $(SABOTAGE))
