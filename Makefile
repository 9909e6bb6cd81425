# SPDX-License-Identifier: Apache-2.0
# edgectl: `make help` lists the targets. Plain `make` needs the packages of .ci/packages marked
# "build"; `make demo`, `make check` and `make bench` install what they lack (`make deps`).
BUILD ?= build
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/edgectl
PREFIX ?= /usr/local
DESTDIR ?=
DEV ?=
V ?=
JOBS ?= $(shell nproc)
T ?= 60

# Goals that only start other makes, or compile nothing, must work before anything is installed.
PLAIN_GOALS = help clean deps deps-build check check-san check-tsan check-fault demo bench fuzz conformance \
              debug asan tsan lint uninstall
GOALS = $(or $(MAKECMDGOALS),all)

CC = gcc
PKGS = libuv libcurl sqlite3 libsodium libcrypto libssl yaml-0.1 jansson libgit2 libarchive libzip zlib expat
OPT = -O2 -g
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
       -Wno-format-nonliteral -Werror=incompatible-pointer-types $(if $(DEV),-Werror)

ifneq ($(filter-out $(PLAIN_GOALS),$(GOALS)),)
  # wslay comes without a file for pkg-config.
  HAS_WSLAY = $(CC) -include wslay/wslay.h -E -x c /dev/null >/dev/null
  ifneq ($(shell pkg-config --exists $(PKGS) && $(HAS_WSLAY) && echo yes),yes)
    $(error libraries are missing: 'make deps' installs them ($(PKGS) wslay))
  endif
  # `sudo make install` installs what the user has built: root's own cache would be filled first.
  ifneq ($(and $(SUDO_USER),$(filter install,$(GOALS)),$(wildcard $(BUILD)/flags)),)
    WASMTIME_PREFIX ?= $(shell sed -n 's,.* -isystem \([^ ]*\)/include .*,\1,p' $(BUILD)/flags)
  endif
  ifndef WASMTIME_PREFIX
    WASMTIME_PREFIX := $(shell src/rust/build.sh $(CACHE))
  endif
  ifeq ($(wildcard $(WASMTIME_PREFIX)/include/wasmtime.h),)
    $(error Wasmtime's C API could not be built; what went wrong stands above)
  endif
  PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS))
  PKG_LIBS := $(shell pkg-config --libs $(PKGS))
endif
export WASMTIME_PREFIX

CFLAGS = -std=gnu17 -D_GNU_SOURCE $(OPT) $(WARN) -fstack-protector-strong -Isrc -I. \
         -isystem $(WASMTIME_PREFIX)/include $(PKG_CFLAGS) $(EXTRA_CFLAGS)
LDLIBS = $(WASMTIME_PREFIX)/lib/libedgectl_rs.a $(PKG_LIBS) -lwslay -lpthread -ldl -lm
LDFLAGS = -Wl,--as-needed -Wl,-z,relro -Wl,-z,noexecstack $(EXTRA_CFLAGS)

