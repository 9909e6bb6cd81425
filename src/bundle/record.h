/* SPDX-License-Identifier: Apache-2.0 */
/* The release record: what a bundle was made from, as JSON. It goes beside the bundle and into the
 * journal of a rollout; no value of a secret is in it.
 *
 *   format      1
 *   id          of the release: the same for the same content, config and secrets
 *   app, target, provider
 *   created     "2026-11-26T13:00:00Z"; not part of the id
 *   edgectl     version that made it
 *   git         {revision, dirty} of the project's repository, or null
 *   wasm        {sha256, size}
 *   manifest    {file, sha256}, or null for a bare module
 *   package     {name, sha256, size}, of an archive only; with files_hash for Fastly, which is what
 *               the provider itself tells of a package (SHA-512 of all files)
 *   parts       [{name, type, sha256, size}]
 *   metadata    of a Worker's upload, else left out
 *   config      {STORE: {KEY: TEXT}}
 *   secrets     ["STORE/KEY@DIGEST"], see secret_print
 *   bindings    [{kind, store, key, name, id}]
 *   imports     [{module, name, support}] */
#ifndef EDGECTL_BUNDLE_RECORD_H
#define EDGECTL_BUNDLE_RECORD_H

#include "bundle/bundle.h"

struct bundle_check {
    json_t *record;             /* NULL: there is none beside it */
    enum manifest_provider provider;
    size_t part_count;
    size_t size;                /* bytes of all parts */
};

/* Check what is at `path`, as bundle_write left it or copied elsewhere: a tar.gz for Fastly, a zip
 * for AWS, a folder for the others. With a record beside it, everything must be as that says.
 * Without one only an archive can be checked, for what its provider would refuse. -ERR_FAILURE says
 * what does not fit, -ERR_IO that it cannot be read. */
must_use int bundle_verify(const char *path, struct bundle_check *ret_check, struct err *err);
void bundle_check_clear(struct bundle_check *c);
/* The same for an archive in memory; `record` may be NULL. */
must_use int bundle_verify_archive(const uint8_t *data, size_t len, const json_t *record,
                                   struct bundle_check *ret_check, struct err *err);

/* SHA-512 of the contents in byte order of their names, 128 digits and a NUL. Parts may stand in
 * `sp`; NULL = they do not. */
enum { FILES_HASH_SIZE = 129 };
void bundle_files_hash(const struct bundle_part *parts, size_t count, const struct spool *sp,
                       char ret_hex[FILES_HASH_SIZE]);

#endif
