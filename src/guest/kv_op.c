/* SPDX-License-Identifier: Apache-2.0 */
/* KV operations: lookups and lists are answered by the loop's reader at once; an insert first
 * collects its value, then waits for the store's commit, as a delete does. */
#include "guest/kv.h"

#include <stdlib.h>
#include "base/mem.h"
#include "guest/limits.h"

static struct kv_op *op_new(struct guest *g)
{
    struct kv_op *op = xnew(struct kv_op);
    op->g = g;
    buf_init(&op->value, guest_limit(g, LIMIT_KV_VALUE, KV_VALUE_MAX));
    return op;
}

static void drop_source(struct kv_op *op)
{
    if (!op->source)
        return;
    body_on_readable(op->source, NULL, NULL);
    body_stop(op->source);
    body_unref(op->source);
    op->source = NULL;
}

static void destroy(struct kv_op *op)
{
    drop_source(op);
    kv_entry_free(op->entry);
    buf_clear(&op->value);
    free((char *)op->put.key);
    free((void *)op->put.metadata);
    free(op->page);
    free(op);
}

void kv_op_free(struct kv_op *op)
{
    if (!op)
        return;
    op->g = NULL;
    if (op->writing)
        drop_source(op); /* written() frees the rest */
    else
        destroy(op);
}

bool kv_op_ready(void *ptr)
{
    const struct kv_op *op = ptr;
    return op->done;
}

void kv_op_drop(struct guest *g, void *ptr)
{
    (void)g;
    kv_op_free(ptr);
}

static struct kv_op *finish(struct kv_op *op, enum kv_result result)
{
    op->result = result;
    op->done = true;
    return op;
}

/* --- reading --- */

struct kv_op *kv_op_lookup(struct guest *g, const char *store, const char *key)
{
    struct kv_op *op = op_new(g);
    return finish(op, kv_get(g->env->view.kv, store, key, &op->entry));
}

struct kv_op *kv_op_list(struct guest *g, const struct kv_list *list)
{
    struct kv_op *op = op_new(g);
    cleanup(free_p) char *after = list->cursor ? kv_cursor_key(list->cursor) : NULL;
    if ((list->cursor && !after) || list->limit == 0)
        return finish(op, KV_BAD_REQUEST);
    struct kv_page page = {0};
    enum kv_result r =
        kv_list(g->env->view.kv, list->store, list->prefix, after, list->limit, &page);
    if (r == KV_OK)
        op->page = kv_page_json(list, &page);
    kv_page_clear(&page);
    return finish(op, r);
}

/* --- writing --- */

static void written(void *env, enum kv_result result, uint64_t generation)
{
    struct kv_op *op = env;
    (void)generation;
    op->writing = false;
    finish(op, result);
    if (op->g)
        guest_event(op->g);
    else
        destroy(op);
}

struct kv_op *kv_op_delete(struct guest *g, const char *store, const char *key)
{
    struct kv_op *op = op_new(g);
    op->writing = true;
    kv_write_delete(g->app->world->kv, store, key, g->env->loop, written, op);
    return op;
}

static void submit(struct kv_op *op)
{
    drop_source(op);
    op->put.value_len = op->value.len;
    op->put.value = buf_take(&op->value);
    op->put.value_take = true;
    op->writing = true;
    kv_write_put(op->g->app->world->kv, &op->put, op->g->env->loop, written, op);
}

/* Read what has come of the value; at its end it goes to the store. */
static void collect(struct kv_op *op)
{
    const uint8_t *data;
    size_t len;
    for (;;) {
        switch (body_peek(op->source, &data, &len)) {
        case BODY_DATA:
            if (!buf_add(&op->value, data, len)) {
                drop_source(op);
                finish(op, KV_PAYLOAD_TOO_LARGE);
                return;
            }
            body_consume(op->source, len);
            break;
        case BODY_WAIT:
            return;
        case BODY_END:
            submit(op);
            return;
        case BODY_ERROR:
            drop_source(op);
            op->broken = true;
            finish(op, KV_BAD_REQUEST);
            return;
        }
    }
}

static void source_readable(void *env)
{
    struct kv_op *op = env;
    collect(op);
    if (op->done)
        guest_event(op->g);
}

struct kv_op *kv_op_insert(struct guest *g, const struct kv_put *put, struct body *source)
{
    struct kv_op *op = op_new(g);
    op->put = *put;
    op->put.key = xstrdup(put->key);
    if (put->metadata)
        op->put.metadata = xmemdup(put->metadata, put->metadata_len);
    op->source = source;
    int64_t length = body_known_length(source);
    if (length > (int64_t)op->value.max) {
        drop_source(op);
        return finish(op, KV_PAYLOAD_TOO_LARGE);
    }
    if (length > 0)
        buf_reserve(&op->value, (size_t)length);
    body_on_readable(source, source_readable, op);
    collect(op);
    return op;
}
