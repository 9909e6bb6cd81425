/* SPDX-License-Identifier: Apache-2.0 */
/* The deploy engine over a provider in memory: what the engine promises whatever the driver does. */
#include "unit/test.h"

#include "base/mem.h"
#include "bundle/bundle.h"
#include "provider/deploy.h"
#include "provider/journal.h"
#include "unit/world/scratch.h"

/* What is "at the provider", and how it behaves. */
static struct {
    bool app;
    char versions[8][PROVIDER_ID_MAX];
    size_t count;
    struct split split;
    int fail_step;              /* of the next plan: 1-based; 0 = none */
    int probe_status;
    bool probe_wrong;
    int set_splits;
} there;

static int step_app(struct target *t, struct step *s, struct err *err)
{
    (void)t, (void)s;
    if (there.fail_step == 1)
        return err_set(err, ERR_NETWORK, "503");
    there.app = true;
    return 0;
}

static int step_version(struct target *t, struct step *s, struct err *err)
{
    (void)s;
    if (there.fail_step == 2)
        return err_set(err, ERR_LIMIT, "too large");
    memcpy(t->shipment->version, t->shipment->bundle->id, 8);
    t->shipment->version[8] = '\0';
    strcpy(there.versions[there.count++], t->shipment->version);
    return 0;
}

static int plan(struct target *t, struct shipment *s, struct steps *ret, struct err *err)
{
    (void)t, (void)err;
    s->first = there.split.count == 0;
    if (!there.app)
        steps_add(ret, STEP_MAKE, xstrdup("app"), xstrdup("make it"), step_app);
    for (size_t i = 0; i < there.count; i++)
        if (strncmp(there.versions[i], s->bundle->id, 8) == 0)
            strcpy(s->version, there.versions[i]);
    if (!s->version[0])
        steps_add(ret, STEP_MAKE, xstrdup("version"), xstrdup("upload it"), step_version);
    return 0;
}

static int get_split(struct target *t, struct split *ret, struct err *err)
{
    (void)t, (void)err;
    *ret = there.split;
    return 0;
}

static int set_split(struct target *t, const struct split *want, const char *expect,
                     struct err *err)
{
    (void)t;
    if (expect && strcmp(expect, there.split.revision) != 0)
        return err_set(err, ERR_DRIFT, "changed");
    there.split = *want;
    there.set_splits++;
    snprintf(there.split.revision, sizeof there.split.revision, "r%d", there.set_splits);
    return 0;
}

static int probe(struct target *t, const struct probe *p, struct probe_result *ret,
                 struct err *err)
{
    (void)t, (void)err;
    *ret = (struct probe_result){.status = there.probe_status, .verified = !there.probe_wrong};
    snprintf(ret->version, sizeof ret->version, "%s", there.probe_wrong ? "other" : p->version);
    return 0;
}

static const struct provider memory = {
    .name = "memory", .title = "Memory",
    .caps = {.split = SPLIT_ANY, .min_bp = 1, .max_bp = 9999, .probe = true},
    .plan = plan, .get_split = get_split, .set_split = set_split, .probe = probe,
};

struct fixture {
    struct target target;
    struct manifest *manifest;
    struct bundle bundle;
    struct deploy_result result;
    struct err err;
    char version[PROVIDER_ID_MAX];
};

static int setup(void **state)
{
    struct fixture *f = xnew(struct fixture);
    memset(&there, 0, sizeof there);
    there.probe_status = 200;
    scratch_make(state);
    f->manifest = manifest_for_module("app.wasm");
    struct journal *j;
    assert_int_equal(journal_open(scratch, "t", JOURNAL_WRITE, &j, &f->err), 0);
    struct target_options options = {.name = "t", .manifest = f->manifest, .journal = j,
                                     .state_dir = scratch};
    target_init(&f->target, &memory, &options);
    strcpy(f->bundle.id, "aaaaaaaa");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    journal_close(f->target.o.journal);
    target_fini(&f->target);
    manifest_unref(f->manifest);
    free(f);
    return scratch_remove(NULL);
}

static int deploy(struct fixture *f, const char *id, struct deploy_options options)
{
    struct shipment s = {.bundle = &f->bundle};
    strcpy(f->bundle.id, id);
    memset(&f->err, 0, sizeof f->err);
    int r = deploy_run(&f->target, &s, &options, &f->result, &f->err);
    strcpy(f->version, s.version);
    return r;
}

static void a_deploy_converges(void **state)
{
    struct fixture *f = *state;
    there.fail_step = 2;
    assert_int_equal(deploy(f, "aaaaaaaa", (struct deploy_options){0}), -ERR_LIMIT);
    assert_string_equal(f->err.msg, "upload it: too large");
    assert_true(there.app && there.count == 0 && there.set_splits == 0);
    there.fail_step = 0;
    assert_int_equal(deploy(f, "aaaaaaaa", (struct deploy_options){0}), 0);
    assert_int_equal(f->result.steps, 1);
    assert_true(f->result.serving);
    assert_int_equal(deploy(f, "aaaaaaaa", (struct deploy_options){0}), 0);
    assert_int_equal(f->result.steps, 0);
    assert_false(f->result.shifted);
    assert_int_equal(there.set_splits, 1);
    assert_int_equal(there.count, 1);
}

