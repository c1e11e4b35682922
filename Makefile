# Everything that one does with this project.  `make` alone lists the commands.

BIN := .venv/bin
INSTALLED := .venv/.installed
PYTEST := $(BIN)/pytest
PROCESSES := 3  # most tests wait for something
PARTS := . client apps
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url pyproject.toml

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

## Begin here

.PHONY: help
help:  ## List all commands
	@awk 'BEGIN { FS = ":.*  ## " } \
		/^## / { printf "\n%s\n", substr($$0, 4) } \
		/^[a-z-]+:.*  ## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: install
install: $(INSTALLED)  ## Prepare .venv, with swpt-accounts in it

$(INSTALLED): requirements-dev.lock pyproject.toml client/pyproject.toml hatch_build.py scripts/install
	@scripts/install

.PHONY: demo
demo: $(INSTALLED)  ## See it work, with nothing installed; KEEP=1 stays up with the web server; SHARDS=4
	@$(BIN)/swpt-accounts demo $(if $(KEEP),--keep) $(if $(SHARDS),--shards '$(SHARDS)')

.PHONY: test
test: lint types  ## All that is checked, here and in CI: style, types, the whole suite
	@cd client && ../$(PYTEST) -n $(PROCESSES)
	@cd apps && ../$(PYTEST) -n $(PROCESSES) --dist loadfile --no-loadscope-reorder
	@$(PYTEST) -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

## One check at a time

.PHONY: lint
lint: $(INSTALLED)  ## Style, formatting, and that imports point down
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(MAKE) -j2 --output-sync=target $(PARTS:%=imports-of-%)

.PHONY: $(PARTS:%=imports-of-%)
$(PARTS:%=imports-of-%): imports-of-%:
	@cd $* && $(CURDIR)/$(BIN)/lint-imports --no-logo

.PHONY: types
types: $(INSTALLED)  ## Types, strictly
	@$(MAKE) -j2 --output-sync=target $(PARTS:%=types-of-%)

.PHONY: $(PARTS:%=types-of-%)
$(PARTS:%=types-of-%): types-of-%:
	@cd $* && $(CURDIR)/$(BIN)/mypy

.PHONY: unit
unit: $(INSTALLED)  ## Tests that need nothing running
	@$(PYTEST) tests/unit tests/properties

.PHONY: client
client: $(INSTALLED)  ## Tests of the client SDK
	@cd client && ../$(PYTEST)

.PHONY: apps-test
apps-test: $(INSTALLED)  ## Tests of the applications
	@cd apps && ../$(PYTEST)

.PHONY: worlds
worlds: $(INSTALLED)  ## Random worlds of client and server: WORLDS=10000 of them, from SEED=0 on
	@$(BIN)/python -m swpt_client.testing.worlds --worlds $(or $(WORLDS),10000) --seed $(or $(SEED),0)

.PHONY: simulate
simulate: $(INSTALLED)  ## The real server in worlds that follow from a seed: SEED=1 on, STEPS=50000 in all, SHARDS=2
	@$(BIN)/python -m simulation --seed $(or $(SEED),1) --steps $(or $(STEPS),50000) --shards $(or $(SHARDS),0) --keep

.PHONY: fuzz
fuzz: $(INSTALLED)  ## Odd messages, frames, requests and forms from a SEED on, for MINUTES=5; what breaks is kept
	@$(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),5) $(if $(SEED),--seed '$(SEED)')

.PHONY: mutants
mutants: $(INSTALLED)  ## Faults planted into pure rules, which tests must find; PART=client, ROOM=rules/transfers
	@$(BIN)/python -m scripts.mutants score --part $(or $(PART),server) $(if $(ROOM),--room '$(ROOM)')

.PHONY: mutants-gate
mutants-gate: $(INSTALLED)  ## The same for the files that differ from SINCE=main; fails if one lives unexplained
	@$(BIN)/python -m scripts.mutants change --since $(or $(SINCE),main)

.PHONY: integration
integration: $(INSTALLED)  ## Tests with PostgreSQL and RabbitMQ
	@$(PYTEST) tests/integration

.PHONY: scenarios
scenarios: $(INSTALLED)  ## Stories over AMQP and HTTP, against a running server
	@$(PYTEST) tests/scenarios

.PHONY: chaos
chaos: $(INSTALLED)  ## Servers and workers are killed under load; not a part of `make test`
	@HYPOTHESIS_PROFILE=thorough $(PYTEST) -m chaos --timeout=1800
	@cd apps && ../$(PYTEST) -m chaos --timeout=1800

.PHONY: chaos-table
chaos-table: $(INSTALLED)  ## What breaks, twice, under load, and how it ends, into docs/reliability.md; 20 minutes
	@$(BIN)/python -m tests.chaos.table --write docs/reliability.md

.PHONY: calendar
calendar: $(INSTALLED)  ## The server's tests three weeks, half a year and a year ahead; needs faketime
	@for days in 21 190 365; do FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -m -f "+$${days}d" \
		$(PYTEST) -n $(PROCESSES) --dist loadfile --no-loadscope-reorder --ignore tests/browser || exit 1; done

.PHONY: test-web
test-web: $(INSTALLED)  ## The admin listener in full: thousands of requests to its API, all pages in a browser
	@$(PYTEST) -m web
	@cd apps && ../$(PYTEST) -m web

