/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as edge.yaml. Whatever they are, loading ends with a manifest or with problems that are
 * one line of text each; and a manifest that is written and read again must be the same. */
#include "fuzz_manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_manifest("edge.yaml", data, size);
    return 0;
}
