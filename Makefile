# Every target is a script that people and CI run alike; `make` lists them.
REPORT ?= bench/results/report.md
SOAK_SECONDS ?= 600

.DEFAULT_GOAL := help
.PHONY: help run test lint fmt bench bench-clouds count soak timings images connect clean-cache

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start the gateway with the echo provider: no cluster, no key, no network
	examples/quickstart/run.sh

test: ## Run all tests, the real SDKs and coding tools among them; installs what is missing and says so first
	.ci/test

lint: ## Check format, spelling, structure, lints and documents
	.ci/lint

fmt: ## Format the Rust code
	cargo fmt --all

bench: ## Measure the gateway beside nginx and a bare relay (25 minutes, an idle machine); tables go to REPORT=FILE
	bench/bench.sh report $(REPORT)

bench-clouds: ## Measure Bedrock and Vertex AI by their own paths alone (8 minutes, an idle machine)
	bench/bench.sh clouds

count: ## Count instructions and system calls per request, and fail if the gateway needs more than it did, as CI does
	bench/bench.sh count

soak: ## Run every fuzz target for SOAK_SECONDS=600 each, and the tests on a real Kubernetes in full length
	.ci/soak $(SOAK_SECONDS)

timings: ## Measure where the time of .ci/run goes, and write the tables of docs/testing.md (half an hour)
	.ci/timings

images: ## Build the container images, from scratch and static, and try them; IMAGE_REGISTRY and IMAGE_TAG name them
	images/build.sh && images/try.sh

connect: ## Pack the npm package of anyray-connect, with a static program for Linux inside; prints the tarball
	connect/npm/pack.sh

clean-cache: ## Remove the tools, clients and compiled dependencies that lint and tests keep outside the checkout
	rm -rf "$${ANYRAY_CACHE:-$$HOME/.cache/anyray}"