.PHONY: screenshots
screenshots: $(INSTALLED)  ## Make the pictures of the documents anew
	@$(PYTEST) -m pictures
	@cd apps && ../$(PYTEST) -m pictures

.PHONY: soak
soak: $(INSTALLED)  ## Many minutes, many examples; not a part of `make test`
	@HYPOTHESIS_PROFILE=thorough $(PYTEST) -m soak --timeout=7200
	@HYPOTHESIS_PROFILE=thorough $(PYTEST) tests/properties --timeout=7200

.PHONY: bench
bench: $(INSTALLED)  ## How fast it is, beside the fastest that the broker allows; on a quiet machine
	@$(BIN)/python -m benchmarks short

.PHONY: bench-apps
bench-apps: $(INSTALLED)  ## The applications, beside a balance in a table with SELECT … FOR UPDATE
	@cd apps && ../$(BIN)/python -m benchmarks

.PHONY: bench-long
bench-long: $(INSTALLED)  ## Two workers, memory, a large database; MINUTES=60 of load for the memory
	@$(BIN)/python -m benchmarks long $(if $(MINUTES),--minutes=$(MINUTES))

## Run a role, with the settings of the environment (see env.development)

.PHONY: configure
configure: $(INSTALLED)  ## Bring database and broker to what this version needs
	@exec $(BIN)/swpt-accounts configure

.PHONY: worker
worker: $(INSTALLED)  ## Apply messages
	@exec $(BIN)/swpt-accounts worker

.PHONY: chores
chores: $(INSTALLED)  ## Periodic work
	@exec $(BIN)/swpt-accounts chores

.PHONY: web
web: $(INSTALLED)  ## HTTP for other services, and the admin API, console and /metrics
	@exec $(BIN)/swpt-accounts web

.PHONY: all
all: $(INSTALLED)  ## All roles on this machine, supervised
	@exec $(BIN)/swpt-accounts all

## Run an application, with everything in one process, or beside a server elsewhere (see apps/README.md)

.PHONY: apps
apps: $(INSTALLED)  ## List the applications
	@cd apps && ../$(BIN)/python -m house

.PHONY: shop
shop: $(INSTALLED)  ## A shop: sellers charge phone numbers on credit
	@cd apps && exec ../$(BIN)/python -m shop

.PHONY: exchange
exchange: $(INSTALLED)  ## An exchange: pairs and rings of offers, carried out together or not at all
	@cd apps && exec ../$(BIN)/python -m exchange

.PHONY: tap
tap: $(INSTALLED)  ## Tap to pay: two phones each send their half of a payment
	@cd apps && exec ../$(BIN)/python -m tap

.PHONY: till
till: $(INSTALLED)  ## A till that trusts people: coffee and snacks on a screen to touch
	@cd apps && exec ../$(BIN)/python -m till

.PHONY: wallets
wallets: $(INSTALLED)  ## Wallets over HTTP: registration, deposits, transfers, invoices
	@cd apps && exec ../$(BIN)/python -m wallets

## Work on it

.PHONY: format
format: $(INSTALLED)  ## Format the code, and mend what can be mended
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

.PHONY: schemas
schemas: $(INSTALLED)  ## Make the schemas of all messages anew, in docs/messages/
	@$(BIN)/python -m scripts.schemas

.PHONY: lock
lock: $(INSTALLED)  ## Take the newest dependencies into the locks
	@$(LOCK) --extra demo --group dev --output-file requirements-dev.lock
	@$(LOCK) --constraint requirements-dev.lock --output-file requirements.lock
	@echo "Now: make install test"

.PHONY: audit
audit: $(INSTALLED)  ## Look for known weak places in all that the server depends on; needs the internet
	@$(BIN)/uv tool run 'pip-audit>=2.9,<3' --strict --require-hashes --disable-pip -r requirements.lock

.PHONY: manifests
manifests: $(INSTALLED)  ## Deployment files by the tools that read them, and the schemas of Kubernetes; needs the internet
	@$(BIN)/uv tool run 'kubernetes-validate>=1.36,<2' --version
	@$(PYTEST) tests/integration/house/test_deployment.py

.PHONY: sbom
sbom: $(INSTALLED)  ## Write what the server is made of, as CycloneDX, into dist/sbom.json
	@mkdir -p dist
	@$(BIN)/uv tool run --from 'cyclonedx-bom>=7,<8' cyclonedx-py requirements requirements.lock \
		--pyproject pyproject.toml --of JSON -o dist/sbom.json
	@echo "dist/sbom.json"

.PHONY: wheel
wheel: $(INSTALLED)  ## Build the wheels of server and client into dist/; PROJECT_URL=https://HOST/OWNER/NAME to publish
	@rm -f dist/*.whl
	@$(BIN)/hatchling build --target wheel
	@cd client && ../$(BIN)/hatchling build --target wheel --directory ../dist
	@$(BIN)/uv tool run 'twine>=6,<7' check --strict dist/*.whl
	@$(if $(PROJECT_URL),,echo "Without PROJECT_URL: no addresses in the metadata, and no pictures in the README.")

.PHONY: clean
clean:  ## Delete all that commands have made, .venv as well
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist build mutants client/mutants
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
