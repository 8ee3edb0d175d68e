# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

PYTHON ?= python3
NAME ?= default
BIN := $(CURDIR)/.build/venv/bin
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_VAULT_PASSWORD_FILE := $(CURDIR)/.build/demo/vault-password
PLAY := $(BIN)/ansible-playbook

.DEFAULT_GOAL := help
.PHONY: help setup fleet demo test unit integration lint scenario matrix selftest bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## what all else needs: programs, virtual environment, collections, Docker Engine
	@$(PYTHON) tests/setup/prepare.py

fleet: setup ## simulated images, three hosts with engines of their own, inventory
	@$(PYTHON) tests/simulator/build.py > .build/images.txt
	@$(PYTHON) tests/fleet/fleet.py up
	@$(PYTHON) tests/fleet/inventory.py

demo: fleet ## the main job on this machine: export, site, queries, rollup
	@$(PLAY) playbooks/export.yml
	@$(PLAY) playbooks/site.yml
	@$(PYTHON) tests/fleet/queries.py send
	@$(PLAY) playbooks/rollup.yml
	@$(PYTHON) tests/fleet/queries.py compare
	@echo "The report: $(CURDIR)/.build/demo/report/usage.html"

test: ## every test and check
	@$(PYTHON) tests/run.py

lint: setup ## ruff, yamllint, ansible-lint, shellcheck
	@$(PYTHON) tests/run.py lint

unit: setup ## unit tests, the modules' side on the oldest Python too
	@$(PYTHON) tests/run.py unit

integration: fleet ## each module on a real engine
	@$(PYTHON) tests/run.py integration

scenario: fleet ## one molecule scenario: NAME=default
	@$(PYTHON) tests/run.py scenario-$(NAME)

matrix: setup ## every situation of a push on engines of each kind
	@$(PYTHON) tests/run.py matrix

selftest: fleet ## the simulated containers against their contract
	@$(PYTHON) tests/run.py simulator

bench: setup ## what it takes, beside what one would take instead; ROW=push for one row, SCALE=0.2 for less data
	@$(PYTHON) tests/bench/bench.py $(ROW)

clean: ## remove what these made: containers, networks, .build; with CACHE=1 images and the cache too
	@$(PYTHON) tests/setup/clean.py $(if $(CACHE),--cache)
