/* SPDX-License-Identifier: Apache-2.0 */
/* Notes, for rollouts that are looked at from another machine: items of a config store of the app's
 * own. A value there has up to 8,000 characters (docs.fastly.com, "Compute resource limits"). */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/fs.h"

char *fs_notes_store(const struct fs *f)
{
    return xasprintf("%s-edgectl-notes", f->t.o.manifest->name);
}

int fs_put_note(struct target *t, const char *key, const char *text, struct err *err)
{
    struct fs *f = fs_of(t);
    cleanup(free_p) char *name = fs_notes_store(f);
    cleanup(free_p) char *id = NULL;
    int r = fs_store_find(f, STORE_CONFIG, name, &id, err);
    if (r == 0 && !id)
        r = fs_store_make(f, STORE_CONFIG, name, &id, err);
    /* No text is no note. */
    return r < 0 ? r : fs_do(f, "PUT", api_path("/resources/stores/config/%s/item/%s", id, key),
                             api_body_form("item_value", *text ? text : "{}", (char *)NULL), NULL,
                             err);
}

int fs_get_note(struct target *t, const char *key, struct buf *text, struct err *err)
{
    struct fs *f = fs_of(t);
    cleanup(free_p) char *name = fs_notes_store(f);
    cleanup(free_p) char *id = NULL;
    int r = fs_store_find(f, STORE_CONFIG, name, &id, err);
    if (r < 0 || !id)
        return r;
    cleanup(json_decref_p) json_t *item = NULL;
    struct fs_call call = fs_start(
        f, "GET", api_path("/resources/stores/config/%s/item/%s", id, key), NULL, false);
    r = fs_wait(f, &call, &item, err);
    const char *value = json_text(item, "item_value");
    if (r <= 0 || !value || strcmp(value, "{}") == 0)
        return r < 0 ? r : 0;
    buf_add(text, value, strlen(value));
    return 1;
}
