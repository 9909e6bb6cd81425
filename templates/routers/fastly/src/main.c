/* SPDX-License-Identifier: Apache-2.0 */
/* The router guest: shares the traffic of a domain between two Fastly services, which are its
 * backends. ../../README.md has the contract. */
#include <arpa/inet.h>
#include <ctype.h>

#include "edge.h"
#include "flat_json.h"

#define VERSION "x-edgectl-version"
#define VIA "x-edgectl-via"
#define COOKIE "edgectl-share"

struct rollout {
    char *stable, *canary;      /* labels */
    char *stable_backend, *canary_backend;
    char *salt, *force_header;
    long weight_bp, gen;
};

struct choice {
    const char *label, *backend;
    bool canary, forced, known;
    unsigned share;             /* 0 to 9999 */
};

static bool label_ok(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i]))
            return false;
    return len >= 1 && len <= 64;
}

/* The rollout as it stands. False, with the cause in *why: there is none that makes sense. */
static bool read_rollout(struct rollout *r, const char **why)
{
    const char *json = edge_config("edgectl", "rollout");
    *why = "no key 'rollout' in the config store 'edgectl'";
    if (!json)
        return false;
    *why = "the rollout is not valid";
    r->stable = flat_json_text(json, "stable");
    r->canary = flat_json_text(json, "canary");
    r->salt = flat_json_text(json, "salt");
    if (!label_ok(r->stable) || !label_ok(r->canary) || !label_ok(r->salt) ||
        !flat_json_number(json, "weight_bp", &r->weight_bp) || r->weight_bp < 0 ||
        r->weight_bp > 10000)
        return false;
    flat_json_number(json, "gen", &r->gen);
    char *force = flat_json_text(json, "force_header");
    char *stable = flat_json_text(json, "stable_backend");
    char *canary = flat_json_text(json, "canary_backend");
    r->force_header = force ? force : "x-edgectl-canary";
    r->stable_backend = stable ? stable : r->stable;
    r->canary_backend = canary ? canary : r->canary;
    return true;
}

