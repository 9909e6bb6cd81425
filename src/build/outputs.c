/* SPDX-License-Identifier: Apache-2.0 */
#include "build/outputs.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

void outputs_clear(struct outputs *o)
{
    for (size_t i = 0; i < o->count; i++)
        free(o->paths[i].path);
    free(o->paths);
    *o = (struct outputs){0};
}

static struct output_path *find(struct outputs *o, const char *path)
{
    for (size_t i = 0; i < o->count; i++)
        if (strcmp(o->paths[i].path, path) == 0)
            return &o->paths[i];
    if (o->count == OUTPUTS_PATHS_MAX)
        return NULL;
    o->paths = xreallocarray(o->paths, o->count + 1, sizeof(*o->paths));
    o->paths[o->count] = (struct output_path){.path = xstrdup(path)};
    return &o->paths[o->count++];
}

enum output_verdict outputs_changed(struct outputs *o, const char *path)
{
    struct output_path *p = find(o, path);
    if (!p)
        return OUTPUT_REPORT;
    if (!o->building) {
        p->edited = true;
        p->streak = 0;
        return OUTPUT_REPORT;
    }
    if (p->edited)
        return OUTPUT_REPORT;
    p->held = true;
    return p->streak >= OUTPUTS_STREAK ? OUTPUT_IGNORE : OUTPUT_HOLD;
}

void outputs_build_started(struct outputs *o)
{
    o->building = true;
    for (size_t i = 0; i < o->count; i++)
        o->paths[i].held = false;
}

void outputs_build_ended(struct outputs *o,
                         void (*fn)(void *env, const char *path, bool is_output), void *env)
{
    o->building = false;
    for (size_t i = 0; i < o->count; i++) {
        struct output_path *p = &o->paths[i];
        bool known = p->streak >= OUTPUTS_STREAK;
        if (!p->held && !known)
            p->streak = 0;
        if (!p->held || known)
            continue;
        p->held = false;
        p->streak++;
        fn(env, p->path, p->streak == OUTPUTS_STREAK);
    }
}
