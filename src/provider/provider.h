/* SPDX-License-Identifier: Apache-2.0 */
/* What every provider looks like to the commands, the deploy engine and the rollout: one const
 * `struct provider` each, all in provider.def, and one opened `struct target` per entry of the
 * manifest's `targets`. Drivers speak HTTP only through net/api.h. `local` is one of them.
 *
 * The contract of every function of a driver
 *
 * - It blocks, on one thread per target; calls that do not depend on each other go out at the same
 *   time inside it (api_start). It ends soon with -ERR_INTERRUPTED once *options.interrupted.
 * - It may be called again after the process was killed at any instruction of it, and then ends as
 *   if it had been called once. So: everything that is made carries the release's id, or a name
 *   that follows from the manifest, and is looked up there before it is made; what cannot be found
 *   that way (an id that the provider chose) is kept with journal_set_fact as soon as the answer is
 *   read. Our files are only a cache of the provider's state: read before every change.
 * - What is not ours is adopted only by a step that says so; nothing is deleted by a fallback.
 * - Errors: the message has what was tried and the provider's own words; the hint says the next
 *   step. -ERR_CREDENTIALS: missing, wrong, expired or too narrow (which variable or file, which
 *   scope). -ERR_NETWORK: the provider or the way to it failed, after the retries. -ERR_DRIFT:
 *   something else changed it, or holds it. -ERR_LIMIT: size, quota, or the plan lacks it.
 *   -ERR_USAGE: this provider cannot do it at all; the hint names what comes nearest.
 *   -ERR_MANIFEST: the manifest lacks or contradicts something. -ERR_FAILURE: refused otherwise.
 * - Secret values come as struct secret and go nowhere but into the request.
 * - A NULL function: the provider has no such thing. Callers go through target.h, which says so.
 * - Strings in results belong to the result; free with its _clear. Times are ms of wall time,
 *   0 = unknown.
 *
 * How a deploy survives kill -9: a driver does not journal. Its plan() reads the provider and
 * answers with the steps that are still missing; the engine (deploy.h) writes each step's intent to
 * the journal and syncs it, runs the step, writes the outcome. The next run plans anew: what an
 * interrupted step has made is found, so it is in the plan no more, and the rest is. set_split is
 * journalled the same way by target_set_split. */
#ifndef EDGECTL_PROVIDER_PROVIDER_H
#define EDGECTL_PROVIDER_PROVIDER_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/latency.h"
#include "crypto/secret.h"
#include "manifest/manifest.h"

struct bundle;              /* bundle/bundle.h */
struct bundle_secret;
struct journal;
struct target;

enum { PROVIDER_ID_MAX = 128, SPLIT_ARMS = 2, SPLIT_WHOLE = 10000, SPLIT_STAGES_MAX = 16 };

/* How traffic can be divided. Shares are in basis points: 10000 = everything. */
enum split_kind {
    SPLIT_NONE,             /* all or nothing */
    SPLIT_ANY,              /* any share, at once */
    SPLIT_CAPPED,           /* up to max_bp, or everything */
    SPLIT_STAGED,           /* only at shares that were fixed when the rollout began (stages_bp) */
    SPLIT_ROUTER,           /* any share, by a router of ours in front; plan() sets it up */
};

enum sticky { STICKY_NO, STICKY_CLIENT, STICKY_KEY };    /* nothing, by client, by a key it sends */

struct provider_caps {
    enum split_kind split;
    int min_bp, max_bp, step_bp;        /* shares of the new version but 0 and 10000 */
    enum sticky sticky;
    bool upload_without_traffic;        /* else plan()'s last step is the release itself */
    bool probe;                         /* a request can be forced onto a version without traffic */
    bool preview;                       /* versions can have an address of their own */
    bool versions;                      /* old ones are kept and can be given traffic again */
    bool metrics, latency;              /* numbers per version; with a histogram */
    bool errors_are_exceptions;         /* .errors does not count answers with 5xx */
    bool kv, config, secrets;
    bool config_live, secrets_live;     /* a change is seen at once; else by the next release */
    bool logs, purge;
    bool notes;                         /* put_note, get_note */
    bool cas;                           /* set_split is refused when `expect` is no longer so */
    const char *bridge;                 /* where a version is asked before it gets everything, if no
                                           share can be given to it, or what would give more than
                                           max_bp; for people; NULL = nothing */
    int64_t propagation_ms;             /* how long a split takes to be everywhere, as a rule */
    int64_t metric_lag_ms;
};

