/* SPDX-License-Identifier: Apache-2.0 */
/* The staging network: one version of a service, active or not, answers there for the service's own
 * names, at an address of its own. Whoever resolves the name to it gets that version, nobody else
 * does. It needs a version that is active in production; stores are those of production, domains
 * cannot be staged, and a service there reaches no other service: a router has no use for it.
 * Source: docs.fastly.com, "Working with staging", and the API reference's
 * /service/ID/version/N/activate/ENVIRONMENT. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/fs.h"

/* It is told in one of two ways. */
bool fs_is_staged(const struct fs_service *s, int number)
{
    const json_t *version = fs_version(s, number);
    if (json_is_true(json_object_get(version, "staging")))
        return true;
    size_t i;
    json_t *e;
    json_array_foreach(json_object_get(version, "environments"), i, e)
        if (json_text(e, "name") && strcmp(json_text(e, "name"), "staging") == 0 &&
            json_integer_value(json_object_get(e, "active_version")) == number)
            return true;
    return false;
}

static char *path_of(const struct fs_service *s, int number, const char *rest)
{
    cleanup(free_p) char *service = api_path("/service/%s", s->id);
    return xasprintf("%s/version/%d%s", service, number, rest);
}

/* As it is from now on, for whoever asks before it is read again. */
static void note_staged(struct fs_service *s, int number)
{
    size_t i;
    json_t *v;
    json_array_foreach(s->versions, i, v) {
        bool its = json_integer_value(json_object_get(v, "number")) == number;
        json_object_set_new(v, "staging", json_boolean(its));
        json_object_del(v, "environments");
    }
}

static int activate(struct fs *f, struct fs_service *s, int number, struct err *err)
{
    cleanup(json_decref_p) json_t *version = NULL;
    int r = fs_do(f, "PUT", path_of(s, number, "/activate/staging"), NULL, &version, err);
    if (r < 0)
        return err_wrap(err, r, "staging version %d of %s", number, s->name);
    note_staged(s, number);
    json_decref(f->staging);
    f->staging = NULL;
    return fs_check_end(f, version, err);
}

int fs_stage(struct fs *f, int number, const char *host, char **ret_address, struct err *err)
{
    struct fs_service *s = &f->front;
    *ret_address = NULL;
    int r = fs_is_staged(s, number) ? 0 : activate(f, s, number, err);
    if (r == 0 && !f->staging)
        r = fs_do(f, "GET", path_of(s, number, "/domain?include=staging_ips"), NULL, &f->staging,
                  err);
    size_t i;
    json_t *d;
    json_array_foreach(f->staging, i, d)
        if (json_text(d, "name") && strcmp(json_text(d, "name"), host) == 0 && !*ret_address)
            *ret_address = json_text_copy(d, "staging_ip");
    return r;
}

int fs_unstage(struct fs *f, struct fs_service *s, struct err *err)
{
    size_t i;
    json_t *v;
    int r = 0;
    json_array_foreach(s->versions, i, v) {
        int number = (int)json_integer_value(json_object_get(v, "number"));
        if (r < 0 || !fs_is_staged(s, number))
            continue;
        cleanup(json_decref_p) json_t *root = NULL;
        struct fs_call call = fs_start(f, "PUT", path_of(s, number, "/deactivate/staging"), NULL,
                                       false);
        r = fs_wait(f, &call, &root, err);
    }
    return r < 0 ? r : 0;
}

/* --- previews --- */

/* There is no URL for it: it has the name of the real one, at another address. */
static int tell(struct fs *f, int number, struct err *err)
{
    cleanup(free_p) char *host = fs_host(f);
    cleanup(free_p) char *address = NULL;
    int r = fs_stage(f, number, host, &address, err);
    if (r < 0 || !f->t.o.note)
        return r;
    cleanup(free_p) char *text =
        address ? xasprintf("the preview is on the staging network: curl --resolve %s:443:%s "
                            "https://%s/", host, address, host)
                : xasprintf("the preview is on the staging network; Fastly names no address of %s "
                            "there", host);
    f->t.o.note(f->t.o.env, text);
    return 0;
}

static int run_preview(struct target *t, struct step *step, struct err *err)
{
    (void)step;
    struct fs *f = fs_of(t);
    int number = 0;
    struct fs_service *s = fs_service_of(f, t->shipment->version, &number);
    if (!s)
        return err_set(err, ERR_FAILURE, "the service %s has gone meanwhile", f->front.name);
    return tell(f, number, err);
}

int fs_plan_preview(struct fs *f, const struct shipment *s, struct steps *steps, struct err *err)
{
    int number = 0;
    if (f->router)
        return 0; /* the slot is active, at an address of its own */
    if (!f->front.active) {
        int r = err_set(err, ERR_USAGE, "Fastly has no preview of an app that is not there yet: it "
                                        "stages no version of a service that has none active");
        err_hint(err, "deploy it once: edgectl deploy --target %s", f->t.o.name);
        return r;
    }
    fs_service_of(f, s->version, &number);
    if (number && (fs_is_staged(&f->front, number) || number == f->front.active))
        return number == f->front.active ? 0 : tell(f, number, err);
    steps_add(steps, STEP_CHANGE, xasprintf("stage %s", s->bundle->id),
              xasprintf("put it on the staging network of %s", f->front.name), run_preview);
    return 0;
}
