# What fails on purpose: a library to preload, and two programs under AddressSanitizer with
# libcurl's functions behind ours.
TORTURE := build/torture
comma := ,
TORTURE_ASAN := build/c-asan
TORTURE_CALLS := easy_init easy_setopt easy_getinfo url url_set url_get multi_init multi_setopt \
	multi_add_handle multi_remove_handle multi_socket_action multi_info_read
TORTURE_SHARED := tests/torture/whole.c tests/torture/over_tls.c

# STEP=n fails every n-th call only; ONLY=name the rows whose names begin so;
# SABOTAGE=ack-before-commit|forget-reports|leak
.PHONY: torture torture-build
torture: build torture-build ## fail every call once, and count (STEP=n ONLY=name SABOTAGE=name)
	@$(WHOLE) $(BIN)/python tests/torture/torture.py $(if $(STEP),--step $(STEP)) \
		$(if $(ONLY),--only '$(ONLY)') $(if $(SABOTAGE),--sabotage $(SABOTAGE))

torture-build: $(TORTURE)/failing.so
	@$(WHOLE) $(MAKE) --no-print-directory VARIANT=asan $(TORTURE)/memory $(TORTURE)/calls

# SQLite comes before what opens it, so that its own functions are found behind ours.
$(TORTURE)/failing.so: tests/torture/failing.c
	@mkdir -p $(@D)
	@$(CC) -std=c11 -D_GNU_SOURCE -O1 -g -fPIC -shared -Wall -Wextra -Werror $< -o $@ -ldl \
		-Wl,--no-as-needed -l:libsqlite3.so.0

$(TORTURE)/%: tests/torture/%.c $(TORTURE_SHARED) $(BUILD)/libcore.a $(wildcard tests/torture/*.h)
	@mkdir -p $(@D)
	@$(CC) $(CORE_CFLAGS) -Itests/c -Itests/torture $< $(TORTURE_SHARED) $(BUILD)/libcore.a -o $@ \
		$(if $(filter calls,$*),$(patsubst %,-Wl$(comma)--wrap=curl_%,$(TORTURE_CALLS))) \
		-lcmocka $(CORE_LIBS)