/* --- results --- */

struct identity {
    char *account, *account_name, *user;        /* NULL when not known */
    char *from;                                 /* where the credentials were found */
    char **scopes;                              /* as the provider calls them */
    size_t scope_count;
    const char *lacks;                          /* what they are too few for, for people; static,
                                                   NULL = nothing that is known */
    int64_t expires_ms;
    int64_t skew_ms;                            /* their clock minus ours */
};

struct version {
    char id[PROVIDER_ID_MAX];                   /* immutable, the provider's */
    int64_t number;                             /* for people; 0 when it has none */
    char release[PROVIDER_ID_MAX];              /* "" when edgectl did not make it */
    char *message;                              /* NULL when none */
    char *revision;                             /* of the sources (git), NULL when not known */
    char *preview_url;                          /* NULL when none */
    char *by;                                   /* who made it, NULL when not known */
    int64_t created_ms;
    bool deployable;                            /* may still be given traffic */
};

struct version_list {
    struct version *list;                       /* newest first */
    size_t count;
};

struct split_arm {
    char version[PROVIDER_ID_MAX];
    int bp;
};

/* What has the traffic. After a plain deploy: one arm with 10000. No arm: nothing is served. */
struct split {
    struct split_arm arms[SPLIT_ARMS];          /* the stable one first */
    int count;
    char revision[PROVIDER_ID_MAX];             /* changes whenever the split does */
    char *by;                                   /* who changed it last, NULL when not known */
    int64_t changed_ms;
    bool settled;                               /* false while it still spreads */
};

struct probe {
    const char *version;                        /* must answer */
    const char *path;                           /* NULL = "/" */
    const char *host;                           /* NULL: the target's first domain or own address */
    int64_t timeout_ms;                         /* 0 = 10 s */
};

struct probe_result {
    int status;                                 /* 0: no answer */
    char version[PROVIDER_ID_MAX];              /* that says it answered; "" when it does not say */
    bool verified;                              /* ... and it is the one asked for */
    int64_t took_us;
    char why[256];                              /* with status 0 */
};

/* Totals of one version's finished requests in [from_ms, until_ms). Ask with the same `since_ms`
 * each time and take differences: data that come late are in a later difference. `from_ms` is later
 * than asked when older data are gone (a restart): begin anew. Counts are what was counted, never
 * scaled up by a sampling rate. No data is requests == 0 with until_ms as far as is known. */
struct metrics {
    int64_t from_ms, until_ms;
    uint64_t requests;
    uint64_t errors;                            /* answers with 5xx, or see errors_are_exceptions */
    uint64_t traps;                             /* the guest died (trap, limit); in errors */
    double sampled;                             /* share of requests that was counted; 1 = all */
    bool has_latency;
    uint64_t latency[LATENCY_BUCKETS];
    int64_t p50_us, p99_us;                     /* -1 when not known */
};

struct log_line {
    int64_t time_ms;
    const char *version, *request, *stream;     /* "" when not known; borrowed for the call */
    const char *text;
    size_t len;
};
/* false ends the tail. */
typedef bool log_fn(void *env, const struct log_line *line);

/* --- data --- */

enum store_kind { STORE_KV, STORE_CONFIG, STORE_SECRET };

struct entry {
    char *key;
    void *value;                                /* NULL for secrets, and in listings of keys */
    size_t len;
    char *metadata;                             /* KV; NULL when none */
    int64_t expires_ms;                         /* KV; 0 = never */
    struct secret *secret;                      /* for put of STORE_SECRET */
    char *digest;                               /* of a secret, as in a release; NULL = not known */
};

