/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as an XML document: what is read is written in a form that reads and writes the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "xml/xml.h"

static void need(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(xml_free_p) struct xml *x = NULL, *again = NULL;
    struct err err;
    if (xml_parse((const char *)data, size, &x, &err) < 0)
        return 0;
    cleanup(buf_clear) struct buf first = BUF_INIT(64 * size + 64);
    cleanup(buf_clear) struct buf second = BUF_INIT(64 * size + 64);
    xml_write(x, &first);
    need(!first.overflow);
    need(xml_parse(first.data, first.len, &again, &err) == 0);
    xml_write(again, &second);
    need(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    xml_find(x, "DistributionConfig/Origins/Items/Origin");
    xml_get(x, "Error/Code");
    return 0;
}
