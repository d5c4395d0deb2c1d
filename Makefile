# Everything that a checkout can do. Each target installs what it needs and builds what is missing.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run build test sdk oracle differential memory example torture fuzz bench bench-watch clean-room licences docs

ready := . setup/env.sh &&
binary = $${CARGO_TARGET_DIR:-target}/release/waferdb

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## build WaferDB and serve ./wafer-data on 127.0.0.1:8787 (ARGS='--listen … --data …' changes that)
	@$(ready) exec "$(binary)" serve $(ARGS)

build: ## the release binary, at $CARGO_TARGET_DIR/release/waferdb (default target/release/waferdb)
	@$(ready) cargo build --release --locked --bin waferdb

test: ## every check that a change must pass; CI runs exactly this
	@$(ready) tests/all.sh

sdk: ## the official server and client SDKs, unmodified, against a server (ONLY='wx-4 query' narrows)
	@$(ready) cargo build --locked --bin waferdb && setup/node.sh tests/sdk && \
	  WAFERDB_BIN="$${CARGO_TARGET_DIR:-target}/debug/waferdb" node tests/sdk/run.mjs $(ONLY)

oracle: ## the SDK scenarios against a real MongoDB behind a thin gateway: are our expectations MongoDB's?
	@setup/node.sh tests/sdk && tests/oracle/run.sh $(ONLY)

differential: ## random pipelines, filters, updates and shapes against a real MongoDB; ROUNDS=20000 SEED=7 make them long
	@$(ready) tests/differential/check.sh

example: build ## 135,233 cities loaded, indexed and searched through two SDKs
	@$(ready) WAFERDB_BIN="$$(realpath "$(binary)")" examples/cities/run.sh

torture: ## crashes, power cuts and faults for SECONDS (600) each, 200,000 transactions, 100,000 watched changes, kills in between
	@$(ready) WAFERDB_TORTURE_SECONDS=$(or $(SECONDS),600) cargo test --locked -p storage --lib schedules:: -- --nocapture && \
	  for part in crash transactions watch; do \
	  WAFERDB_TORTURE_SECONDS=$(or $(SECONDS),600) cargo test --locked --test it $$part:: -- --nocapture --test-threads=1; done

fuzz: ## each fuzz target for SECONDS (60); TARGET=name picks one
	@$(ready) fuzz/run.sh $(or $(SECONDS),60) $(TARGET)

bench: ## WaferDB beside MongoDB, PostgreSQL and PocketBase; QUICK=1 takes two minutes, WRITE=1 renews docs/benchmarks.md
	@$(ready) benches/run.sh $(if $(QUICK),--quick) $(if $(WRITE),--write docs/benchmarks.md) $(ARGS)

memory: build ## peaks of memory while pipelines go over DOCUMENTS (10000000), beside what they may take
	@$(ready) CARGO_TARGET_DIR="$${CARGO_TARGET_DIR:-$$PWD/target}" cargo build --release --locked --manifest-path benches/load/Cargo.toml && \
	  "$${CARGO_TARGET_DIR:-target}/release/load" memory --waferdb "$(binary)" --documents $(or $(DOCUMENTS),10000000)

bench-watch: ## watching beside MongoDB's change streams and PocketBase's realtime, and what transactions cost
	@$(ready) benches/run.sh realtime $(ARGS) && cargo run --release --locked -p query --example transaction_speed

clean-room: ## build and test a fresh clone with an empty cargo home, as on a new machine
	@setup/clean-room.sh $(ARGS)

licences: ## the licence of every crate in the binary
	@$(ready) python3 tests/dependencies.py --list

docs: ## renew the generated pages under docs/
	@$(ready) UPDATE_DOCS=1 cargo test --locked --test it docs
