/* SPDX-License-Identifier: Apache-2.0 */
#include "build/inspect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "wasm/wat.h"

static const size_t artifact_max = (size_t)1 << 30;

static int read_artifact(const char *path, uint8_t **ret_bytes, size_t *ret_len, struct err *err)
{
    char *bytes;
    int r = file_read(path, artifact_max, &bytes, ret_len, err);
    if (r < 0 && err && err->sys == ENOENT)
        err_hint(err, "build it first, or correct the path of the artifact");
    if (r == 0)
        *ret_bytes = (uint8_t *)bytes;
    return r;
}

static size_t gzip_size(const uint8_t *bytes, size_t len)
{
    uint8_t out[32 * 1024];
    z_stream z = {.next_in = (uint8_t *)bytes, .avail_in = (uInt)len};
    /* 15 bits of window, 16 for a gzip header instead of zlib's */
    if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    int r;
    do {
        z.next_out = out;
        z.avail_out = sizeof(out);
        r = deflate(&z, Z_FINISH);
    } while (r == Z_OK);
    size_t size = z.total_out;
    deflateEnd(&z);
    return size;
}

/* --- imports --- */

static enum inspect_import_state import_state(const struct module_import *imp,
                                              inspect_known_fn *known)
{
    if (!known(imp->module, imp->name, NULL))
        return IMPORT_UNKNOWN;
    if (imp->kind != MODULE_FUNC || !imp->signature)
        return IMPORT_OTHER_TYPE;
    cleanup(free_p) char *signature = module_signature_letters(imp->signature);
    return known(imp->module, imp->name, signature) ? IMPORT_KNOWN : IMPORT_OTHER_TYPE;
}

static void unknown_problem(const struct inspection *in, struct err *err)
{
    enum { NAMES_SHOWN = 6 };
    cleanup(buf_clear) struct buf names = BUF_INIT(600);
    size_t shown = 0;
    for (size_t i = 0; i < in->info.import_count; i++) {
        const struct module_import *imp = &in->info.imports[i];
        if (in->imports[i] == IMPORT_KNOWN || shown == NAMES_SHOWN)
            continue;
        if (buf_printf(&names, "%s%.100s.%.100s", shown ? ", " : "", imp->module, imp->name))
            shown++;
    }
    err_set(err, ERR_BUILD, "the module imports %zu function%s that no edge host has: %s%s",
            in->unknown_count, in->unknown_count == 1 ? "" : "s", buf_str(&names),
            shown < in->unknown_count ? ", ..." : "");
    err_hint(err, "build it with WASI preview 1 and a Fastly Compute SDK or edge.h; functions of a"
             " browser, of emscripten, of wasm-bindgen or of another platform are not there at the"
             " edge");
}

static void check_imports(struct inspection *in, inspect_known_fn *known)
{
    in->imports = xcalloc(in->info.import_count + 1, sizeof(*in->imports));
    for (size_t i = 0; i < in->info.import_count; i++) {
        in->imports[i] = import_state(&in->info.imports[i], known);
        in->unknown_count += in->imports[i] != IMPORT_KNOWN;
    }
    if (in->unknown_count)
        unknown_problem(in, &in->problems[in->problem_count++]);
}

/* --- where it comes from --- */

static const struct module_producer *producer(const struct module_info *info, const char *field,
                                              const char *part)
{
    for (size_t i = 0; i < info->producer_count; i++) {
        const struct module_producer *p = &info->producers[i];
        if (strcmp(p->field, field) == 0 && (!part || strstr(p->name, part)))
            return p;
    }
    return NULL;
}

static void tell_origin(struct inspection *in)
{
    static const struct {
        const char *field, *part, *language;
    } rules[] = {
        {"sdk", "js-compute", "JavaScript"},
        {"sdk", NULL, ""},
        {"processed-by", "Go cmd/compile", "Go"},
        {"processed-by", "rustc", "Rust"},
        {"processed-by", "clang", "C or C++"},
        {"processed-by", NULL, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        const struct module_producer *p = producer(&in->info, rules[i].field, rules[i].part);
        if (!p)
            continue;
        snprintf(in->language, sizeof(in->language), "%s", rules[i].language);
        snprintf(in->sdk, sizeof(in->sdk), "%.150s %.150s", p->name, p->version);
        return;
    }
}

/* --- the whole --- */

int inspect_artifact(const char *path, inspect_known_fn *known, struct inspection *ret_inspection,
                     struct err *err)
{
    cleanup(inspection_clear) struct inspection in = {.path = xstrdup(path)};
    cleanup(free_p) uint8_t *bytes = NULL;
    int r = read_artifact(path, &bytes, &in.size, err);
    if (r < 0)
        return r;
    size_t len = in.size;
    in.text = module_format(bytes, len) == MODULE_TEXT;
    if (in.text) {
        cleanup(free_p) uint8_t *source = TAKE(bytes);
        r = wat_to_module(path, (const char *)source, len, &bytes, &len, err);
        if (r < 0)
            return r;
    }
    if (module_format(bytes, len) != MODULE_CORE)
        return module_format_error(bytes, len, path, err);
    r = module_info_read(bytes, len, &in.info, err);
    if (r < 0)
        return err_wrap(err, r, "%s", path);
    in.problem_count = module_info_problems(&in.info, in.problems);
    check_imports(&in, known);
    tell_origin(&in);
    in.gzip_size = gzip_size(bytes, len);
    *ret_inspection = in;
    in = (struct inspection){0};
    return 0;
}

void inspection_clear(struct inspection *in)
{
    module_info_clear(&in->info);
    free(in->imports);
    free(in->path);
    *in = (struct inspection){0};
}
