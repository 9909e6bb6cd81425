/* SPDX-License-Identifier: Apache-2.0 */
/* Man pages, from the command table and hand-written prose. */
#ifndef EDGECTL_CLI_MAN_H
#define EDGECTL_CLI_MAN_H

#include "base/buf.h"
#include "cli/cli.h"

/* edgectl(1): the overview. */
void man_overview(struct buf *to, const struct cli_table *table, const char *prose);
/* edgectl-<cmd>(1). `prose`: Markdown for DESCRIPTION, or NULL. */
void man_command(struct buf *to, const struct cli_cmd *cmd, const char *prose);
/* "edgectl-kv-get", written to `to`, for file names and references. */
void man_page_name(struct buf *to, const struct cli_cmd *cmd);

/* Text with what roff would take for its own escaped. */
void man_text(struct buf *to, const char *text);
/* A little Markdown: paragraphs, "## Heading", "- item" (continued by two blanks), ``` blocks,
 * `code`, *emphasis* and **strong**. */
void man_prose(struct buf *to, const char *markdown);

#endif
