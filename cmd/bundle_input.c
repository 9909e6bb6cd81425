/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/bundle_input.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "guest/table.h"
#include "provider/provider.h"
#include "world/secrets.h"
#include "world/state.h"

static void add(void *env, const struct secret_info *info)
{
    struct bundle_input *in = env;
    in->secrets = xreallocarray(in->secrets, in->secret_count + 1, sizeof *in->secrets);
    in->secrets[in->secret_count++] = (struct bundle_secret){
        .store = xstrdup(info->store), .key = xstrdup(info->key),
        .value = secrets_lookup(in->stores, info->store, strlen(info->store), info->key,
                                strlen(info->key)),
    };
}

static int find(const struct manifest *m, const char *state_dir, struct bundle_input *in,
                struct err *err)
{
    if (m->secret_count == 0)
        return 0;
    int r = state_dir_make(state_dir, err);
    if (r == 0)
        r = secrets_open((struct manifest *)m, state_dir, &in->stores, err);
    return r < 0 ? r : secrets_each(in->stores, add, in, err);
}

void bundle_input_clear(struct bundle_input *in)
{
    for (size_t i = 0; i < in->secret_count; i++) {
        free((char *)in->secrets[i].store);
        free((char *)in->secrets[i].key);
        secret_unref((struct secret *)in->secrets[i].value);
    }
    free(in->secrets);
    secrets_close(in->stores);
    bundle_free(in->bundle);
    *in = (struct bundle_input){0};
}

/* Put at the target by itself: that value is meant, whatever is here. */
static void prefer_noted(struct bundle_input *in, const struct journal *journal)
{
    for (size_t i = 0; journal && i < in->secret_count; i++) {
        struct bundle_secret *s = &in->secrets[i];
        s->digest = target_noted_secret(journal, s->store, s->key);
        if (s->digest) {
            secret_unref((struct secret *)s->value);
            s->value = NULL;
        }
    }
}

int bundle_input_make(const struct manifest *m, const char *state_dir,
                      const struct journal *journal, struct bundle_input *ret, struct err *err)
{
    struct bundle_input in = {0};
    int r = find(m, state_dir, &in, err);
    prefer_noted(&in, journal);
    struct bundle_options options = {
        .manifest = m, .secrets = in.secrets, .secret_count = in.secret_count,
        .support = guest_hostcall_support, .created_ms = clock_wall_ns() / 1000000,
        .spool_dir = state_dir,
    };
    if (r == 0)
        r = bundle_make(&options, &in.bundle, err);
    if (r < 0)
        bundle_input_clear(&in);
    else
        *ret = in;
    return r;
}
