/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a bundle to verify: an archive, or with "{" a record, a NUL and an archive. */
#include <assert.h>
#include <string.h>
#include "bundle/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bundle_check check = {0};
    struct err err = {0};
    const uint8_t *end = len && data[0] == '{' ? memchr(data, 0, len) : NULL;
    json_t *record = end ? json_loadb((const char *)data, (size_t)(end - data), 0, NULL) : NULL;
    if (end) {
        len -= (size_t)(end + 1 - data);
        data = end + 1;
    }
    if (bundle_verify_archive(data, len, record, &check, &err) < 0)
        assert(err.code && err.msg[0]);
    else
        assert(check.part_count > 0);
    json_decref(record);
    return 0;
}
