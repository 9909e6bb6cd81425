/* SPDX-License-Identifier: Apache-2.0 */
/* A manifest as edge.yaml: what `edgectl init --from fastly.toml` writes. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/units.h"
#include "manifest/data.h"
#include "manifest/keys.h"

struct writer {
    const struct manifest *m;
    struct buf *out;
};

/* --- scalars --- */

static bool is_plain(const char *s, size_t len)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no", "on", "off"};
    double number;
    if (len == 0 || len > 200 || !isalpha((unsigned char)s[0]) || value_number(s, &number))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcasecmp(s, words[i]) == 0)
            return false;
    }
    for (size_t i = 0; i < len; i++) {
        bool colon = s[i] == ':' && i + 1 < len && s[i + 1] != ' ';
        if (!isalnum((unsigned char)s[i]) && !strchr("-_./", s[i]) && !colon)
            return false;
    }
    return true;
}

/* The code point at s and its length; len 0 when it is not UTF-8. */
static unsigned decode(const unsigned char *s, size_t left, size_t *len)
{
    static const unsigned char lead[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t n = s[0] < 0x80 ? 1 : (s[0] & 0xE0) == 0xC0 ? 2 : (s[0] & 0xF0) == 0xE0 ? 3
               : (s[0] & 0xF8) == 0xF0 ? 4 : 0;
    *len = n <= left ? n : 0;
    unsigned c = n ? s[0] & lead[n] : 0;
    for (size_t i = 1; i < *len; i++) {
        if ((s[i] & 0xC0) != 0x80)
            *len = 0;
        else
            c = c << 6 | (s[i] & 0x3F);
    }
    return c;
}

/* Characters that a YAML stream may not hold as they are. */
static bool must_escape(unsigned c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xFEFF ||
           (c >= 0xFFFE && c <= 0xFFFF);
}

enum { QUOTES = 1, EXPANSION = 2 };

/* `what`: QUOTES for text that is not JSON already, EXPANSION for values: keys have none. */
static void add_escaped(struct buf *out, const char *s, size_t size, int what)
{
    for (size_t i = 0, len; i < size; i += len ? len : 1) {
        unsigned c = decode((const unsigned char *)s + i, size - i, &len);
        if (len == 0)
            buf_add_str(out, "\\uFFFD");
        else if ((what & QUOTES) && (c == '"' || c == '\\'))
            buf_printf(out, "\\%c", c);
        else if ((what & QUOTES) && c == '\n')
            buf_add_str(out, "\\n");
        else if (must_escape(c))
            buf_printf(out, "\\u%04X", c);
        else if ((what & EXPANSION) && c == '$' && i + 1 < size && s[i + 1] == '{')
            buf_add_str(out, "$$");
        else
            buf_add(out, s + i, len);
    }
}

static void add_text(struct buf *out, const char *s, size_t len, int what)
{
    if (is_plain(s, len)) {
        buf_add(out, s, len);
        return;
    }
    buf_add_char(out, '"');
    add_escaped(out, s, len, QUOTES | what);
    buf_add_char(out, '"');
}

static void add_scalar(struct buf *out, const char *s, size_t len)
{
    add_text(out, s, len, EXPANSION);
}

static void indent(struct writer *w, int depth)
{
    buf_printf(w->out, "%*s", depth * 2, "");
}

/* `name:`; one that is too long to stand before a colon is written as `? name`. */
static void key(struct writer *w, int depth, const char *name)
{
    indent(w, depth);
    bool lengthy = strlen(name) > 150;
    if (lengthy)
        buf_add_str(w->out, "? ");
    add_text(w->out, name, strlen(name), 0);
    if (lengthy) {
        buf_add_char(w->out, '\n');
        indent(w, depth);
    }
    buf_add_char(w->out, ':');
}

static void pair_len(struct writer *w, int depth, const char *name, const char *value, size_t len)
{
    key(w, depth, name);
    buf_add_char(w->out, ' ');
    add_scalar(w->out, value, len);
    buf_add_char(w->out, '\n');
}

static void pair(struct writer *w, int depth, const char *name, const char *value)
{
    if (value)
        pair_len(w, depth, name, value, strlen(value));
}

static void open_map(struct writer *w, int depth, const char *name)
{
    key(w, depth, name);
    buf_add_char(w->out, '\n');
}

static void empty(struct writer *w, int depth, const char *name)
{
    key(w, depth, name);
    buf_add_str(w->out, " {}\n");
}

/* PEM reads best as a block; anything odd is quoted instead. */
static void pem(struct writer *w, int depth, const char *name, const char *text)
{
    if (!text)
        return;
    text += strspn(text, "\r\n");
    for (const char *p = text; *p; p++) {
        if ((!isprint((unsigned char)*p) && *p != '\n') || *text == ' ' ||
            (p[0] == '$' && p[1] == '{')) {
            pair(w, depth, name, text);
            return;
        }
    }
    key(w, depth, name);
    buf_add_str(w->out, " |\n");
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        indent(w, depth + 1);
        buf_add(w->out, p, strcspn(p, "\n"));
        buf_add_char(w->out, '\n');
    }
}