SRC = $(wildcard src/*/*.c)
CMD = $(wildcard cmd/*.c)
OBJ = $(SRC:%.c=$(BUILD)/%.o) $(BUILD)/embed.o
CMD_OBJ = $(CMD:%.c=$(BUILD)/%.o)
UNIT = $(wildcard tests/unit/*/*_test.c)
UNIT_BIN = $(UNIT:%_test.c=$(BUILD)/%)
# Programs that tests run: guests, clients, load (each one file).
TOOL = $(wildcard tests/tools/*.c)
TOOL_BIN = $(TOOL:%.c=$(BUILD)/%)
FUZZ = $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN = $(FUZZ:%.c=$(BUILD)/%)

Q = $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-5s %s\n')

.DELETE_ON_ERROR:

all: $(BUILD)/edgectl ## build build/edgectl (DEV=1: warnings are errors; V=1: show commands)

$(BUILD)/edgectl: $(CMD_OBJ) $(BUILD)/libedge.a $(WASMTIME_PREFIX)/lib/libedgectl_rs.a
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $(CMD_OBJ) $(BUILD)/libedge.a $(LDLIBS)

$(BUILD)/libedge.a: $(OBJ)
	$(say) AR $@
	$(Q)rm -f $@ && ar rcs $@ $(OBJ)
	@# of two functions of one name the linker would take the first that it meets, and say nothing
	@twice=$$(nm -g --defined-only $@ | awk '$$2 ~ /[TDBR]/ {print $$3}' | sort | uniq -d); \
	[ -z "$$twice" ] || { echo "defined twice: $$twice"; rm -f $@; exit 1; }

$(BUILD)/%.o: %.c $(BUILD)/flags
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# Written anew only when the flags change, so that everything is compiled again then.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(filter-out -Werror,$(CFLAGS))' | cmp -s - $@ || \
	    echo '$(CC) $(filter-out -Werror,$(CFLAGS))' >$@

# --- files built into the binary: src/base/embed.h ---
$(BUILD)/embed.list: FORCE
	@mkdir -p $(@D)
	@src/base/embed.sh list templates >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

EMBEDDED := $(if $(wildcard templates),$(shell src/base/embed.sh list templates | sed 's,^,templates/,'))

# The C starter's module, so that a new app runs before any compiler is installed; the router that is
# deployed to Fastly; what stands around an app in `edgectl dev --runtime`. Where clang for Wasm is
# missing the binary goes without, and says so.
PREBUILT = $(addprefix $(BUILD)/embed/prebuilt/,c.wasm fastly-router.wasm runtime-front.wasm \
           runtime-stores.wasm)
# $(call wasm,FOLDER,WHAT GOES WITHOUT): build FOLDER/src by the starter's makefile.
wasm = +$(Q)mkdir -p $(@D) $(BUILD)/wasm/$(@F)
wasm += && $(MAKE) -s -C $(1) -f $(CURDIR)/templates/c/Makefile SDK=$(CURDIR)/templates/sdk/c
wasm += OUT=$(abspath $(BUILD))/wasm/$(@F)/$(@F) >&2 && cp $(BUILD)/wasm/$(@F)/$(@F) $@ ||
wasm += { rm -f $@; echo 'note: no clang for Wasm: $(2)' >&2; }

$(BUILD)/embed/prebuilt/c.wasm: templates/c/Makefile $(wildcard templates/c/src/* templates/sdk/c/*)
	$(say) WASM templates/c
	$(call wasm,templates/c,`edgectl init` will make C apps without their module)

$(BUILD)/embed/prebuilt/fastly-router.wasm: templates/c/Makefile \
    $(wildcard templates/routers/fastly/src/* templates/sdk/c/*)
	$(say) WASM templates/routers/fastly
	$(call wasm,templates/routers/fastly,edgectl has no router for Fastly)

$(BUILD)/embed/prebuilt/runtime-%.wasm: templates/c/Makefile templates/runtime/%/src/main.c \
    $(wildcard templates/sdk/c/*)
	$(say) WASM templates/runtime/$*
	$(call wasm,templates/runtime/$*,edgectl has no `dev --runtime`)

$(BUILD)/embed.o: $(BUILD)/embed.list $(EMBEDDED) $(PREBUILT) src/base/embed.sh
	$(say) EMBED templates
	$(Q)src/base/embed.sh asm templates $(BUILD)/embed >$(BUILD)/embed.S
	$(Q)$(CC) -c -o $@ $(BUILD)/embed.S

# --- variants: each in its own directory; fibers do not mix with the sanitizers ---
debug: ## build build/debug/edgectl without optimisation
	$(MAKE) BUILD=$(BUILD)/debug OPT='-O0 -g3' all

ASAN = BUILD=$(BUILD)/asan OPT='-O1 -g' EXTRA_CFLAGS='-fsanitize=address,undefined \
       -fno-sanitize-recover=undefined -fno-omit-frame-pointer -DEDGE_THREAD_FIBERS=1'
TSAN = BUILD=$(BUILD)/tsan OPT='-O1 -g' EXTRA_CFLAGS='-fsanitize=thread -DEDGE_THREAD_FIBERS=1'

asan: ## build build/asan/edgectl with AddressSanitizer and UBSan
	$(MAKE) $(ASAN) all

tsan: ## build build/tsan/edgectl with TSan
	$(MAKE) $(TSAN) all

# --- tests ---
$(BUILD)/tests/unit/%: tests/unit/%_test.c $(BUILD)/libedge.a
	$(say) TEST $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -Itests $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(BUILD)/libedge.a $(LDLIBS) \
	    -lcmocka

$(BUILD)/tests/tools/%: tests/tools/%.c $(BUILD)/libedge.a
	$(say) TOOL $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -Itests $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(BUILD)/libedge.a $(LDLIBS)

# With libFuzzer for `make fuzz`; else a program that goes through files once.
FUZZ_MAIN = tests/fuzz/replay.c
$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(filter %.c,$(FUZZ_MAIN)) $(BUILD)/libedge.a
	$(say) FUZZ $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -Wno-missing-prototypes -Itests $(LDFLAGS) -o $@ $< $(FUZZ_MAIN) $(BUILD)/libedge.a $(LDLIBS)

tests: all $(UNIT_BIN) $(TOOL_BIN) $(FUZZ_BIN) ## build the tests, run none

quick: tests ## the tests that take under a minute: lint, unit, command line
	BUILD=$(BUILD) tests/run quick

check-built: tests
	BUILD=$(BUILD) tests/run all

check: deps ## install what is missing, build, run every test
	$(MAKE) -j$(JOBS) check-built

check-san: deps ## every test under ASan and UBSan, the served ones under TSan
	$(MAKE) -j$(JOBS) $(ASAN) check-built
	$(MAKE) -j$(JOBS) $(TSAN) check-served

check-served: tests
	BUILD=$(BUILD) tests/run tests/serve/*.bats

check-tsan: deps ## every test under TSan
	$(MAKE) -j$(JOBS) $(TSAN) check-built

check-fault: deps ## the fault tests at full length: kills anywhere, full disks, 5,000 requests at once
	$(MAKE) -j$(JOBS) tests
	KILLS=400 WAITING=5000 TEST_FAULT_FULL=1 BUILD=$(BUILD) tests/run tests/fault/*.bats \
	    tests/serve/load.bats tests/rollout/kill*.bats tests/rollout/providers.bats \
	    tests/provider/*_faults.bats tests/provider/local_kill.bats

fuzz: deps ## each fuzzer for T seconds (T=60)
	.ci/deps fuzz
	$(MAKE) -j$(JOBS) CC=clang-19 BUILD=$(BUILD)/fuzz OPT='-O1 -g' FUZZ_MAIN=-fsanitize=fuzzer \
	    EXTRA_CFLAGS='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
	    -DEDGE_THREAD_FIBERS=1' fuzz-built
	BUILD=$(BUILD)/fuzz CACHE=$(CACHE) tests/fuzz/run $(T)

fuzz-built: $(FUZZ_BIN)

lint: ## check the source: layers, banned calls, sizes, licence lines
	tests/lint/run

demo: deps-build ## see it work: make an app, run it, edit it (CHECK=1: verify and leave)
	$(MAKE) -j$(JOBS) all
	BUILD=$(BUILD) CHECK=$(CHECK) tests/demo/run

conformance: deps ## run the guests on every host, and write README's table of what works where
	$(MAKE) -j$(JOBS) all
	EDGECTL=$(abspath $(BUILD))/edgectl tests/conformance/run --write
	tests/conformance/table write

bench: deps ## measure against peers, on this machine
	.ci/deps bench
	$(MAKE) -j$(JOBS) tests
	BUILD=$(BUILD) tests/bench/run

sim: ## how often the rollout's gate is right: 10,000 simulated runs a case
	$(MAKE) -j$(JOBS) $(BUILD)/tests/tools/gate_sim
	$(BUILD)/tests/tools/gate_sim

traces: all ## the same by traces of other making, through the binary: 1,000 a case, for hours
	tests/tools/traces.py judge $(BUILD)/edgectl

deps: ## install the Debian packages that building and testing need
	@.ci/deps build test

deps-build:
	@.ci/deps build

# --- generated documents: committed, so that packaging needs no run ---
docs: all ## write man/ and completions/ anew from the command table
	tests/docs write $(BUILD)/edgectl

check-docs: all ## fail if man/ or completions/ are not what the table says
	tests/docs check $(BUILD)/edgectl

install: all ## install under PREFIX (/usr/local), below DESTDIR
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man7 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 755 $(BUILD)/edgectl $(DESTDIR)$(PREFIX)/bin/edgectl
	install -m 644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 man/*.7 $(DESTDIR)$(PREFIX)/share/man/man7
	install -d $(DESTDIR)$(PREFIX)/share/edgectl
	install -m 644 man/edge.schema.json cmd/edgectl.schema.json $(DESTDIR)$(PREFIX)/share/edgectl
	install -m 644 completions/edgectl.bash \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/edgectl
	install -m 644 completions/_edgectl $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_edgectl
	install -m 644 completions/edgectl.fish \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/edgectl.fish

uninstall: ## remove what install put there
	rm -rf $(DESTDIR)$(PREFIX)/share/edgectl
	rm -f $(DESTDIR)$(PREFIX)/bin/edgectl $(DESTDIR)$(PREFIX)/share/man/man1/edgectl.1 \
	    $(DESTDIR)$(PREFIX)/share/man/man1/edgectl-*.1 $(DESTDIR)$(PREFIX)/share/man/man5/edge.yaml.5 \
	    $(DESTDIR)$(PREFIX)/share/man/man7/edgectl-hostcalls.7 \
	    $(DESTDIR)$(PREFIX)/share/man/man7/edgectl-limits.7 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/edgectl \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_edgectl \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/edgectl.fish

clean: ## remove what was built here (not the cache)
	rm -rf $(BUILD)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 18

-include $(OBJ:.o=.d) $(CMD_OBJ:.o=.d) $(UNIT_BIN:%=%.d) $(TOOL_BIN:%=%.d)

.PHONY: all debug asan tsan tests quick check check-built check-served check-san check-tsan \
        check-fault fuzz fuzz-built lint demo bench sim traces deps deps-build docs check-docs install uninstall clean help FORCE
