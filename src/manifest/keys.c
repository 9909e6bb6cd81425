/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/keys.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/units.h"

/* A key without text does not compile. */
#define KEY(path_, types_, dflt_, text_, ...)                                             \
    {.path = (path_), .types = (types_), .dflt = (dflt_),                                 \
     .text = (text_) + 0 * sizeof(char[sizeof(text_) > 1 ? 1 : -1]), ##__VA_ARGS__},

static const struct manifest_key edge_list[] = {
#include "manifest/keys.def"
};

static const struct manifest_key fastly_list[] = {
#include "manifest/fastly.def"
};

const struct key_table edge_keys = {edge_list, ARRAY_LEN(edge_list)};
const struct key_table fastly_keys = {fastly_list, ARRAY_LEN(fastly_list)};

const struct manifest_key *key_find(const struct key_table *t, const char *path)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->keys[i].path, path) == 0)
            return &t->keys[i];
    }
    return NULL;
}

void key_choices(const char *choices, char *to, size_t cap)
{
    size_t len = 0;
    for (const char *c = choices; *c && len + 4 < cap; c++) {
        if (*c == '|')
            len += (size_t)snprintf(to + len, cap - len, strchr(c + 1, '|') ? ", " : " or ");
        else
            to[len++] = *c;
    }
    to[len] = '\0';
}

void key_expected(const struct manifest_key *k, char *to, size_t cap)
{
    static const struct {
        unsigned type;
        const char *text;
    } words[] = {
        {KT_BOOL, "true or false"},
        {KT_INT, "a whole number"},
        {KT_NUMBER, "a number"},
        {KT_DURATION, "a duration such as 50ms, 5s or 10m"},
        {KT_SIZE, "a size such as 64KiB or 128MiB"},
        {KT_PERCENT, "a share such as 10%"},
        {KT_PATH, "a path"},
        {KT_PEM, "a PEM file or PEM text"},
        {KT_URL, "an http or https URL"},
        {KT_ANY_URL, "a URL"},
        {KT_HOST, "a host name"},
        {KT_NAME, "a name"},
        {KT_HEADER | KT_TEXT, "text"},
        {KT_LIST, "a list"},
        {KT_MAP | KT_DICT | KT_ANY_MAP, "a map"},
    };
    size_t len = 0;
    to[0] = '\0';
    if (k->types & KT_ENUM) {
        key_choices(k->choices, to, cap);
        len = strlen(to);
    }
    for (size_t i = 0; i < ARRAY_LEN(words) && len < cap; i++) {
        if (k->types & words[i].type)
            len += (size_t)snprintf(to + len, cap - len, "%s%s", len ? " or " : "", words[i].text);
    }
}

void key_limit(const struct manifest_key *k, int64_t v, char *to, size_t cap)
{
    static const struct {
        int64_t factor;
        const char *name;
    } sizes[] = {{1073741824, "GiB"}, {1048576, "MiB"}, {1024, "KiB"}, {1, "B"}};
    if (k->types & KT_DURATION) {
        char text[UNIT_TEXT_MAX];
        snprintf(to, cap, "%s", format_duration(v, text));
    } else if (k->types & KT_SIZE) {
        size_t i = 0;
        while (i + 1 < ARRAY_LEN(sizes) && (v == 0 || v % sizes[i].factor != 0))
            i++;
        snprintf(to, cap, "%lld%s", (long long)(v / sizes[i].factor), sizes[i].name);
    } else {
        snprintf(to, cap, "%lld%s", (long long)v, k->types & KT_PERCENT ? "%" : "");
    }
}
