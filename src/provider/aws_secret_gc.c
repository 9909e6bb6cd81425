/* SPDX-License-Identifier: Apache-2.0 */
/* Old values of secrets. Each is a parameter of its own, so that an older version finds the one
 * that it was made with; once no version that is kept has its name, it goes. Which names a version
 * has stands in its own code, and nowhere else where every machine could read it. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bundle/archive.h"
#include "provider/aws_router.h"

static const char bindings[] = "bindings.js";
enum { TEXT_MAX = 256 << 20 };

/* "/edgectl/FUNCTION/STORE/KEY/" of a value's name; 0 when it is no secret's. */
static size_t secret_part(const struct aws_target *t, const char *name)
{
    cleanup(free_p) char *path = xasprintf("/edgectl/%s/", t->function);
    size_t len = strlen(path);
    if (strncmp(name, path, len) != 0)
        return 0;
    const char *store = name + len, *key = strchr(store, '/');
    const char *value = strrchr(name, '/');
    bool other = strncmp(store, "kv/", 3) == 0 || strncmp(store, "notes/", 6) == 0;
    return !other && key && value > key ? (size_t)(value + 1 - name) : 0;
}

static double when(const json_t *parameter)
{
    return json_number_value(json_object_get(parameter, "LastModifiedDate"));
}

/* A secret that was put and not yet deployed is the newest. */
static bool has_newer(const json_t *all, const json_t *one, size_t part)
{
    const char *name = aws_text(one, "Name");
    size_t i;
    const json_t *other;
    json_array_foreach(all, i, other) {
        const char *its = aws_text(other, "Name");
        if (other != one && strncmp(its, name, part) == 0 && !strchr(its + part, '/') &&
            when(other) > when(one))
            return true;
    }
    return false;
}

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), n = strlen(end);
    return len >= n && strcmp(name + len - n, end) == 0;
}

/* What the versions say of their bindings, one after the other. */
static int read_bindings(struct aws_target *t, const json_t *versions, struct buf *to,
                         struct err *err)
{
    size_t i;
    const json_t *version;
    json_array_foreach(versions, i, version) {
        struct archive_files files = {0};
        int r = aws_code_fetch(t, json_string_value(version), &files, err);
        for (size_t k = 0; r == 0 && k < files.count; k++)
            if (ends_with(files.list[k].name, bindings) &&
                !buf_add(to, files.list[k].data, files.list[k].len))
                r = err_set(err, ERR_LIMIT, "the versions' bindings are too large to compare");
        archive_files_clear(&files);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Who cannot tell what is used deletes nothing, and the rest of gc goes on. */
static int left_alone(const struct aws_target *t, const struct err *why, struct err *err)
{
    if (target_interrupted(&t->base))
        return err_set(err, ERR_INTERRUPTED, "interrupted");
    cleanup(free_p) char *text = xasprintf("old values of secrets stay: %s", why->msg);
    if (t->base.o.note)
        t->base.o.note(t->base.o.env, text);
    return 0;
}

static int delete_value(struct target *target, struct step *step, struct err *err)
{
    return aws_parameter_delete(aws_of(target), step->data, err);
}

int aws_secrets_gc(struct aws_target *t, const json_t *kept, struct steps *to, struct err *err)
{
    cleanup(free_p) char *path = xasprintf("/edgectl/%s", t->function);
    cleanup(json_decref_p) json_t *all = NULL;
    cleanup(json_decref_p) json_t *old = json_array();
    cleanup(buf_clear) struct buf used = BUF_INIT(TEXT_MAX);
    int r = aws_parameters_list(t, path, &all, err);
    size_t i;
    json_t *one;
    json_array_foreach(all, i, one) {
        size_t part = secret_part(t, aws_text(one, "Name"));
        if (part && has_newer(all, one, part))
            json_array_append(old, one);
    }
    struct err why = {0};
    if (r == 0 && json_array_size(old) && read_bindings(t, kept, &used, &why) < 0)
        return left_alone(t, &why, err);
    if (r < 0)
        return r;
    json_array_foreach(old, i, one) {
        const char *name = aws_text(one, "Name");
        if (used.len && memmem(used.data, used.len, name, strlen(name)))
            continue;
        steps_add_named(to, STEP_DELETE, xasprintf("secret value %s", name),
                        xasprintf("delete the parameter %s: no version that is kept "
                                  "uses it", name), delete_value, name);
    }
    return 0;
}
