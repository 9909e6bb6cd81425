/* SPDX-License-Identifier: Apache-2.0 */
/* A main for fuzzers without libFuzzer: runs the target once on every file that is named, so that
 * `make check` goes through the corpus with any compiler. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 20 };

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        if (!f) {
            perror(argv[i]);
            return 1;
        }
        /* Of the input's own size, so that a sanitizer sees one byte too far. */
        static uint8_t all[INPUT_MAX];
        size_t size = fread(all, 1, sizeof all, f);
        fclose(f);
        uint8_t *data = malloc(size ? size : 1);
        for (size_t n = 0; n < size; n++)
            data[n] = all[n];
        LLVMFuzzerTestOneInput(data, size);
        free(data);
    }
    return 0;
}
