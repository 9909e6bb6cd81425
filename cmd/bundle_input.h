/* SPDX-License-Identifier: Apache-2.0 */
/* From a loaded manifest to a bundle, with the project's secrets looked up: what `bundle` and
 * `deploy` share. */
#ifndef EDGECTL_CMD_BUNDLE_INPUT_H
#define EDGECTL_CMD_BUNDLE_INPUT_H

#include "bundle/bundle.h"

struct journal;

struct bundle_input {
    struct bundle *bundle;
    struct bundle_secret *secrets;  /* of the manifest; value NULL: it has none here */
    size_t secret_count;
    struct secrets *stores;
};

/* `state_dir`: where `edgectl secret put` keeps values. `journal` (may be NULL): of the target, for
 * secrets that were put there by themselves; they win. The errors are those of bundle_make;
 * -ERR_CREDENTIALS when stored secrets cannot be opened. On failure nothing is to be cleared. */
must_use int bundle_input_make(const struct manifest *m, const char *state_dir,
                               const struct journal *journal, struct bundle_input *ret,
                               struct err *err);
void bundle_input_clear(struct bundle_input *in);

#endif
