/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled modules on disk, keyed by content. A file is complete or absent: it is written beside,
 * synced and renamed, and ends in a seal with its length and a checksum, so that a file cut short
 * or damaged is seen before Wasmtime, which trusts what it maps, gets to it. Another Wasmtime
 * version or other settings make another key; Wasmtime checks that again. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/mem.h"
#include "wasm/internal.h"

/* Bump when a setting of make_config changes that alters compiled code. */
static const char CACHE_KIND[] = "cranelift epoch stack1m " WASMTIME_VERSION " 2";

struct seal {
    char magic[8];
    uint64_t length;            /* of everything before the seal */
    uint64_t sum;               /* checksum() of it */
};

enum { LANES = 8 };

static const char SEAL_MAGIC[8] = {'e', 'd', 'g', 'e', 'c', 't', 'l', '\n'};

static char *entry_path(struct engine *e, const uint8_t key[HASH_SIZE])
{
    uint8_t digest[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    cleanup(hash_free_p) struct hash *h = hash_new();
    hash_add(h, CACHE_KIND, sizeof CACHE_KIND);
    hash_add(h, key, HASH_SIZE);
    hash_add(h, &e->compact, sizeof e->compact);
    hash_final(h, digest);
    hash_hex(digest, hex);
    return xasprintf("%s/%s.cwasm", e->cache_dir, hex);
}

static uint64_t mix(uint64_t h, uint64_t word)
{
    h ^= word;
    return (h << 29 | h >> 35) * UINT64_C(0x9E3779B97F4A7C15);
}

/* Against accidents, not against people: whoever can write here can also write a good sum. Eight
 * lanes keep the multiplier busy; a JavaScript engine's 30 MB take a few milliseconds. Any change
 * within one word is seen for certain, as mix() can be undone. */
static uint64_t checksum(const uint8_t *bytes, size_t len)
{
    uint64_t lanes[LANES] = {1, 2, 3, 4, 5, 6, 7, 8}, sum = len;
    size_t i = 0;
    for (; i + sizeof lanes <= len; i += sizeof lanes)
        for (int lane = 0; lane < LANES; lane++) {
            uint64_t word;
            memcpy(&word, bytes + i + (size_t)lane * sizeof word, sizeof word);
            lanes[lane] = mix(lanes[lane], word);
        }
    for (; i < len; i++)
        sum = mix(sum, bytes[i]);
    for (int lane = 0; lane < LANES; lane++)
        sum = mix(sum, lanes[lane]);
    return sum;
}

static bool good_file(int fd, size_t size)
{
    uint8_t *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (bytes == MAP_FAILED)
        return false;
    struct seal seal;
    size_t length = size - sizeof seal;
    memcpy(&seal, bytes + length, sizeof seal);
    bool good = memcmp(seal.magic, SEAL_MAGIC, sizeof seal.magic) == 0 && seal.length == length &&
                seal.sum == checksum(bytes, length);
    munmap(bytes, size);
    return good;
}

/* A good file is there; a bad one is removed. */
static bool sealed(const char *path)
{
    cleanup(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    if (st.st_size > (off_t)sizeof(struct seal) && good_file(fd, (size_t)st.st_size))
        return true;
    unlink(path);
    return false;
}

wasmtime_module_t *cache_fetch(struct engine *e, const uint8_t key[HASH_SIZE])
{
    if (!e->cache_dir)
        return NULL;
    cleanup(free_p) char *path = entry_path(e, key);
    if (!sealed(path))
        return NULL;
    wasmtime_module_t *code = NULL;
    wasmtime_error_t *error = wasmtime_module_deserialize_file(e->wasm, path, &code);
    if (!error)
        return code;
    wasmtime_error_delete(error);
    unlink(path);
    return NULL;
}

/* A cache that cannot be written costs time, not correctness: failures are not reported. */
void cache_store(struct engine *e, const uint8_t key[HASH_SIZE], wasmtime_module_t *code)
{
    if (!e->cache_dir)
        return;
    wasm_byte_vec_t data;
    wasmtime_error_t *error = wasmtime_module_serialize(code, &data);
    if (error) {
        wasmtime_error_delete(error);
        return;
    }
    cleanup(free_p) char *path = entry_path(e, key);
    cleanup(free_p) char *temp = xasprintf("%s.XXXXXX", path);
    cleanup(close_p) int fd = mkostemp(temp, O_CLOEXEC);
    if (fd >= 0) {
        struct seal seal = {.length = data.size,
                            .sum = checksum((const uint8_t *)data.data, data.size)};
        memcpy(seal.magic, SEAL_MAGIC, sizeof seal.magic);
        if (!file_write_all(fd, data.data, data.size) || !file_write_all(fd, &seal, sizeof seal) ||
            fsync(fd) != 0 || rename(temp, path) != 0)
            unlink(temp);
    }
    wasm_byte_vec_delete(&data);
}
