/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/doc.h"

#include <string.h>
#include "base/version.h"
#include "guest/table.h"

static const char *how_text(enum hostcall_how how)
{
    switch (how) {
    case HOSTCALL_FULL:
        return "full";
    case HOSTCALL_PEER:
        return "answered, without the feature behind it";
    default:
        return "unsupported";
    }
}

static void add_module(struct buf *to, const struct hostcall *calls, size_t count)
{
    buf_printf(to, ".SS %s\n.TS\nl l l.\n", calls->module);
    for (size_t i = 0; i < count && strcmp(calls[i].module, calls->module) == 0; i++)
        buf_printf(to, "%s\t%s\t%s\n", calls[i].name, how_text(calls[i].how),
                   calls[i].hosts ? "host" : "");
    buf_add_str(to, ".TE\n");
}

void guest_doc_man(struct buf *to)
{
    size_t count, full = 0;
    const struct hostcall *calls = guest_hostcalls(&count);
    for (size_t i = 0; i < count; i++)
        full += calls[i].how == HOSTCALL_FULL;
    buf_printf(to, "'\\\" t\n.TH EDGECTL-HOSTCALLS 7 \"\" \"edgectl %s\" \"edgectl\"\n"
                   ".SH NAME\nedgectl-hostcalls \\- what a guest may import\n.SH DESCRIPTION\n",
               EDGECTL_VERSION);
    buf_printf(to,
               "A guest is a core WebAssembly module that exports _start and memory, and imports "
               "the Fastly Compute hostcalls and WASI preview 1. All %zu functions below can be "
               "linked; %zu work as on the edge. A call that is unsupported here returns status "
               "5, and \\fBedgectl dev\\fR names it once. \"host\": the JavaScript hosts, which "
               "bundles for Cloudflare, AWS and Vercel carry, serve it too. Fastly has all.\n"
               ".SH HOSTCALLS\n",
               count, full);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(calls[i].module, calls[i - 1].module) != 0)
            add_module(to, calls + i, count - i);
    buf_add_str(to, ".SH SEE ALSO\n.BR edgectl-dev (1),\n.BR edgectl-build (1)\n");
}
