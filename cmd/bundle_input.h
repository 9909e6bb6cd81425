/* SPDX-License-Identifier: Apache-2.0 */
/* From a loaded manifest to a bundle, with the project's secrets looked up: what `bundle` and
 * `deploy` share. */
#ifndef EDGECTL_CMD_BUNDLE_INPUT_H
#define EDGECTL_CMD_BUNDLE_INPUT_H

#include "bundle/bundle.h"

/* The errors are those of bundle_make; -ERR_CREDENTIALS when stored secrets cannot be opened. */
must_use int bundle_input_make(const struct manifest *m, struct bundle **ret_bundle,
                               struct err *err);

#endif
