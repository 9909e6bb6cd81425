/* SPDX-License-Identifier: Apache-2.0 */
/* Notes are entries of a KV namespace of their own, which is made with the first. The API reads
 * what it has written; only Workers see a change later. */
#include <string.h>
#include "base/mem.h"
#include "provider/cf.h"

int cf_put_note(struct target *t, const char *key, const char *text, struct err *err)
{
    struct cf *c = cf_of(t);
    const char *id;
    int r = cf_account(c, err);
    r = r < 0 ? r : cf_namespace_find(c, CF_NOTES, &id, err);
    if (r < 0 || (r == 0 && !*text))
        return r;
    if (r == 0)
        r = cf_namespace_make(c, CF_NOTES, err);
    if (r >= 0)
        r = cf_namespace_find(c, CF_NOTES, &id, err);
    if (r <= 0)
        return r < 0 ? r : err_set(err, ERR_FAILURE, "the KV namespace of the notes has gone");
    struct entry note = {.key = (char *)key, .value = (char *)text, .len = strlen(text)};
    return *text ? cf_kv_put(c, id, &note, 1, err) : cf_kv_remove(c, id, &key, 1, err);
}

int cf_get_note(struct target *t, const char *key, struct buf *text, struct err *err)
{
    struct cf *c = cf_of(t);
    const char *id;
    int r = cf_account(c, err);
    r = r < 0 ? r : cf_namespace_find(c, CF_NOTES, &id, err);
    return r <= 0 ? r : cf_kv_get(c, id, key, text, NULL, err);
}