static void a_dry_run_changes_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(deploy(f, "aaaaaaaa", (struct deploy_options){.dry_run = true}), 0);
    assert_int_equal(f->result.steps, 2);
    assert_true(f->result.shifted);
    assert_false(there.app || there.count || there.set_splits);
}

static void who_gets_traffic(void **state)
{
    struct fixture *f = *state;
    struct deploy_options first_only = {.traffic = DEPLOY_FIRST_ONLY},
                          none = {.traffic = DEPLOY_NONE};
    assert_int_equal(deploy(f, "aaaaaaaa", none), 0);
    assert_int_equal(there.split.count, 0);
    assert_int_equal(deploy(f, "bbbbbbbb", first_only), 0);
    assert_string_equal(there.split.arms[0].version, "bbbbbbbb");
    assert_int_equal(deploy(f, "cccccccc", first_only), 0);
    assert_string_equal(there.split.arms[0].version, "bbbbbbbb");
    assert_string_equal(f->result.before, "bbbbbbbb");
    assert_int_equal(deploy(f, "cccccccc", (struct deploy_options){0}), 0);
    assert_int_equal(f->result.steps, 0);
    assert_string_equal(there.split.arms[0].version, "cccccccc");
}

static void a_version_that_does_not_answer_gets_none(void **state)
{
    struct fixture *f = *state;
    there.probe_status = 502;
    assert_int_equal(deploy(f, "aaaaaaaa", (struct deploy_options){0}), -ERR_FAILURE);
    assert_non_null(strstr(f->err.msg, "502"));
    assert_int_equal(there.set_splits, 0);
    assert_int_equal(deploy(f, "aaaaaaaa", (struct deploy_options){.skip_probe = true}), 0);
    assert_int_equal(there.set_splits, 1);
}

static void a_rollout_is_not_walked_over(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(deploy(f, "aaaaaaaa", (struct deploy_options){0}), 0);
    there.split = (struct split){.count = 2, .revision = "x",
                                 .arms = {{"aaaaaaaa", 9000}, {"bbbbbbbb", 1000}}};
    assert_int_equal(deploy(f, "cccccccc", (struct deploy_options){0}), -ERR_DRIFT);
    assert_int_equal(there.count, 1);
    assert_int_equal(deploy(f, "cccccccc", (struct deploy_options){.traffic = DEPLOY_NONE}), 0);
    assert_int_equal(there.split.arms[1].bp, 1000);
}

static void the_journal_has_each_step_and_split(void **state)
{
    struct fixture *f = *state;
    struct journal_op op;
    there.fail_step = 2;
    assert_int_equal(deploy(f, "aaaaaaaa", (struct deploy_options){0}), -ERR_LIMIT);
    there.fail_step = 0;
    assert_int_equal(deploy(f, "aaaaaaaa", (struct deploy_options){0}), 0);
    static const char *const kinds[] = {"step", "step", "step", "split"};
    static const char *const what[] = {"app", "version", "version", "aaaaaaaa"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(journal_op_at(f->target.o.journal, i, &op));
        assert_string_equal(op.kind, kinds[i]);
        assert_string_equal(op.what, what[i]);
        assert_string_equal(op.release, "aaaaaaaa");
        assert_true(op.ended_ms > 0);
        assert_int_equal(op.error != NULL, i == 1);
    }
    assert_false(journal_op_at(f->target.o.journal, 4, &op));
}

static void shares_that_can_be(void **state)
{
    (void)state;
    struct provider_caps capped = {.split = SPLIT_CAPPED, .min_bp = 100, .max_bp = 1500,
                                   .step_bp = 100},
                         none = {.split = SPLIT_NONE};
    assert_int_equal(split_nearest(&capped, 50), 0);
    assert_int_equal(split_nearest(&capped, 199), 100);
    assert_int_equal(split_nearest(&capped, 5000), 1500);
    assert_int_equal(split_nearest(&capped, 10000), 10000);
    assert_int_equal(split_nearest(&none, 9999), 0);
    struct split a = {.count = 2, .arms = {{"x", 10000}, {"y", 0}}},
                 b = {.count = 1, .arms = {{"x", 10000}}},
                 c = {.count = 2, .arms = {{"y", 0}, {"x", 10000}}};
    assert_true(split_equal(&a, &b) && split_equal(&b, &a) && split_equal(&a, &c));
    b.arms[0].bp = 9999;
    assert_false(split_equal(&a, &b));
}

int main(void)
{
#define ON_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ON_FIXTURE(a_deploy_converges),
        ON_FIXTURE(a_dry_run_changes_nothing),
        ON_FIXTURE(who_gets_traffic),
        ON_FIXTURE(a_version_that_does_not_answer_gets_none),
        ON_FIXTURE(a_rollout_is_not_walked_over),
        ON_FIXTURE(the_journal_has_each_step_and_split),
        cmocka_unit_test(shares_that_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
