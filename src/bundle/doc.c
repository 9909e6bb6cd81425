/* SPDX-License-Identifier: Apache-2.0 */
#include "bundle/doc.h"

#include <string.h>
#include "base/version.h"
#include "bundle/limits.h"

/* Each source of rows [from, end) once, in their order. */
static void add_sources(struct buf *to, size_t from, size_t end)
{
    buf_add_str(to, ".PP\n");
    for (size_t i = from; i < end; i++) {
        bool seen = false;
        for (size_t k = from; k < i; k++)
            seen |= strcmp(limit_row(k)->source, limit_row(i)->source) == 0;
        if (!seen)
            buf_printf(to, "%s\n.br\n", limit_row(i)->source);
    }
}

/* Rows of a profile stand together in the table. */
static size_t add_profile(struct buf *to, size_t i)
{
    size_t from = i;
    const struct limit *l = limit_row(i), *first = l;
    char text[LIMIT_TEXT_MAX];
    buf_printf(to, ".SS %s\n.TS\nl l l.\n", limit_profile_name(l->profile));
    for (; l && l->profile == first->profile; l = limit_row(++i))
        buf_printf(to, "%s\t%s\t%s\n", limit_kind_text(l->kind),
                   limit_text(l->kind, l->value, text), l->date);
    buf_add_str(to, ".TE\n");
    add_sources(to, from, i);
    return i;
}

void bundle_doc_man(struct buf *to)
{
    buf_printf(to, "'\\\" t\n.TH EDGECTL-LIMITS 7 \"\" \"edgectl %s\" \"edgectl\"\n"
                   ".SH NAME\nedgectl-limits \\- what providers allow\n.SH DESCRIPTION\n"
                   "What \\fBedgectl bundle\\fR checks bundles against, and \\fBedgectl dev "
                   "--limits\\fR holds guests to: each number with the date of its source. Where "
                   "sources differ, the stricter holds. cloudflare-free has what it lacks from "
                   "cloudflare, lambda-edge-viewer from lambda-edge.\n.SH LIMITS\n",
               EDGECTL_VERSION);
    for (size_t i = 0; limit_row(i);)
        i = add_profile(to, i);
    buf_add_str(to, ".SH SEE ALSO\n.BR edgectl-bundle (1),\n.BR edgectl-dev (1)\n");
}
