# The local Kubernetes and the images, for the top Makefile to include.

EAGLE_DEV := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
EAGLE_HOME ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/eagle
export EAGLE_HOME

.PHONY: cluster-up cluster-down cluster-status images

cluster-up: ## start a local Kubernetes (built from source the first time: minutes; then seconds)
	@$(EAGLE_DEV)/cluster/cluster up

cluster-down: ## end it and take back what it changed on this machine
	@$(EAGLE_DEV)/cluster/cluster down

cluster-status: ## say what of it runs
	@$(EAGLE_DEV)/cluster/cluster status

images: ## build all images and bring them into the cluster
	@$(EAGLE_DEV)/images/images build
