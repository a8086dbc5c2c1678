# shop: `make help` lists what can be done.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION)
PGRUN   := go run ./internal/platform/sqldb/pgtest/pgrun --
FRESH   := $(if $(CI),-count=1) # in CI no result is taken from the cache
# -race also checks conversions of pointers, which in a C library translated to Go are everywhere. And it would watch SQLite at its own memory, which is not Go's and so is never reported.
RACE    := -race -gcflags='modernc.org/...=-d=checkptr=0' -gcflags='modernc.org/sqlite/lib=-race=false'
LINTER  := bin/golangci-lint-2.15.0
PACT    := bin/pact-core-17.1.0

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort | while IFS=$$'\t' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

.PHONY: build
build: ## the program, as bin/shop: one static binary, version stamped
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/shop ./cmd/shop

.PHONY: demo
demo: build ## a shop that runs and takes orders, with sample data, on this machine
	bin/shop demo

# The packages share one private PostgreSQL. Three test binaries at a time: each starts servers of its own, and waits for events most of the time. All of vet's checks run with the tests: by itself it would compile
# everything once more, two minutes on a fresh machine.
.PHONY: test
test: ## vet and every test, with the race detector, on SQLite and on a private real PostgreSQL (installed if missing, as root on Debian)
	CGO_ENABLED=1 $(PGRUN) go test $(RACE) -vet=all -p 3 -timeout 20m $(FRESH) ./...

# The second run measures, without the race detector and one package after the other.
.PHONY: test-brokers
test-brokers: ## every transport against its broker, RabbitMQ too (installed if missing, as root on Debian), and a backlog of 100,000 on each
	internal/platform/bus/amqpbus/amqptest/install.sh
	SHOP_TEST_RABBITMQ=1 CGO_ENABLED=1 $(PGRUN) go test $(RACE) -p 1 -timeout 20m $(FRESH) ./internal/platform/bus/...
	SHOP_TEST_RABBITMQ=1 SHOP_TEST_BACKLOG=100000 $(PGRUN) go test -run 'Conforms/a_backlog_drains' -v -count=1 -p 1 -timeout 20m ./internal/platform/bus/...

.PHONY: test-topologies
test-topologies: ## the acceptance specification over the whole matrix of topologies, brokers and databases; takes four minutes
	internal/platform/bus/amqpbus/amqptest/install.sh
	SHOP_TEST_RABBITMQ=1 SHOP_TEST_TOPOLOGIES=all $(PGRUN) go test -v -run TheSameOrders -timeout 30m $(FRESH) ./internal/e2e

.PHONY: test-all
test-all: ## every test, and the acceptance specification over the whole matrix of topologies, brokers and databases
	internal/platform/bus/amqpbus/amqptest/install.sh
	SHOP_TEST_RABBITMQ=1 SHOP_TEST_TOPOLOGIES=all CGO_ENABLED=1 $(PGRUN) go test $(RACE) -p 2 -timeout 60m $(FRESH) ./...

# What Pact checks with is a C library, from npm; later versions than this one do not link with pact-go 2.4.2.
.PHONY: pact
pact: export CGO_ENABLED = 1
pact: export CGO_LDFLAGS = -L$(CURDIR)/$(PACT)
pact: export LD_LIBRARY_PATH = $(CURDIR)/$(PACT)
pact: export PACT_LOG_LEVEL = ERROR
pact: $(PACT) ## contracts between contexts: what each asks of others (api/pacts), and that the shop answers so; Linux on amd64, with npm
	go vet -tags pact ./internal/e2e
	go test -tags pact -run Pact -timeout 10m $(FRESH) ./internal/e2e $(PACTFLAGS)

.PHONY: lint
lint: $(LINTER) ## golangci-lint; each exception in .golangci.yaml has its reason
	$(LINTER) run ./...

# go test fuzzes one target of one package at a time. `make test` runs the seeds of all of them, and every input that ever broke one.
FUZZTIME ?= 30s
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (30s), about ten minutes in all
	grep -rlE '^func Fuzz' --include='*_test.go' cmd internal | while read -r file; do \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z]*)\(.*/\1/p' "$$file"); do \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s "./$$(dirname "$$file")"; \
		done; \
	done

.PHONY: torture
torture: ## the long fault tests: kills, cuts, freezes, full disks; takes up to an hour; then every fuzz target for two minutes
	$(PGRUN) go test -tags torture -timeout 60m ./internal/e2e/... ./internal/platform/...
	$(MAKE) fuzz FUZZTIME=2m

.PHONY: mutants
mutants: ## plants bugs (no inbox check, no version check, …) and shows that a test finds each
	internal/e2e/mutants.sh

.PHONY: bench
bench: ## measures the shop beside the anchors, on SQLite and PostgreSQL, and writes docs/performance.md; takes an hour and a half
	go run ./internal/bench
	go run ./internal/bench render

.PHONY: simulate
simulate: ## a model of shop on many machines, fed with docs/performance/costs.json, and the tables of docs/scale.md; takes minutes
	go run ./internal/simulate

.PHONY: docker
docker: ## the image shop:$(VERSION), distroless, not root
	docker build --build-arg VERSION=$(VERSION) -t shop:$(VERSION) .

.PHONY: deploy-check
deploy-check: ## deploy/ held against the program: compose.yaml, the Helm chart in every topology, alerts, and the shop started as both say, without containers
	go -C deploy/check vet ./...
	$(PGRUN) go -C deploy/check test -timeout 10m -count=1 ./... # what it reads lies outside of its module, where go test does not look for changes

# A module of its own: the collector is a thousand packages, which take minutes to build the first time. Its ways to find what to ask, beside DNS, are left out.
.PHONY: collector-check
collector-check: export CGO_ENABLED = 0
collector-check: ## deploy/collector.yaml in a real OpenTelemetry Collector, between a shop and a back end: which traces it keeps
	go -C deploy/check/collector vet -tags remove_all_sd,enable_dns_sd ./...
	go -C deploy/check/collector test -tags remove_all_sd,enable_dns_sd -timeout 10m $(FRESH) ./...

.PHONY: clean
clean: ## remove what make built
	rm -rf bin

$(LINTER):
	GOBIN='$(CURDIR)/bin/.install' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(LINTER:bin/golangci-lint-%=%)
	mv bin/.install/golangci-lint $@
	rmdir bin/.install

$(PACT):
	rm -rf bin/.pact && mkdir -p bin/.pact
	cd bin/.pact && npm pack --silent @pact-foundation/pact-core-linux-x64-glibc@17.1.0
	echo '1d7f02f1ed4a52beffe3014243df9bce769d5ed98e88825186fb2402513d1afe  bin/.pact/pact-foundation-pact-core-linux-x64-glibc-17.1.0.tgz' | sha256sum --check --quiet
	tar -xzf bin/.pact/*.tgz -C bin/.pact --strip-components=3 package/prebuilds/linux-x64/libpact_ffi.so
	rm bin/.pact/*.tgz && mv bin/.pact $@
