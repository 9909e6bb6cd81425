/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as fastly.toml; what is asked of them stands in fuzz_manifest.h. */
#include "fuzz_manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_manifest("fastly.toml", data, size);
    return 0;
}
