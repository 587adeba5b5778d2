# Everything a developer runs. `make` lists the targets; each that needs tools or packages sets them up by itself.

# A toolchain outside of PATH is found where `scripts/setup.sh` looks for it as well.
export PATH := $(PATH):/opt/swift/usr/bin:$(HOME)/.local/share/swiftly/bin

# SwiftPM and pip keep caches in HOME; where there is none, they get one of their own.
ifeq ($(and $(HOME),$(wildcard $(HOME)/.)),)
export HOME := $(CURDIR)/.build/home
$(shell mkdir -p $(HOME))
endif

COLA := .build/release/cola
PYTEST := $(CURDIR)/.venv/bin/python -m pytest
FUZZ_TARGETS := $(basename $(notdir $(wildcard Fuzz/*.swift)))
# How many integration tests run beside one another, a file at a time; most of them wait for something.
TESTS_AT_ONCE ?= 3
# How long `make fuzz` and `make test-long` spend on each target.
FUZZ_SECONDS ?= 120
# What is installed and packed: what is built first, unless COLA_BIN names an executable.
PACKED := $(or $(COLA_BIN),$(CURDIR)/$(COLA))
STATIC := .build/release/cola-static
BUILT := $(if $(COLA_BIN),,build)
# Where packages and archives go.
PACKAGES ?= .build/packages
# What `make bench` hands to `cola bench`.
BENCH ?=
# What images are made of: the server that is built here, or with BIN=build one from a container with its own toolchain.
BIN ?= prebuilt
SERVER := $(if $(filter build,$(BIN)),source,$(PACKED))
SERVER_TARGET := $(if $(filter build,$(BIN)),,$(BUILT))

.DEFAULT_GOAL := help
.PHONY: help setup build check test test-long demo vectors fuzz bench bench-workers crash mutations format lint clean
.PHONY: install uninstall deb archive image cluster cluster-test reference
.PHONY: compat unit clients client-c integration sanitize

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: setup ## build the server for use: .build/release/cola
	swift build -c release --static-swift-stdlib --product cola

check: setup lint ## the quick check while working: format, warnings as errors, Swift tests
	swift build --build-tests
	swift test --skip-build --disable-xctest

test: ## what CI runs: format, Swift tests, release build, clients, integration tests, other clients, containers
	@$(MAKE) --no-print-directory setup
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory clients
	@$(MAKE) --no-print-directory integration
	@$(MAKE) --no-print-directory compat
	@$(MAKE) --no-print-directory cluster-test

test-long: ## before an issue is closed: more seeds and rounds, sanitizers, fuzzing; takes an hour or so
	@$(MAKE) --no-print-directory setup
	@$(MAKE) --no-print-directory lint
	COLA_LONG=1 $(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory mutations
	@$(MAKE) --no-print-directory sanitize
	@$(MAKE) --no-print-directory fuzz
	@$(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory clients
	COLA_LONG=1 $(MAKE) --no-print-directory integration
	COLA_LONG=1 $(MAKE) --no-print-directory compat

demo: build ## start a broker, have three kinds of workers count the words of real text, kill one, check the result
	scripts/demo.sh $(COLA)

vectors: setup ## run the shared test vectors of the protocol in Swift, Python and C
	swift test --disable-xctest --filter Vector
	PYTHONPATH=clients/python $(PYTEST) clients/python/tests -k vector
	$(PYTEST) clients/c/tests/test_vectors.py

fuzz: setup ## fuzz every target in Fuzz/, FUZZ_SECONDS (120) each
	@set -e; for target in $(FUZZ_TARGETS); do scripts/fuzz.sh $$target $(FUZZ_SECONDS); done

bench: build ## measure this machine: the store alone, then a broker; BENCH="…" adds options of `cola bench`
	scripts/bench.sh $(COLA) $(BENCH)

bench-workers: build ## measure what workers cost beside bare processes and pipes, and at rest
	scripts/measure-workers.py $(COLA) $(BENCH)

crash: build ## twenty kills and twenty power cuts under load, with their verdicts; faults of the disk
	COLA_LONG=1 COLA_BIN=$(CURDIR)/$(COLA) $(PYTEST) -s Tests/IntegrationTests/test_kill9.py \
		Tests/IntegrationTests/test_powerloss.py Tests/IntegrationTests/test_sigterm.py \
		Tests/IntegrationTests/test_restart_time.py Tests/IntegrationTests/test_faults.py

compat: build ## other people's clients and their test suites; COMPAT_AMQP=HOST:PORT: at another broker
	COLA_BIN=$(CURDIR)/$(COLA) $(PYTEST) -s Tests/Compatibility

image: $(SERVER_TARGET) ## build the image cola:latest; BIN=build: from source in a container, KIND=minimal: no shell
	scripts/image.sh $(SERVER) latest

cluster: $(SERVER_TARGET) ## show a broker, producers and workers in containers, and kill some of them; until Ctrl-C
	scripts/cluster.sh show $(SERVER)

cluster-test: $(BUILT) ## 10,000 messages through these containers while a worker and the broker are killed
	scripts/cluster.sh test $(PACKED)

mutations: setup ## break the broker on purpose, one rule at a time: the simulation must notice each
	scripts/mutations.py

format: ## format the Swift sources in place
	swift format -i -r -p Sources Tests Fuzz

lint: ## complain about Swift sources that are not formatted, and about mutations that are out of date
	swift format lint -r -p --strict Sources Tests Fuzz
	scripts/mutations.py --check

reference: $(BUILT) ## write docs/reference anew, from what the program says of itself
	python3 scripts/reference docs $(PACKED) docs/reference

install: ## install what `make build` built: PREFIX=/usr/local, DESTDIR, UNITS=yes for systemd's units
	packaging/install.sh $(PACKED)

uninstall: ## remove what `make install` installed, with the same PREFIX and DESTDIR
	packaging/install.sh --uninstall

deb: $(BUILT) ## a package for Debian and its relatives, in PACKAGES (.build/packages)
	packaging/deb.sh $(PACKED) $(PACKAGES)

archive: $(BUILT) ## an archive for other Linux machines, linked statically, in PACKAGES (.build/packages)
	$(if $(COLA_BIN),,scripts/static.sh $(STATIC))
	packaging/archive.sh $(or $(COLA_BIN),$(STATIC)) $(PACKAGES)

clean: ## remove everything that was built, the Python environment too
	rm -rf .build .build-asan .build-tsan .build-fuzz .venv

# Steps of the targets above.

setup:
	@scripts/setup.sh

unit:
	swift test --disable-xctest
	scripts/fuzz.sh --check

clients: client-c
	PYTHONPATH=clients/python scripts/with-server.sh $(COLA) $(PYTEST) clients/python/tests
	scripts/test-node-client.sh $(COLA)

client-c:
	COLA_BIN=$(CURDIR)/$(COLA) $(PYTEST) -n $(TESTS_AT_ONCE) --dist loadfile clients/c/tests

integration:
	COLA_BIN=$(CURDIR)/$(COLA) $(PYTEST) -n $(TESTS_AT_ONCE) --dist loadfile Tests/IntegrationTests

# Their own folders, or each would build everything anew after the other. Leaks are not looked for: what lives as
# long as the process is no error here. The thread sanitizer is told what a contended Mutex does, which it cannot see.
sanitize:
	ASAN_OPTIONS=detect_leaks=0 SWIFT_BACKTRACE=enable=no swift test --disable-xctest \
		--sanitize=address --scratch-path .build-asan --filter 'Cola(Core|Compression|Store|Native|AMQP)Tests'
	mkdir -p .build-tsan
	clang -O1 -shared -fPIC -o .build-tsan/mutex.so Tests/tsan/mutex.c
	LD_PRELOAD=$(CURDIR)/.build-tsan/mutex.so SWIFT_BACKTRACE=enable=no swift test --disable-xctest \
		--sanitize=thread --scratch-path .build-tsan \
		--filter 'ColaCoreTests|ColaStoreTests|ColaNativeTests|ColaAMQPTests|ColaClientTests|ColaServerTests'
