/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/bundle_input.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "guest/table.h"
#include "world/secrets.h"
#include "world/state.h"

/* The secrets of the manifest, with references to their values. */
struct found {
    struct secrets *stores;
    struct bundle_secret *list;
    size_t count;
};

static void add(void *env, const struct secret_info *info)
{
    struct found *f = env;
    f->list = xreallocarray(f->list, f->count + 1, sizeof *f->list);
    f->list[f->count++] = (struct bundle_secret){
        .store = xstrdup(info->store), .key = xstrdup(info->key),
        .value = secrets_lookup(f->stores, info->store, strlen(info->store), info->key,
                                strlen(info->key)),
    };
}

static int find(const struct manifest *m, struct found *f, struct err *err)
{
    if (m->secret_count == 0)
        return 0;
    cleanup(free_p) char *state_dir = state_dir_for(m, NULL);
    int r = state_dir_make(state_dir, err);
    if (r == 0)
        r = secrets_open((struct manifest *)m, state_dir, &f->stores, err);
    return r < 0 ? r : secrets_each(f->stores, add, f, err);
}

static void found_clear(struct found *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free((char *)f->list[i].store);
        free((char *)f->list[i].key);
        secret_unref((struct secret *)f->list[i].value);
    }
    free(f->list);
    secrets_close(f->stores);
}

int bundle_input_make(const struct manifest *m, struct bundle **ret_bundle, struct err *err)
{
    cleanup(found_clear) struct found secrets = {0};
    int r = find(m, &secrets, err);
    if (r < 0)
        return r;
    struct bundle_options options = {
        .manifest = m, .secrets = secrets.list, .secret_count = secrets.count,
        .support = guest_hostcall_support, .created_ms = clock_wall_ns() / 1000000,
    };
    return bundle_make(&options, ret_bundle, err);
}