struct store_ref {
    enum store_kind kind;
    const char *name;                           /* as the manifest and the guest have it */
};
/* false ends the listing. The entry is borrowed for the call. */
typedef bool entry_fn(void *env, const struct entry *entry);

/* --- steps --- */

enum step_verb { STEP_MAKE, STEP_CHANGE, STEP_ADOPT, STEP_DELETE };

/* One thing to be done at the provider. */
struct step {
    enum step_verb verb;
    char *id;               /* the same in every run for the same work: "kv sessions" */
    char *text;             /* for people: "make the KV namespace shop-edge-sessions" */
    /* Several remote calls are fine, if doing the whole again is. */
    int (*run)(struct target *t, struct step *s, struct err *err);
    void *data;
    void (*free_data)(void *data);
};

struct steps {
    struct step *list;
    size_t count;
};

/* Adds a step; `id` and `text` are taken, `data` may be NULL. */
struct step *steps_add(struct steps *s, enum step_verb verb, char *id, char *text,
                       int (*run)(struct target *t, struct step *s, struct err *err));
/* A step about one thing, whose name (copied) is its data. */
struct step *steps_add_named(struct steps *s, enum step_verb verb, char *id, char *text,
                             int (*run)(struct target *t, struct step *s, struct err *err),
                             const char *name);
void steps_clear(struct steps *s);

/* --- a release on its way to a target --- */

/* Borrowed for plan() and its steps; the engine owns it. */
struct shipment {
    /* What is shipped: its id is the release's, its bindings tell what each store and secret is
     * called there, and the digest of each secret's value. A value lives under a name made of its
     * digest (or within the version), so that an older release finds its own again. */
    const struct bundle *bundle;
    const struct bundle_secret *secrets;        /* value NULL: not at hand, must be there already */
    size_t secret_count;
    const char *message, *revision;             /* NULL when none */
    bool preview;                               /* an address of its own, never traffic */
    bool traffic;                               /* by the engine: set_split follows in this run */
    /* Results, by plan() if it is there already, else by the step that makes it: */
    char version[PROVIDER_ID_MAX];
    char *url, *preview_url;                    /* where it is reached; freed by the engine */
    bool first;                                 /* set by plan(): no version has had traffic */
};

struct gc_options {
    int keep;                                   /* newest versions to keep besides those in use */
    int64_t older_than_ms;                      /* 0 = whatever age */
};

struct target_options {
    const char *name;                           /* in the manifest: "production" */
    struct manifest *manifest;                  /* with that target's keys; a reference is taken */
    struct journal *journal;                    /* borrowed; facts may be read and set */
    const char *state_dir;                      /* the project's */
    const atomic_bool *interrupted;             /* NULL = never */
    /* For a person who waits; may be NULL. total 0 = not known. */
    void (*progress)(void *env, const char *what, uint64_t done, uint64_t total);
    void (*note)(void *env, const char *text);
    void (*trace)(void *env, const char *line); /* each HTTP exchange, without secrets */
    void *env;
};

/* What each driver's own struct begins with. open() fills it with target_init. */
struct target {
    const struct provider *provider;
    struct provider_caps caps;                  /* the provider's, as this target's keys have it */
    struct target_options o;                    /* strings copied */
    struct shipment *shipment;                  /* while a deploy runs */
};

struct provider {
    const char *name, *title;                   /* "cloudflare", "Cloudflare Workers" */
    struct provider_caps caps;
    const char *const *variables;               /* of the environment, for doctor; then NULL */

    /* No remote call: credentials are found, their form is checked. */
    int (*open)(const struct target_options *o, struct target **ret, struct err *err);
    void (*close)(struct target *t);

    /* plan() follows soon: begin to read what it reads first, and wait for nothing. */
    void (*prepare)(struct target *t);
    int (*whoami)(struct target *t, struct identity *ret, struct err *err);
    /* Only reads. What is missing until the release is there as a version without traffic: the app,
     * its stores and their first content, config, secrets, domains, the version, in this order.
     * No step and a version in the shipment: nothing is to be done. */
    int (*plan)(struct target *t, struct shipment *s, struct steps *ret, struct err *err);

