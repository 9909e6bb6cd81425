/* SPDX-License-Identifier: Apache-2.0 */
/* The C side of src/rust: what edgectl borrows from Rust besides Wasmtime's C API. */
#ifndef EDGECTL_RS_H
#define EDGECTL_RS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* --- Wasmtime: a store limiter that asks --- */
struct wasmtime_store;

enum { EDGECTL_RS_MEMORY = 0, EDGECTL_RS_TABLE = 1 };

/* `ask` decides whether linear memory may grow from `current` to `desired` bytes (or a table, in
 * elements); what the module itself declares as maximum has been checked before. It runs on the
 * thread that uses the store and must outlive it. Replaces an earlier limiter. */
void edgectl_rs_store_limiter(struct wasmtime_store *store,
                              bool (*ask)(void *env, uint32_t kind, size_t current, size_t desired),
                              void *env);

struct wasmtime_pooling_allocation_config_t;

/* Where the kernel can tell which pages were written (PAGEMAP_SCAN, Linux 6.7), clear only those
 * between two runs; elsewhere no effect. */
void edgectl_rs_pool_scan_pages(struct wasmtime_pooling_allocation_config_t *config);

/* --- httparse: HTTP/1 heads; slices point into the input, nothing is allocated --- */
struct edgectl_rs_slice {
    const char *ptr;
    size_t len;
};

struct edgectl_rs_header {
    struct edgectl_rs_slice name, value;
};

struct edgectl_rs_head {
    struct edgectl_rs_slice method, target;
    uint8_t minor_version;      /* HTTP/1.x */
    size_t header_count;
};

enum {
    EDGECTL_RS_PARTIAL = 0,     /* more input is needed */
    EDGECTL_RS_BAD = -1,
    EDGECTL_RS_TOO_MANY = -2,   /* more than max_headers (never more than 256) */
    EDGECTL_RS_BAD_VERSION = -3,
};

/* All three return the bytes used by a whole head (header section, chunk-size line), or one of
 * the values above. */
ssize_t edgectl_rs_parse_request(const char *buf, size_t len, struct edgectl_rs_head *head,
                                 struct edgectl_rs_header *headers, size_t max_headers);
ssize_t edgectl_rs_parse_headers(const char *buf, size_t len, struct edgectl_rs_header *headers,
                                 size_t max_headers, size_t *count);
ssize_t edgectl_rs_parse_chunk_size(const char *buf, size_t len, uint64_t *size);

/* --- toml --- */
enum edgectl_rs_toml {
    EDGECTL_RS_TOML_TABLE, EDGECTL_RS_TOML_ARRAY, EDGECTL_RS_TOML_END, EDGECTL_RS_TOML_KEY,
    EDGECTL_RS_TOML_STRING, EDGECTL_RS_TOML_INTEGER, EDGECTL_RS_TOML_FLOAT, EDGECTL_RS_TOML_BOOL,
    EDGECTL_RS_TOML_DATETIME,
};

/* Walks a TOML document in file order: TABLE, then KEY and its value for each entry, then END.
 * `text` (not NUL-terminated, valid during the call) is the key or the scalar as text (integers in
 * decimal), `at` its byte offset. 0, or -1 on a syntax error with its text in err and its offset
 * in *err_at; no event was sent then. */
int edgectl_rs_toml_events(const char *buf, size_t len,
                           void (*event)(void *env, uint32_t kind, const char *text, size_t text_len,
                                         size_t at),
                           void *env, char *err, size_t err_cap, size_t *err_at);

#endif
