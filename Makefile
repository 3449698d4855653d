# The manual of this repository: `make` lists what it can do.
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
export PYTHON

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Start the service on http://localhost:8000, its data in ./data
	@scripts/environment run
	@scripts/web || echo "!!! The web client cannot be built here: a plain page stands in for it." >&2
	@scripts/run

.PHONY: dev
dev: environment ## The same with demo data, reloading on change
	@scripts/web || echo "!!! The web client cannot be built here: a plain page stands in for it." >&2
	@scripts/dev

.PHONY: test
test: lint node ferretdb helm argocd gator kustomize promtool ## Check everything: lint, types, every test, coverage, the client in a browser (TESTS=path: those only)
	@scripts/test $(TESTS)
	@$(if $(TESTS),,scripts/test-web)

.PHONY: lint
lint: environment typecheck ## Check style and types
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check

.PHONY: typecheck
typecheck: environment ## Check types
	@.venv/bin/mypy
	@.venv/bin/mypy loadtests/bench
	@.venv/bin/mypy chaos
	@MYPYPATH=platform/autoscaling:helm/tests .venv/bin/mypy --follow-imports=silent platform/autoscaling/simulate
	@MYPYPATH=platform/tests:platform/tests/security:helm/tests:chat-service/tests/stack .venv/bin/mypy --follow-imports=silent -p cluster

.PHONY: format
format: environment ## Put the source in form
	@.venv/bin/ruff check --fix
	@.venv/bin/ruff format

.PHONY: docs
docs: environment ## Write the pages that are made from the source
	@env -i .venv/bin/chat-service config --markdown >docs/settings.md
	@.venv/bin/python helm/reference.py
	@.venv/bin/python helm/tests/golden.py

.PHONY: diagrams
diagrams: ## Draw the pictures of docs/architecture/platform (Graphviz)
	@scripts/diagrams

.PHONY: screenshots
screenshots: environment ## Take the pictures of docs/users anew
	@scripts/screenshots

.PHONY: lock
lock: environment ## Compile the locks from pyproject.toml (ARGS=--upgrade for the newest)
	@scripts/lock $(ARGS)

.PHONY: bench
bench: environment ## Measure the service beside the official server (ARGS="--only fanout --repeats 3 --report")
	@PYTHONPATH=loadtests .venv/bin/python -m bench $(ARGS)

.PHONY: simulate
simulate: environment helm ## Let the autoscaling of the chart meet an office day and worse, and write docs/reports/autoscaling.md
	@PYTHONPATH=platform/autoscaling:helm/tests .venv/bin/python -m simulate

.PHONY: up
up: ## Start the stack of compose.yaml on http://localhost:8000: nodes, MongoDB, Redis, HAProxy
	@docker compose up --build --detach --wait

.PHONY: update
update: ## Put a new version or settings into force in the stack, node by node
	@scripts/update

.PHONY: down
down: ## Stop the stack; its data stays
	@docker compose --profile '*' down --remove-orphans

.PHONY: images
images: ## Build the service's image
	@REVISION=$$(git rev-parse HEAD) docker compose build

.PHONY: backup
backup: ## Write a backup of the running stack into ./backups
	@scripts/backup

.PHONY: restore
restore: ## Put the stack back to a backup (FROM=backups/...)
	@scripts/restore $(FROM)

.PHONY: stack-test
stack-test: environment node ## Bring the stack up from a clean clone and kill its nodes: long, needs Docker
	@scripts/stack-test $(TESTS)

.PHONY: cluster-smoke
cluster-smoke: environment helm kubernetes ## Try the chart on a real Kubernetes: install, helm test, an update under load
	@scripts/cluster-test smoke.py

.PHONY: cluster-test
cluster-test: environment helm kubernetes argocd argocd-controllers kustomize ## Prove the chart on a real Kubernetes, and write docs/reports/cluster.md: long
	@scripts/cluster-test $(or $(TESTS),smoke.py proof)

.PHONY: chaos
chaos: environment ferretdb ## Break things under load and judge what held (ARGS="--round redis-kill --seed 7")
	@.venv/bin/python -m chaos $(ARGS)

.PHONY: cluster-up
cluster-up: environment kubernetes ## Bring up a real Kubernetes on this machine (root; Debian)
	@PYTHONPATH=platform/tests .venv/bin/python -m cluster.local up

.PHONY: cluster-down
cluster-down: environment ## Take that Kubernetes down; its images stay
	@PYTHONPATH=platform/tests .venv/bin/python -m cluster.local down

.PHONY: clean
clean: ## Remove what was installed and built; ./data stays
	@rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage* dist
	@find . \( -name __pycache__ -o -name node_modules \) -prune -exec rm -rf {} +

.PHONY: environment node ferretdb helm argocd argocd-controllers gator kustomize kubernetes promtool
environment:
	@scripts/environment dev
node: environment
	@scripts/node
ferretdb: environment
	@scripts/ferretdb
helm: environment
	@scripts/helm
argocd: environment
	@scripts/argocd
gator: environment
	@scripts/gator
kustomize: environment
	@scripts/kustomize
kubernetes: environment
	@scripts/kubernetes
argocd-controllers: environment
	@scripts/argocd-controllers
promtool: environment
	@scripts/promtool
