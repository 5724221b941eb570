# Everything one does with a clone; `make` alone lists it. Deno is found or fetched by tools/deno.

DENO_RUN := tools/deno
PREFIX ?= /usr/local
# The deno that makes the executables, where it has to be another one than the one that runs the project. With
# DENORT_BIN in the environment `deno compile` takes that runtime instead of downloading one.
DENO_COMPILE ?= $(DENO_RUN)

# Options for the programs and for `deno test`.
ARGS ?=
# Tests that wait more than they work: they run beside the others.
WAITING := $(patsubst %,tests/%_test.ts,allow_deny auth_e2e command_line_e2e idle_proxy_conn kill local_server logging \
  one_port original_failures reconnect reset said_failures scoping secrets server_relay_worker stop worker_group wrong_port)
empty :=
comma := ,
# What `make test` runs. The test of the executables needs them built: .ci/run names it.
TEST ?= tests/ --ignore=tests/executables_test.ts,tests/faults/,$(subst $(empty) $(empty),$(comma),$(WAITING)) -- $(WAITING)
# The same for the tests of faults: those in which a link is down, or a peer silent, for a while.
WAITING_FAULTS := $(patsubst %,tests/faults/%_test.ts,change half_close_timeout half_open lost_client names outage \
  silent_peers vanished_peers)
FAULTS := tests/faults/ --ignore=$(subst $(empty) $(empty),$(comma),$(WAITING_FAULTS)) -- $(WAITING_FAULTS)
# Seconds after which a test run is stopped.
TEST_LIMIT ?= 600

LIBRARY := $(shell find ffi core -name '*.ts' | sort)
WORKERS := $(filter %_worker.ts,$(LIBRARY))

# Only what the programs need. --allow-ffi takes no name: a bare library name would be looked for in the current
# directory. No code cache: the executable would load it unchecked from a file in /tmp that anybody may have written.
PERMISSIONS := --no-prompt --allow-ffi --allow-read --allow-env=CPROXY_TOKEN,JOURNAL_STREAM
# With thousands of idle connections, optimizing for size saves a third of their memory and costs no speed that shows.
COMPILE = $(DENO_COMPILE) compile --quiet --no-code-cache --v8-flags=--optimize-for-size $(PERMISSIONS)

.PHONY: help demo test test-faults fuzz soak check bench bench-micro server client build install clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## move a page and 256 MiB both ways through two tunnels, on this machine
	@$(DENO_RUN) run --allow-all --quiet examples/demo.ts

test: ## run the tests; a part of them with TEST=tests/foo_test.ts, options for deno test in ARGS
	@ARGS='$(ARGS)' tools/run_tests $(TEST_LIMIT) $(TEST)

test-faults: ## break links, programs and peers under load, and see that everything recovers
	@ARGS='$(ARGS)' tools/run_tests $(TEST_LIMIT) $(FAULTS)

fuzz: ## throw at least INPUTS=5000000 inputs, good and bad, at everything that parses; SEED, TARGET, INPUT repeat one
	@$(DENO_RUN) run --allow-all --quiet --v8-flags=--expose-gc tests/fuzz/main.ts

soak: ## mix load and faults for MINUTES=10, then compare what is held with what was held before
	@$(DENO_RUN) run --allow-all --quiet tests/soak/main.ts

check: ## format, lint, types, documentation and architecture
	$(DENO_RUN) fmt --check
	$(DENO_RUN) lint
	$(DENO_RUN) check .
	$(DENO_RUN) check --config bench/charts/deno.json bench/charts
	$(if $(LIBRARY),$(DENO_RUN) doc --lint $(LIBRARY))
	$(DENO_RUN) test --allow-all --quiet tests/architecture_test.ts

bench: ## measure against other tunnels; QUICK=1, ONLY=haproxy,cproxy, FIGURES=throughput,latency, ROUNDS=5
	@$(DENO_RUN) run --allow-all --quiet bench/main.ts

bench-micro: ## time single parts of the hot path
	@$(DENO_RUN) bench --allow-all --quiet bench/micro/ $(ARGS)

server: ## run the server: make server ARGS="--proxy_port=8090"
	@$(DENO_RUN) run --allow-all server.ts $(ARGS)

client: ## run the client: make client ARGS="--local_server=127.0.0.1:7777 --cproxy_server=127.0.0.1:8080"
	@$(DENO_RUN) run --allow-all client.ts $(ARGS)

build: dist/cproxy-server dist/cproxy-client ## make the executables dist/cproxy-server and dist/cproxy-client

# A Worker is named by a URL at run time, where `deno compile` does not see it: each program is given its own.
dist/cproxy-%: %.ts deno.json deno.lock $(LIBRARY)
	@mkdir -p dist
	$(COMPILE) $(addprefix --include=,$(filter-out $(if $(filter server,$*),core/client/%,core/server/%),$(WORKERS))) \
	  --output $@ $<

install: build ## install the executables into $(DESTDIR)$(PREFIX)/bin
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 755 dist/cproxy-server dist/cproxy-client "$(DESTDIR)$(PREFIX)/bin/"

clean: ## remove what was built (the Deno in .deno/ stays)
	rm -rf dist coverage
