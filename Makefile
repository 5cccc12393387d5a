# A thin front for CMake and ctest: the few commands that everybody types. `make help` lists them.
PREFIX ?= /usr/local
BUILD  ?= build
JOBS   ?= $(shell nproc)

# An aarch64 machine tests itself; others cross-build for it.
CROSS = $(filter-out aarch64,$(shell uname -m))
DEPS  = $(if $(CROSS),deps-aarch64,deps)

all: $(BUILD)/build.ninja ## build into build/: the command is build/setsuna
	@cmake --build $(BUILD) -j $(JOBS)

$(BUILD)/build.ninja:
	cmake -G Ninja -S . -B $(BUILD) -DCMAKE_INSTALL_PREFIX=$(PREFIX)

demo: deps ## read a page of text in a picture and say where every microsecond went
	@$(MAKE) --no-print-directory all
	@scripts/demo $(BUILD)/setsuna

test: $(DEPS) ## run every test, here and (kernels, operators, conformance) as an aarch64 would
	@$(MAKE) --no-print-directory all
	@ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)
	@$(if $(CROSS),$(MAKE) --no-print-directory test-aarch64)

test-aarch64: deps-aarch64 ## cross-build for aarch64 and run the unit, kernel and conformance tests in qemu
	@cmake --preset aarch64 >/dev/null
	@cmake --build --preset aarch64 -j $(JOBS)
	@ctest --preset aarch64 -j $(JOBS) --no-tests=error

bench: all ## measure the models, side by side with ONNX Runtime where it is found
	@scripts/bench $(BUILD)

install: all ## put command, library, headers and manual under PREFIX (default /usr/local); honours DESTDIR
	@cmake --install $(BUILD) --prefix $(PREFIX)

deps: ## install the Debian packages and fetch the models that are missing (demo and test do this first)
	@scripts/deps

deps-aarch64:
	@scripts/deps --with-aarch64

format: ## let clang-format lay out every C file
	@scripts/check-format --fix

clean: ## remove what was built
	rm -rf build build-debug build-clang build-asan build-tsan build-fuzz build-aarch64

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 22

.PHONY: all demo test test-aarch64 bench install deps deps-aarch64 format clean help