static const char *relative(const struct manifest *m, const char *path)
{
    size_t len = strlen(m->dir);
    return strncmp(path, m->dir, len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

static void path_pair(struct writer *w, int depth, const char *name, const char *path)
{
    if (path)
        pair(w, depth, name, relative(w->m, path));
}

static void ms_pair(struct writer *w, int depth, const char *name, int64_t ms)
{
    if (ms <= 0)
        return;
    char text[UNIT_TEXT_MAX];
    indent(w, depth);
    buf_printf(w->out, "%s: %s\n", name, format_duration(ms, text));
}

/* --- sections --- */

static void write_name(struct writer *w)
{
    char name[64];
    size_t len = 0;
    for (const char *p = w->m->name; *p && len < sizeof name - 1; p++)
        name[len++] = isalnum((unsigned char)*p) || strchr("-_.", *p) ? *p : '-';
    name[len] = '\0';
    pair(w, 0, "name", len ? name : "app");
}

static void write_build(struct writer *w)
{
    const struct manifest *m = w->m;
    open_map(w, 0, "build");
    pair(w, 1, "command", m->build.command);
    path_pair(w, 1, "artifact", m->build.artifact);
    if (strcmp(m->build.dir, m->dir) != 0)
        path_pair(w, 1, "dir", m->build.dir);
    if (m->build.watch_count == 1 && strcmp(m->build.watch[0], m->dir) == 0)
        return;
    open_map(w, 1, "watch");
    for (size_t i = 0; i < m->build.watch_count; i++) {
        const char *path = relative(m, m->build.watch[i]);
        indent(w, 2);
        buf_add_str(w->out, "- ");
        add_scalar(w->out, path, strlen(path));
        buf_add_char(w->out, '\n');
    }
}

static void write_backend(struct writer *w, const struct manifest_backend *b)
{
    static const char *const health[] = {NULL, "healthy", "unhealthy"};
    open_map(w, 1, b->name);
    pair(w, 2, "url", b->own_path ? "http://localhost" : b->url);
    pair(w, 2, "local", b->own_path ? b->url : NULL);
    pair(w, 2, "override-host", b->override_host);
    pair(w, 2, "cert-host", b->cert_host);
    if (b->no_sni)
        buf_add_str(w->out, "    sni: false\n");
    pem(w, 2, "ca", b->ca_pem);
    pem(w, 2, "client-cert", b->client_cert_pem);
    pem(w, 2, "client-key", b->client_key_pem);
    if (b->http2)
        buf_add_str(w->out, "    http2: true\n");
    if (b->grpc)
        buf_add_str(w->out, "    grpc: true\n");
    ms_pair(w, 2, "connect-timeout", b->connect_timeout_ms);
    ms_pair(w, 2, "first-byte-timeout", b->first_byte_timeout_ms);
    ms_pair(w, 2, "between-bytes-timeout", b->between_bytes_timeout_ms);
    pair(w, 2, "health", health[b->health]);
}

static void write_kv_entry(struct writer *w, const struct manifest_kv_entry *e)
{
    if (e->value.text && !e->metadata) {
        pair_len(w, 3, e->key, e->value.text, e->value.text_len);
        return;
    }
    open_map(w, 3, e->key);
    if (e->value.text)
        pair_len(w, 4, "text", e->value.text, e->value.text_len);
    path_pair(w, 4, "file", e->value.file);
    pair(w, 4, "metadata", e->metadata);
}

/* A list may name a key twice, and the last one counts; a map may not. */
static bool again_later(const struct manifest_kv *kv, size_t index)
{
    for (size_t i = index + 1; i < kv->count; i++) {
        if (strcmp(kv->entries[i].key, kv->entries[index].key) == 0)
            return true;
    }
    return false;
}

static void write_kv(struct writer *w, const struct manifest_kv *kv)
{
    if (kv->count == 0 && !kv->seed_file) {
        empty(w, 1, kv->name);
        return;
    }
    open_map(w, 1, kv->name);
    path_pair(w, 2, "seed", kv->seed_file);
    if (kv->count > 0)
        open_map(w, 2, "entries");
    for (size_t i = 0; i < kv->count; i++) {
        if (!again_later(kv, i))
            write_kv_entry(w, &kv->entries[i]);
    }
}

static void write_config(struct writer *w, const struct manifest_store *s)
{
    bool reserved = false;
    for (size_t i = 0; i < s->count; i++)
        reserved = reserved || strcmp(s->pairs[i].key, "file") == 0 ||
                   strcmp(s->pairs[i].key, "entries") == 0;
    if (s->count == 0 && !s->json_file) {
        empty(w, 1, s->name);
        return;
    }
    open_map(w, 1, s->name);
    path_pair(w, 2, "file", s->json_file);
    if (reserved)
        open_map(w, 2, "entries");
    for (size_t i = 0; i < s->count; i++)
        pair_len(w, reserved ? 3 : 2, s->pairs[i].key, s->pairs[i].value.text,
                 s->pairs[i].value.text_len);
}

static void write_secret(struct writer *w, int depth, const struct manifest_pair *p)
{
    if (!p->value.text && !p->value.file && !p->value.env) {
        key(w, depth, p->key);
        buf_add_str(w->out, "\n");
        return;
    }
    open_map(w, depth, p->key);
    pair(w, depth + 1, "env", p->value.env);
    path_pair(w, depth + 1, "file", p->value.file);
    if (p->value.text)
        pair_len(w, depth + 1, "value", p->value.text, p->value.text_len);
}

static void write_secret_store(struct writer *w, int depth, const struct manifest_store *s)
{
    if (s->count == 0 && !s->json_file) {
        empty(w, depth, s->name);
        return;
    }
    open_map(w, depth, s->name);
    path_pair(w, depth + 1, "file", s->json_file);
    for (size_t i = 0; i < s->count; i++) {
        bool later = false;
        for (size_t k = i + 1; k < s->count; k++)
            later = later || strcmp(s->pairs[k].key, s->pairs[i].key) == 0;
        if (!later)
            write_secret(w, depth + 1, &s->pairs[i]);
    }
}

/* The flat form has no file: a store called `secrets` that has one goes with the others. */
static void write_secrets(struct writer *w)
{
    const struct manifest *m = w->m;
    bool named = false;
    for (size_t i = 0; i < m->secret_count; i++) {
        const struct manifest_store *s = &m->secrets[i];
        if (strcmp(s->name, "secrets") == 0 && !s->json_file)
            write_secret_store(w, 0, s);
        else
            named = true;
    }
    if (named)
        open_map(w, 0, "secret-stores");
    for (size_t i = 0; i < m->secret_count; i++) {
        const struct manifest_store *s = &m->secrets[i];
        if (strcmp(s->name, "secrets") != 0 || s->json_file)
            write_secret_store(w, 1, s);
    }
}

static void write_names(struct writer *w, const char *section, char *const *names, size_t count)
{
    if (count == 0)
        return;
    key(w, 0, section);
    for (size_t i = 0; i < count; i++) {
        buf_add_str(w->out, i ? ", " : " [");
        add_scalar(w->out, names[i], strlen(names[i]));
    }
    buf_add_str(w->out, "]\n");
}

/* The same JSON, with its texts (not its names) kept from expansion. */
static json_t *unexpanded(const json_t *json)
{
    const char *name;
    size_t i;
    json_t *v, *copy;
    if (json_is_object(json)) {
        copy = json_object();
        json_object_foreach ((json_t *)json, name, v)
            json_object_set_new(copy, name, unexpanded(v));
        return copy;
    }
    if (json_is_array(json)) {
        copy = json_array();
        json_array_foreach (json, i, v)
            json_array_append_new(copy, unexpanded(v));
        return copy;
    }
    if (!json_is_string(json))
        return json_incref((json_t *)json);
    struct buf text = BUF_INIT(DATA_FILE_MAX);
    const char *s = json_string_value(json);
    for (size_t k = 0; k < json_string_length(json); k++) {
        if (s[k] == '$' && s[k + 1] == '{')
            buf_add_char(&text, '$');
        buf_add_char(&text, s[k]);
    }
    copy = json_stringn(buf_str(&text), text.len);
    buf_clear(&text);
    return copy;
}

static void json_pair(struct writer *w, const char *name, const char *text)
{
    cleanup(json_decref_p) json_t *json = json_loads(text, JSON_ALLOW_NUL, NULL);
    cleanup(json_decref_p) json_t *plain = unexpanded(json);
    cleanup(free_p) char *out = data_json_text(plain);
    key(w, 2, name);
    buf_add_char(w->out, ' ');
    add_escaped(w->out, out, strlen(out), 0);
    buf_add_char(w->out, '\n');
}

/* Addresses in their canonical text, of equal ones the last: a map has each once. */
static void write_geo(struct writer *w)
{
    const struct manifest *m = w->m;
    if (m->geo_count == 0 && m->geo_default_loopback)
        return;
    open_map(w, 0, "geo");
    if (!m->geo_default_loopback)
        buf_add_str(w->out, "  default-loopback: false\n");
    if (m->geo_count > 0)
        open_map(w, 1, "addresses");
    for (size_t i = 0; i < m->geo_count; i++) {
        char text[IP_PREFIX_TEXT];
        bool later = false;
        for (size_t k = i + 1; k < m->geo_count; k++)
            later = later || memcmp(&m->geo[k].prefix, &m->geo[i].prefix,
                                    sizeof m->geo[i].prefix) == 0;
        ip_prefix_text(&m->geo[i].prefix, text);
        if (m->geo[i].prefix.bits == m->geo[i].prefix.len * 8)
            *strchr(text, '/') = '\0';
        if (!later)
            json_pair(w, text, m->geo[i].json);
    }
}

static void write_devices(struct writer *w)
{
    const struct manifest *m = w->m;
    if (m->device_count == 0)
        return;
    open_map(w, 0, "devices");
    open_map(w, 1, "user-agents");
    for (size_t i = 0; i < m->device_count; i++)
        json_pair(w, m->devices[i].user_agent, m->devices[i].json);
}

static void write_acl(struct writer *w, const struct manifest_acl *a)
{
    const char *prefix, *action;
    if (a->file) {
        path_pair(w, 1, a->name, a->file);
        return;
    }
    open_map(w, 1, a->name);
    key(w, 2, "entries");
    if (!acl_entry(a->acl, 0, &prefix, &action))
        buf_add_str(w->out, " []");
    buf_add_char(w->out, '\n');
    for (size_t i = 0; acl_entry(a->acl, i, &prefix, &action); i++) {
        buf_add_str(w->out, "      - prefix: ");
        add_scalar(w->out, prefix, strlen(prefix));
        buf_add_str(w->out, "\n        action: ");
        add_scalar(w->out, action, strlen(action));
        buf_add_char(w->out, '\n');
    }
}

static void write_shield(struct writer *w, const struct manifest_shield *s)
{
    if (s->local) {
        pair(w, 1, s->name, "local");
        return;
    }
    open_map(w, 1, s->name);
    pair(w, 2, "encrypted", s->encrypted);
    pair(w, 2, "unencrypted", s->unencrypted);
}

static void write_limits(struct writer *w)
{
    const struct manifest *m = w->m;
    if (!m->limits.cpu_ms && !m->limits.wall_ms && !m->limits.memory_bytes)
        return;
    open_map(w, 0, "limits");
    ms_pair(w, 1, "cpu", m->limits.cpu_ms);
    ms_pair(w, 1, "wall", m->limits.wall_ms);
    if (m->limits.memory_bytes)
        buf_printf(w->out, "  memory: %lluB\n", (unsigned long long)m->limits.memory_bytes);
}

#define SECTION(w, name, list, count, write)    \
    if ((count) > 0)                            \
        open_map((w), 0, (name));               \
    for (size_t i = 0; i < (count); i++)        \
    write((w), &(list)[i])

int manifest_write_yaml(const struct manifest *m, struct buf *out, struct err *err)
{
    struct writer w = {m, out};
    write_name(&w);
    write_build(&w);
    SECTION(&w, "backends", m->backends, m->backend_count, write_backend);
    if (m->dynamic_backends)
        pair(&w, 0, "dynamic-backends", "allow");
    SECTION(&w, "kv", m->kv, m->kv_count, write_kv);
    SECTION(&w, "config", m->configs, m->config_count, write_config);
    write_secrets(&w);
    write_limits(&w);
    write_names(&w, "regions", m->regions, m->region_count);
    if (m->static_count > 0)
        open_map(&w, 0, "static");
    for (size_t i = 0; i < m->static_count; i++)
        path_pair(&w, 1, m->statics[i].path, m->statics[i].dir);
    write_geo(&w);
    write_devices(&w);
    SECTION(&w, "acls", m->acls, m->acl_count, write_acl);
    SECTION(&w, "shields", m->shields, m->shield_count, write_shield);
    write_names(&w, "log", m->log_endpoints, m->log_endpoint_count);
    write_names(&w, "fastly-api-keys", m->fastly_keys, m->fastly_key_count);
    if (out->overflow)
        return err_set(err, ERR_LIMIT, "the manifest is larger than %zu bytes", out->max);
    return 0;
}
