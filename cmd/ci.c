/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/ci.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

enum { TEXT_MAX = 16 << 10, ANNOTATIONS_MAX = 1 << 20 };

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value && *value && strcmp(value, "false") != 0;
}

/* GitHub's own encoding, in which a text cannot end its command: of properties more is encoded. */
static void add_encoded(struct buf *to, const char *text, bool property)
{
    for (const char *p = text; *p; p++) {
        bool plain = *p != '%' && *p != '\r' && *p != '\n' &&
                     !(property && (*p == ':' || *p == ','));
        if (plain)
            buf_add_char(to, *p);
        else
            buf_printf(to, "%%%02X", (unsigned char)*p);
    }
}

void ci_error(struct output *out, const struct err *err)
{
    cleanup(buf_clear) struct buf line = BUF_INIT(TEXT_MAX);
    if (!is_set("GITHUB_ACTIONS"))
        return;
    buf_add_str(&line, err->code == ERR_NONE ? "::warning title=edgectl" : "::error title=edgectl");
    if (err->file[0]) {
        buf_add_str(&line, ",file=");
        add_encoded(&line, err->file, true);
    }
    if (err->line)
        buf_printf(&line, ",line=%d", err->line);
    if (err->col)
        buf_printf(&line, ",col=%d", err->col);
    buf_add_str(&line, "::");
    add_encoded(&line, err->msg, false);
    if (err->hint[0]) {
        buf_add_str(&line, "%0A");
        add_encoded(&line, err->hint, false);
    }
    out_command(out, buf_str(&line));
}

/* --- what came of it --- */

static void append(const char *path, const struct buf *text)
{
    cleanup(close_p) int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd >= 0 && !file_write_all(fd, text->data, text->len))
        return; /* see ci.h */
}

/* A cell of a Markdown table, as code; what would end it is left out. */
static void add_row(struct buf *to, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    buf_printf(to, "| %s | `", name);
    for (const char *p = value; *p; p++)
        if (*p != '`' && *p != '|' && (unsigned char)*p >= ' ')
            buf_add_char(to, *p);
    buf_add_str(to, "` |\n");
}

static void summarize(const struct ci_outcome *o, const char *path)
{
    cleanup(buf_clear) struct buf text = BUF_INIT(TEXT_MAX);
    buf_printf(&text, "### edgectl %s\n\n| | |\n| --- | --- |\n", o->command);
    add_row(&text, "app", o->app);
    add_row(&text, "target", o->target);
    add_row(&text, "version", o->version);
    add_row(&text, "before", o->previous);
    add_row(&text, "release", o->release);
    add_row(&text, "traffic", o->serving ? "all" : "none yet");
    add_row(&text, "changed", o->changed ? "yes" : "no, it was there already");
    if (o->url)
        buf_printf(&text, "\n<%s>\n", o->url);
    buf_add_char(&text, '\n');
    append(path, &text);
}

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

void ci_rollout(const json_t *status)
{
    cleanup(buf_clear) struct buf text = BUF_INIT(TEXT_MAX);
    const char *path = getenv("GITHUB_STEP_SUMMARY");
    char step[64];
    size_t i;
    json_t *target;
    if (!is_set("GITHUB_ACTIONS") || !path || !*path)
        return;
    snprintf(step, sizeof step, "%lld of %lld",
             (long long)json_integer_value(json_object_get(status, "step")),
             (long long)json_integer_value(json_object_get(status, "steps")));
    buf_add_str(&text, "### edgectl rollout\n\n| | |\n| --- | --- |\n");
    add_row(&text, "rollout", text_of(status, "id"));
    add_row(&text, "phase", text_of(status, "phase"));
    add_row(&text, "step", step);
    add_row(&text, "verdict", text_of(status, "verdict"));
    add_row(&text, "reason", text_of(status, "text"));
    add_row(&text, "because", text_of(status, "why"));
    json_array_foreach(json_object_get(status, "targets"), i, target) {
        cleanup(free_p) char *share =
            xasprintf("%g %% on %s, the rest on %s",
                      json_number_value(json_object_get(target, "percent")),
                      text_of(target, "canary"), text_of(target, "stable"));
        add_row(&text, text_of(target, "target"), share);
    }
    buf_add_char(&text, '\n');
    append(path, &text);
}

static void add_output(struct buf *to, const char *name, const char *value)
{
    if (value && !strpbrk(value, "\r\n"))
        buf_printf(to, "%s=%s\n", name, value);
}

static void set_outputs(const struct ci_outcome *o, const char *path)
{
    cleanup(buf_clear) struct buf text = BUF_INIT(TEXT_MAX);
    add_output(&text, "version", o->version);
    add_output(&text, "release", o->release);
    add_output(&text, "url", o->url);
    add_output(&text, "changed", o->changed ? "true" : "false");
    add_output(&text, "traffic", o->serving ? "true" : "false");
    append(path, &text);
}

static json_t *read_annotations(const char *path)
{
    cleanup(free_p) char *text = NULL;
    size_t len;
    json_t *all = NULL;
    if (file_read(path, ANNOTATIONS_MAX, &text, &len, NULL) == 0)
        all = json_loadb(text, len, 0, NULL);
    if (json_is_object(all))
        return all;
    json_decref(all);
    return json_object();
}

/* Links only: that is what GitLab's annotations are. Those of earlier commands of the job stay. */
static void annotate_gitlab(const struct ci_outcome *o, const char *dir)
{
    cleanup(free_p) char *path = xasprintf("%s/edgectl-annotations.json", dir);
    cleanup(free_p) char *label = xasprintf("%s on %s: version %s", o->app, o->target, o->version);
    json_t *all = read_annotations(path);
    if (!json_is_array(json_object_get(all, "edgectl")))
        json_object_set_new(all, "edgectl", json_array());
    json_array_append_new(json_object_get(all, "edgectl"),
                          json_pack("{s{ss ss}}", "external_link", "label", label, "url", o->url));
    cleanup(free_p) char *text = json_dumps(all, JSON_INDENT(1));
    json_decref(all);
    struct err ignored;
    if (file_write(path, text, strlen(text), 0644, &ignored) < 0)
        return; /* see ci.h */
}

void ci_report(const struct ci_outcome *o)
{
    const char *summary = getenv("GITHUB_STEP_SUMMARY"), *outputs = getenv("GITHUB_OUTPUT"),
               *dir = getenv("CI_PROJECT_DIR");
    if (is_set("GITHUB_ACTIONS") && summary && *summary)
        summarize(o, summary);
    if (is_set("GITHUB_ACTIONS") && outputs && *outputs)
        set_outputs(o, outputs);
    if (is_set("GITLAB_CI") && dir && *dir && o->url)
        annotate_gitlab(o, dir);
}