/* FNV-1a, then the finalizer of splitmix64, as neighbouring addresses must fall far apart. */
static unsigned share_of(const char *salt, const char *address)
{
    uint64_t h = 0xcbf29ce484222325;
    for (const char *p = salt; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3;
    h = (h ^ '|') * 0x100000001b3;
    for (const char *p = address; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9;
    h = (h ^ h >> 27) * 0x94d049bb133111eb;
    return (unsigned)((h ^ h >> 31) % 10000);
}

/* The share that an earlier answer put into the cookie, -1 if it is none of this rollout's. */
static int remembered(const struct edge_request *req, const char *salt)
{
    const char *cookie = edge_cookie(req, COOKIE);
    const char *dot = cookie ? strrchr(cookie, '.') : NULL;
    if (!dot || (size_t)(dot - cookie) != strlen(salt) || memcmp(cookie, salt, strlen(salt)) != 0)
        return -1;
    size_t digits = strspn(dot + 1, "0123456789");
    return digits >= 1 && digits <= 4 && !dot[1 + digits] ? atoi(dot + 1) : -1;
}

/* 1: the canary is forced, 0: the stable version, -1: neither. */
static int forced(const struct edge_request *req, const struct rollout *r)
{
    const char *value = edge_header(req, r->force_header);
    if (!value)
        return -1;
    if (strcmp(value, "1") == 0 || strcmp(value, "canary") == 0 || strcmp(value, r->canary) == 0)
        return 1;
    if (strcmp(value, "0") == 0 || strcmp(value, "stable") == 0 || strcmp(value, r->stable) == 0)
        return 0;
    return -1;
}

static struct choice choose(const struct edge_request *req, const struct rollout *r,
                            const char *address)
{
    struct choice c = {0};
    int known = remembered(req, r->salt);
    int force = forced(req, r);
    c.known = known >= 0;
    c.forced = force >= 0;
    c.share = c.known ? (unsigned)known : share_of(r->salt, address);
    c.canary = c.forced ? force == 1 : (long)c.share < r->weight_bp;
    c.label = c.canary ? r->canary : r->stable;
    c.backend = c.canary ? r->canary_backend : r->stable_backend;
    return c;
}

/* The client's address as text, "" if it is unknown. */
static const char *client_address(const struct edge_request *req)
{
    static char text[INET6_ADDRSTRLEN];
    char ip[16];
    uint32_t len = 0;
    if (fastly_http_downstream_downstream_client_ip_addr(req->handle, ip, &len) != EDGE_OK ||
        (len != 4 && len != 16) || !inet_ntop(len == 4 ? AF_INET : AF_INET6, ip, text, sizeof(text)))
        return "";
    return text;
}

/* Where a router was before, it is in the header. One that is longer than eight
 * kilobytes was made by a loop too. */
static bool was_here(const struct edge_request *req, const char *id)
{
    static char values[8192];
    uint32_t cursor = 0;
    int64_t next;
    size_t len;
    do {
        if (fastly_http_req_header_values_get(req->handle, VIA, strlen(VIA), values, sizeof(values),
                                              cursor, &next, &len) != EDGE_OK)
            return true;
        for (size_t i = 0; i < len; i += strlen(values + i) + 1)
            for (char *p = values + i; *p;) {
                p += strspn(p, ", ");
                size_t part = strcspn(p, ", ");
                if (part == strlen(id) && memcmp(p, id, part) == 0)
                    return true;
                p += part;
            }
        cursor = (uint32_t)next;
    } while (next >= 0);
    return false;
}

/* Text as a header may have it: nothing below a space. */
static char *header_text(char *text)
{
    for (char *p = text; p && *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    return text;
}

/* The app sees the router as its client, so the real one goes with the request. */
static void pass_on_client(struct edge_request *req, const char *address)
{
    static const char *const places[][2] = {
        {"x-edgectl-geo-country", "country_code"},
        {"x-edgectl-geo-region", "region"},
        {"x-edgectl-geo-city", "city"},
    };
    edge_request_set(req, "x-edgectl-client-ip", *address ? address : NULL);
    if (*address)
        fastly_http_req_header_append(req->handle, "x-forwarded-for", strlen("x-forwarded-for"),
                                      address, strlen(address));
    const char *geo = edge_geo(req);
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        edge_request_set(req, places[i][0],
                         geo ? header_text(flat_json_text(geo, places[i][1])) : NULL);
}

static void answer(struct edge_response *resp, const struct rollout *r, const struct choice *c)
{
    if (c->label)
        edge_response_set(resp, VERSION, c->label);
    if (c->label && !c->known) {
        char *cookie = NULL;
        if (asprintf(&cookie, COOKIE "=%s.%u; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Lax",
                     r->salt, c->share) < 0)
            abort();
        fastly_http_resp_header_append(resp->handle, "set-cookie", strlen("set-cookie"), cookie,
                                       strlen(cookie));
    }
    edge_send(resp);
}

int main(void)
{
    struct edge_request req = edge_request();
    struct rollout rollout = {0};
    struct choice choice = {.backend = "stable"};
    const char *service = getenv("FASTLY_SERVICE_ID"), *why;
    char *id = NULL;
    if (asprintf(&id, "fastly-%s", service ? service : "") < 0)
        abort();
    if (was_here(&req, id)) {
        edge_log("edgectl-router", "{\"edgectl\":\"router\",\"error\":\"loop\"}");
        edge_respond_text(508, "This request was here already.\n");
        return 0;
    }
    const char *address = client_address(&req);
    if (read_rollout(&rollout, &why))
        choice = choose(&req, &rollout, address);
    else
        edge_log("edgectl-router", "{\"edgectl\":\"router\",\"error\":\"%s\"}", why);

    fastly_http_req_header_append(req.handle, VIA, strlen(VIA), id, strlen(id));
    edge_request_set(&req, VERSION, choice.label);
    pass_on_client(&req, address);
    /* Whatever may be cached is cached by the app's service: here both versions have one key. */
    fastly_http_req_cache_override_set(req.handle, EDGE_OVERRIDE_PASS, 0, 0);

    struct edge_response resp = edge_fetch(&req, choice.backend);
    int error = resp.status ? 0 : (int)resp.error;
    if (error) {
        resp = edge_response_new(502);
        edge_response_set(&resp, "cache-control", "no-store");
        edge_print(&resp, "The app does not answer.\n");
    }
    if (choice.label)
        edge_log("edgectl-router",
                 "{\"edgectl\":\"router\",\"version\":\"%s\",\"canary\":%s,\"forced\":%s,"
                 "\"share\":%u,\"gen\":%ld,\"status\":%u,\"error\":%d}",
                 choice.label, choice.canary ? "true" : "false", choice.forced ? "true" : "false",
                 choice.share, rollout.gen, resp.status, error);
    answer(&resp, &rollout, &choice);
}
