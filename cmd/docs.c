/* SPDX-License-Identifier: Apache-2.0 */
/* _docs: writes what is derived from the tables: man pages, completions, the list of commands.
 * `make docs` runs it; packages and cross builds take the committed result. */
#include "cmd/cmd.h"

#include <errno.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "bundle/doc.h"
#include "cli/complete.h"
#include "cli/man.h"
#include "guest/doc.h"
#include "manifest/doc.h"

enum { DOC_MAX = 1 << 22 };

struct docs_args {
    const char *what, *dir, *prose;
};

static const struct cli_opt opts[] = {
    OPT_STR(struct docs_args, 0, "prose", prose, "dir", COMP_DIR,
            "folder with <command>.md for DESCRIPTION"),
    OPT_END,
};

static const struct cli_arg operands[] = {
    ARG_CHOICE(struct docs_args, "WHAT", what, "man|bash|zsh|fish|commands", "what to write"),
    ARG_OPTIONAL(struct docs_args, "DIR", dir, COMP_DIR, "folder for man pages"),
    ARG_END,
};

static void fclose_p(FILE **f)
{
    if (*f)
        fclose(*f);
}

static int write_page(const char *dir, const char *name, const struct buf *text, struct err *err)
{
    cleanup(free_p) char *path = xasprintf("%s/%s", dir, name);
    cleanup(fclose_p) FILE *f = fopen(path, "w");
    if (!f)
        return err_sys(err, ERR_IO, errno, "cannot write '%s'", path);
    if (fwrite(text->data, 1, text->len, f) < text->len || fflush(f) != 0)
        return err_sys(err, ERR_IO, errno, "cannot write '%s'", path);
    return 0;
}

/* The prose for a page, empty when there is none. */
static void read_prose(const char *dir, const char *name, struct buf *to)
{
    cleanup(free_p) char *path = xasprintf("%s/%s.md", dir, name);
    cleanup(fclose_p) FILE *f = fopen(path, "r");
    char part[4096];
    for (size_t n; f && (n = fread(part, 1, sizeof part, f)) > 0;)
        buf_add(to, part, n);
}

static int man_page(struct cli *cli, const struct docs_args *a, const struct cli_cmd *cmd,
                    struct err *err)
{
    struct buf name = BUF_INIT(256), prose = BUF_INIT(DOC_MAX), page = BUF_INIT(DOC_MAX);
    if (cmd)
        man_page_name(&name, cmd);
    else
        buf_add_str(&name, "edgectl");
    if (a->prose)
        read_prose(a->prose, buf_str(&name), &prose);
    if (cmd)
        man_command(&page, cmd, prose.data);
    else
        man_overview(&page, cli->table, prose.data);
    buf_add_str(&name, ".1");
    int r = write_page(a->dir, buf_str(&name), &page, err);
    buf_clear(&name);
    buf_clear(&prose);
    buf_clear(&page);
    return r;
}

/* The manifest's page, and its schema for editors, from the key table. */
static int manifest_pages(const struct docs_args *a, struct err *err)
{
    struct buf prose = BUF_INIT(DOC_MAX), page = BUF_INIT(DOC_MAX), schema = BUF_INIT(DOC_MAX);
    if (a->prose)
        read_prose(a->prose, "edge.yaml", &prose);
    manifest_doc_man(&page, prose.data);
    manifest_doc_schema(&schema);
    int r = write_page(a->dir, "edge.yaml.5", &page, err);
    if (r == 0)
        r = write_page(a->dir, "edge.schema.json", &schema, err);
    buf_clear(&prose);
    buf_clear(&page);
    buf_clear(&schema);
    return r;
}

static int hostcall_page(const struct docs_args *a, struct err *err)
{
    cleanup(buf_clear) struct buf page = BUF_INIT(DOC_MAX);
    guest_doc_man(&page);
    return write_page(a->dir, "edgectl-hostcalls.7", &page, err);
}

static int limit_page(const struct docs_args *a, struct err *err)
{
    cleanup(buf_clear) struct buf page = BUF_INIT(DOC_MAX);
    bundle_doc_man(&page);
    return write_page(a->dir, "edgectl-limits.7", &page, err);
}

static int man_pages(struct cli *cli, const struct docs_args *a, struct err *err)
{
    if (!a->dir)
        return err_set(err, ERR_USAGE, "DIR is missing");
    int r = man_page(cli, a, NULL, err);
    const struct cli_cmd *cmd;
    for (size_t i = 0; r == 0 && (cmd = complete_cmd(cli->table, i)); i++)
        r = man_page(cli, a, cmd, err);
    if (r == 0)
        r = manifest_pages(a, err);
    if (r == 0)
        r = hostcall_page(a, err);
    return r == 0 ? limit_page(a, err) : r;
}

static int run(struct cli *cli, void *args, struct err *err)
{
    const struct docs_args *a = args;
    if (strcmp(a->what, "man") == 0)
        return man_pages(cli, a, err);
    struct buf text = BUF_INIT(DOC_MAX);
    const struct cli_cmd *cmd;
    if (strcmp(a->what, "bash") == 0)
        complete_bash(&text, cli->table);
    else if (strcmp(a->what, "zsh") == 0)
        complete_zsh(&text, cli->table);
    else if (strcmp(a->what, "fish") == 0)
        complete_fish(&text, cli->table);
    else
        for (size_t i = 0; (cmd = complete_cmd(cli->table, i)); i++)
            buf_printf(&text, "%s\n", cmd->path);
    out_write(cli->out, text.data, text.len);
    buf_clear(&text);
    return 0;
}

const struct cli_cmd cmd_docs = {
    .path = "_docs",
    .group = GRP_TOOL,
    .summary = "write man pages and completions",
    .operands = operands,
    .opts = opts,
    .args_size = sizeof(struct docs_args),
    .exits = EXITS(IO),
    .hidden = true,
    .run = run,
};
