#include "edge.h"

/* Visitors are split in two once and then remembered by a cookie. */
static char variant(const struct edge_request *req)
{
    const char *cookie = edge_cookie(req, "variant");
    if (cookie && (strcmp(cookie, "a") == 0 || strcmp(cookie, "b") == 0))
        return cookie[0];
    const char *percent = edge_config("flags", "b-percent");
    return (int)(arc4random() % 100) < (percent ? atoi(percent) : 0) ? 'b' : 'a';
}

/* Text as it may stand in HTML. */
static const char *escape(const char *text)
{
    char *to = malloc(strlen(text) * 5 + 1), *p = to;
    if (!to)
        return "";
    for (; *text; text++) {
        if (*text == '<')
            p = stpcpy(p, "&lt;");
        else if (*text == '&')
            p = stpcpy(p, "&amp;");
        else
            *p++ = *text;
    }
    *p = '\0';
    return to;
}

/* GET /: the greeting that is in the KV store, in the visitor's variant. */
static void home(const struct edge_request *req)
{
    char v = variant(req);
    const char *greeting = edge_kv_get("content", "greeting", NULL);
    struct edge_response resp = edge_response_new(200);
    edge_response_set(&resp, "content-type", "text/html; charset=utf-8");
    edge_response_set(&resp, "cache-control", "private, no-store");
    edge_response_set(&resp, "set-cookie",
                      v == 'b' ? "variant=b; Path=/; Max-Age=2592000; SameSite=Lax; HttpOnly"
                               : "variant=a; Path=/; Max-Age=2592000; SameSite=Lax; HttpOnly");
    edge_print(&resp,
               "<!doctype html>\n<meta charset=utf-8>\n<title>Edge app</title>\n"
               "<style>body { font: 1.2rem/1.5 system-ui; max-width: 36rem; margin: 4rem auto; "
               "border-top: .5rem solid %s; padding: 1rem }</style>\n"
               "<h1>%s</h1>\n<p>You see variant %c.\n"
               "<p><a href=/items>Items from the origin</a>\n",
               v == 'b' ? "seagreen" : "royalblue", escape(greeting ? greeting : "Hello"), v);
    edge_send(&resp);
}

/* GET /items: what the origin says, marked as having come this way. */
static void items(void)
{
    struct edge_request req = edge_request_new("GET", "/items.json");
    struct edge_response resp = edge_fetch(&req, "origin");
    if (!resp.status) {
        edge_log("app", "origin failed: status %d", resp.error);
        edge_respond_text(502, "The origin does not answer.\n");
        return;
    }
    edge_response_set(&resp, "x-served-by", "edge");
    edge_send(&resp);
}

/* PUT /greeting: for those who know the token. */
static void set_greeting(const struct edge_request *req)
{
    const char *auth = edge_header(req, "authorization");
    const char *token = edge_secret("secrets", "admin-token");
    if (!auth || strncmp(auth, "Bearer ", 7) != 0 || !token || !*token ||
        !edge_same_secret(auth + 7, token)) {
        struct edge_response resp = edge_response_new(401);
        edge_response_set(&resp, "www-authenticate", "Bearer");
        edge_print(&resp, "Not allowed.\n");
        edge_send(&resp);
        return;
    }
    size_t len = 0;
    const char *text = edge_body_text(req->body, &len);
    if (!text || len == 0 || len > 1000) {
        edge_respond_text(400, "A greeting has 1 to 1000 bytes.\n");
        return;
    }
    if (edge_kv_put("content", "greeting", text, len, 0) != EDGE_KV_OK) {
        edge_respond_text(500, "The greeting could not be stored.\n");
        return;
    }
    edge_log("app", "greeting changed, %zu bytes", len);
    edge_respond_text(200, "Stored.\n");
}

int main(void)
{
    struct edge_request req = edge_request();
    bool get = strcmp(req.method, "GET") == 0 || strcmp(req.method, "HEAD") == 0;
    if (get && strcmp(req.path, "/") == 0)
        home(&req);
    else if (get && strcmp(req.path, "/items") == 0)
        items();
    else if (strcmp(req.method, "PUT") == 0 && strcmp(req.path, "/greeting") == 0)
        set_greeting(&req);
    else
        edge_respond_text(404, "There is nothing here.\n");
}
