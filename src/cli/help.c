/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>
#include "base/units.h"

enum { COLUMNS = 80, TEXT_COLUMN = 28 };

static const char *const group_titles[] = {
#define X(name, title) [name] = title,
    CLI_GROUPS(X)
#undef X
};

/* A left column of `label`, then `text` wrapped beside it. */
static void two_columns(struct buf *to, const char *label, const char *text, size_t column)
{
    buf_printf(to, "  %s", label);
    size_t at = strlen(label) + 2;
    if (at + 2 > column) {
        buf_add_char(to, '\n');
        at = 0;
    }
    bool first = true;
    while (*text) {
        size_t len = strcspn(text, " ");
        if (first || at + 1 + len > COLUMNS) {
            if (!first)
                buf_add_char(to, '\n');
            size_t pad = first ? column - at : column;
            buf_printf(to, "%*s", (int)pad, "");
            at = column;
        } else {
            buf_add_char(to, ' ');
            at++;
        }
        buf_add(to, text, len);
        at += len;
        text += len;
        text += *text == ' ';
        first = false;
    }
    buf_add_char(to, '\n');
}

void help_usage(struct buf *to, const struct cli_cmd *cmd)
{
    buf_printf(to, "edgectl %s [OPTIONS]", cmd->path);
    for (const struct cli_arg *a = cmd->operands; a && a->type != CLI_END; a++)
        buf_printf(to, a->optional ? " [%s%s]" : " %s%s", a->name,
                   a->type == CLI_LIST ? "..." : "");
}

static void opt_label(struct buf *to, const struct cli_opt *o)
{
    if (o->letter)
        buf_printf(to, "-%c%s", o->letter, o->name ? ", " : "");
    else
        buf_add_str(to, "    ");
    if (o->name)
        buf_printf(to, "--%s", o->name);
    if (o->value)
        buf_printf(to, " <%s>", o->value);
}

void help_opt_text(struct buf *to, const struct cli_opt *o, const void *defaults)
{
    char unit[UNIT_TEXT_MAX];
    buf_add_str(to, o->help);
    if (o->choices)
        buf_printf(to, " (%s)", o->choices);
    if (!defaults)
        return;
    const void *at = (const char *)defaults + o->offset;
    if (o->type == CLI_INT)
        buf_printf(to, " (default: %d)", *(const int *)at);
    else if (o->type == CLI_STR && *(const char *const *)at)
        buf_printf(to, " (default: %s)", *(const char *const *)at);
    else if (o->type == CLI_DURATION && *(const int64_t *)at)
        buf_printf(to, " (default: %s)", format_duration(*(const int64_t *)at, unit));
    else if (o->type == CLI_SIZE && *(const int64_t *)at)
        buf_printf(to, " (default: %s)", format_size((uint64_t)*(const int64_t *)at, unit));
}

void help_arg_text(struct buf *to, const struct cli_arg *a)
{
    buf_add_str(to, a->help);
    if (a->choices)
        buf_printf(to, " (%s)", a->choices);
}

const char *help_group_title(enum cli_group group)
{
    return group_titles[group];
}

static void opt_lines(struct buf *to, const struct cli_opt *o, const void *defaults)
{
    for (; o && o->type != CLI_END; o++) {
        struct buf label = BUF_INIT(COLUMNS), text = BUF_INIT(4096);
        opt_label(&label, o);
        help_opt_text(&text, o, defaults);
        two_columns(to, buf_str(&label), buf_str(&text), TEXT_COLUMN);
        buf_clear(&label);
        buf_clear(&text);
    }
}

/* As it is written, but for the fences of code, which is set in. */
static void about(struct buf *to, const char *text)
{
    bool code = false;
    while (text && *text) {
        size_t len = strcspn(text, "\n");
        if (len >= 3 && memcmp(text, "```", 3) == 0)
            code = !code;
        else
            buf_printf(to, "%s%.*s\n", code && len ? "  " : "", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

static void exit_statuses(struct buf *to, unsigned exits)
{
    buf_add_str(to, "\nExit status:\n");
    two_columns(to, "0", "success", 7);
    exits |= EXITS(FAILURE, USAGE);
    for (int code = 1, before = 0; code < ERR_COUNT; code++) {
        char label[16] = "";
        int status = err_exit_status(code);
        if (!(exits & 1u << code))
            continue;
        if (status != before)
            snprintf(label, sizeof label, "%d", status);
        two_columns(to, label, err_text((enum err_code)code), 7);
        before = status;
    }
}

void help_command(struct buf *to, const struct cli_cmd *cmd)
{
    buf_printf(to, "edgectl %s: %s\n\nUsage: ", cmd->path, cmd->summary);
    help_usage(to, cmd);
    buf_add_char(to, '\n');
    if (cmd->about)
        buf_add_char(to, '\n');
    about(to, cmd->about);
    if (cmd->operands && cmd->operands->type != CLI_END)
        buf_add_str(to, "\nArguments:\n");
    for (const struct cli_arg *a = cmd->operands; a && a->type != CLI_END; a++) {
        struct buf text = BUF_INIT(4096);
        help_arg_text(&text, a);
        two_columns(to, a->name, buf_str(&text), TEXT_COLUMN);
        buf_clear(&text);
    }
    if ((cmd->opts && cmd->opts->type != CLI_END) || (cmd->needs & NEED_STATE))
        buf_add_str(to, "\nOptions:\n");
    opt_lines(to, cmd->opts, cmd->defaults);
    if (cmd->needs & NEED_STATE)
        opt_lines(to, cli_state_opts, NULL);
    buf_add_str(to, "\nGlobal options:\n");
    opt_lines(to, cli_global_opts, NULL);
    exit_statuses(to, cmd->exits);
    if (cmd->examples)
        buf_add_str(to, "\nExamples:\n");
    for (const struct cli_example *e = cmd->examples; e && e->command; e++)
        buf_printf(to, "  # %s\n  %s\n", e->text, e->command);
}

static bool under(const struct cli_cmd *cmd, const char *noun)
{
    size_t len = noun ? strlen(noun) : 0;
    return !noun || (strncmp(cmd->path, noun, len) == 0 && cmd->path[len] == ' ');
}

static void group_lines(struct buf *to, const struct cli_table *table, const char *noun, int group)
{
    bool any = false;
    for (size_t i = 0; i < table->count; i++) {
        const struct cli_cmd *cmd = table->cmds[i];
        if (cmd->hidden || (int)cmd->group != group || !under(cmd, noun))
            continue;
        if (!any)
            buf_printf(to, "\n%s:\n", group_titles[group]);
        any = true;
        two_columns(to, cmd->path, cmd->summary, 20);
    }
}

void help_overview(struct buf *to, const struct cli_table *table, const char *noun)
{
    if (!noun)
        buf_add_str(to, "edgectl: " HELP_SUMMARY "\n\n");
    buf_printf(to, "Usage: edgectl %s%s<command> [OPTIONS]\n", noun ? noun : "", noun ? " " : "");
    for (const struct cli_noun *n = table->nouns; noun && n->name; n++) {
        if (strcmp(n->name, noun) != 0)
            continue;
        buf_add_char(to, '\n');
        about(to, n->about);
    }
    for (int g = 0; g < GRP_COUNT; g++)
        group_lines(to, table, noun, g);
    buf_add_str(to, "\nGlobal options:\n");
    opt_lines(to, cli_global_opts, NULL);
    buf_printf(to, "\n'edgectl %s%s<command> --help' tells about one command.\n", noun ? noun : "",
               noun ? " " : "");
}
