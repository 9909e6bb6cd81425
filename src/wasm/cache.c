/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled modules on disk, keyed by content. A file is complete or absent: it is written beside,
 * synced and renamed, and ends in a seal with its own length, so that a file cut short by a full
 * disk or a crash is seen before Wasmtime, which trusts what it maps, gets to it. Another Wasmtime
 * version or other settings make another key; Wasmtime checks that again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "wasm/internal.h"

/* Bump when a setting of make_config changes that alters compiled code. */
static const char CACHE_KIND[] = "cranelift epoch stack1m " WASMTIME_VERSION " 1";

struct seal {
    char magic[8];
    uint64_t length;            /* of everything before the seal */
};

static const char SEAL_MAGIC[8] = {'e', 'd', 'g', 'e', 'c', 't', 'l', '\n'};

static char *entry_path(struct engine *e, const uint8_t key[HASH_SIZE])
{
    uint8_t digest[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    cleanup(hash_free_p) struct hash *h = hash_new();
    hash_add(h, CACHE_KIND, sizeof CACHE_KIND);
    hash_add(h, key, HASH_SIZE);
    hash_final(h, digest);
    hash_hex(digest, hex);
    return xasprintf("%s/%s.cwasm", e->cache_dir, hex);
}

static bool sealed(const char *path)
{
    cleanup(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    struct seal seal;
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size < (off_t)sizeof seal)
        return false;
    off_t length = st.st_size - (off_t)sizeof seal;
    return pread(fd, &seal, sizeof seal, length) == (ssize_t)sizeof seal &&
           memcmp(seal.magic, SEAL_MAGIC, sizeof seal.magic) == 0 &&
           seal.length == (uint64_t)length;
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

static bool write_all(int fd, const void *data, size_t len)
{
    for (const char *p = data; len;) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
    return true;
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
        struct seal seal = {.length = data.size};
        memcpy(seal.magic, SEAL_MAGIC, sizeof seal.magic);
        if (!write_all(fd, data.data, data.size) || !write_all(fd, &seal, sizeof seal) ||
            fsync(fd) != 0 || rename(temp, path) != 0)
            unlink(temp);
    }
    wasm_byte_vec_delete(&data);
}