    int (*versions)(struct target *t, struct version_list *ret, struct err *err);
    int (*get_split)(struct target *t, struct split *ret, struct err *err);
    /* Make it so, and wait until it is accepted (`settled` of get_split tells when it is all over).
     * `expect`: the revision that was read before, or NULL; -ERR_DRIFT when it is another now. A
     * share that cannot be: -ERR_USAGE, see split_nearest. */
    int (*set_split)(struct target *t, const struct split *want, const char *expect,
                     struct err *err);
    /* SPLIT_STAGED: fix the shares of the rollout that is about to begin. */
    int (*set_stages)(struct target *t, const int *bp, int count, struct err *err);
    /* 0 also when there was no answer, or the wrong one: see the result. */
    int (*probe)(struct target *t, const struct probe *p, struct probe_result *ret,
                 struct err *err);
    int (*metrics)(struct target *t, const char *version, int64_t since_ms, struct metrics *ret,
                   struct err *err);
    /* Until `fn` says so, or the user interrupts. version NULL = all. */
    int (*tail)(struct target *t, const char *version, log_fn *fn, void *env, struct err *err);
    /* key NULL = everything. */
    int (*purge)(struct target *t, const char *key, bool soft, struct err *err);

    /* Data. Values of secrets cannot be read. get: 1 found, 0 not. put: all or an error; repeated,
     * no harm. A change of config or secrets is live or waits for the next release: see caps. */
    int (*list)(struct target *t, struct store_ref store, const char *prefix, entry_fn *fn,
                void *env, struct err *err);
    int (*get)(struct target *t, struct store_ref store, const char *key, struct buf *value,
               struct entry *ret, struct err *err);
    /* Many entries of a KV store, in the order of `keys`; those that are not there are left out.
     * NULL: each is asked for with get. */
    int (*get_many)(struct target *t, struct store_ref store, const char *const *keys, size_t count,
                    entry_fn *fn, void *env, struct err *err);
    int (*put)(struct target *t, struct store_ref store, const struct entry *entries, size_t count,
               struct err *err);
    int (*remove)(struct target *t, struct store_ref store, const char *const *keys, size_t count,
                  struct err *err);

    /* Where a rollout's state can be read from another machine; up to 4000 bytes of text. get: 1
     * found, 0 not. */
    int (*put_note)(struct target *t, const char *key, const char *text, struct err *err);
    int (*get_note)(struct target *t, const char *key, struct buf *text, struct err *err);

    /* Steps that delete: old versions and what else is left over; everything of the app. What can
     * only go hours later is detached now, and a step again in a later gc. */
    int (*gc)(struct target *t, const struct gc_options *o, struct steps *ret, struct err *err);
    int (*destroy)(struct target *t, struct steps *ret, struct err *err);
};

#define PROVIDER(name) extern const struct provider provider_##name;
#include "provider/provider.def"
#undef PROVIDER

/* By name; NULL if there is none. */
const struct provider *provider_find(const char *name);
/* Item i in the order of provider.def, NULL past the end. */
const struct provider *provider_at(size_t i);

/* For open() and close() of drivers. */
void target_init(struct target *t, const struct provider *p, const struct target_options *o);
void target_fini(struct target *t);
bool target_interrupted(const struct target *t);

/* For put and remove of STORE_SECRET: remember which value a secret has from now on (its digest, as
 * secret_print has it; NULL = none), for the next release. */
must_use int target_note_secret(struct target *t, const char *store, const char *key,
                                const char *digest, struct err *err);
/* What was noted last; NULL if nothing. */
const char *target_noted_secret(const struct journal *j, const char *store, const char *key);

void identity_clear(struct identity *i);
void version_list_clear(struct version_list *l);
/* Appends a zeroed version. */
struct version *version_list_add(struct version_list *l);
void split_clear(struct split *s);
void entry_clear(struct entry *e);
/* The arm's share, 0 if it is none. */
int split_share(const struct split *s, const char *version);
bool split_equal(const struct split *a, const struct split *b);
/* The nearest share not above bp that these capabilities allow; 0 if only all or nothing. */
int split_nearest(const struct provider_caps *caps, int bp);

#endif
