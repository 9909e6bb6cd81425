# SPDX-License-Identifier: Apache-2.0
# edgectl: `make help` lists the targets.
BUILD ?= build
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/edgectl
PREFIX ?= /usr/local
DEV ?=

CC = gcc
PKGS = libuv libcurl sqlite3 libsodium libcrypto libssl yaml-0.1 jansson libgit2 libarchive libzip zlib
OPT = -O2 -g
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
       -Wno-format-nonliteral $(if $(DEV),-Werror)

ifndef WASMTIME_PREFIX
WASMTIME_PREFIX := $(shell src/rust/build.sh $(CACHE))
endif
CFLAGS = -std=gnu17 -D_GNU_SOURCE $(OPT) $(WARN) -Isrc -I. -I$(WASMTIME_PREFIX)/include \
         $(shell pkg-config --cflags $(PKGS)) $(EXTRA_CFLAGS)
LDLIBS = $(WASMTIME_PREFIX)/lib/libedgectl_rs.a $(shell pkg-config --libs $(PKGS)) -lpthread -ldl -lm
LDFLAGS = -Wl,--as-needed -Wl,-z,relro $(EXTRA_CFLAGS)

SRC = $(wildcard src/*/*.c)
CMD = $(wildcard cmd/*.c)
OBJ = $(SRC:%.c=$(BUILD)/%.o)
CMD_OBJ = $(CMD:%.c=$(BUILD)/%.o)

all: $(BUILD)/edgectl ## build build/edgectl

$(BUILD)/edgectl: $(CMD_OBJ) $(BUILD)/libedge.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/libedge.a: $(OBJ)
	rm -f $@ && ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(OBJ:.o=.d) $(CMD_OBJ:.o=.d)

clean: ## remove what was built here (not the cache)
	rm -rf $(BUILD)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: all clean help
