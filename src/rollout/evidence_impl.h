/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the evidence, for evidence*.c. */
#ifndef EDGECTL_ROLLOUT_EVIDENCE_IMPL_H
#define EDGECTL_ROLLOUT_EVIDENCE_IMPL_H

#include "net/api.h"
#include "rollout/evidence.h"
#include "rollout/series.h"

struct evidence {
    const struct manifest_rollout *r;
    const struct manifest *m;
    const struct plan *plan;
    const atomic_bool *interrupted;
    struct api *api;                /* of Prometheus */
    struct evidence_prometheus *prometheus;
};

must_use int evidence_prometheus_open(struct evidence *e, struct err *err);
void evidence_prometheus_close(struct evidence *e);
must_use int evidence_prometheus_since(struct evidence *e, int i, int64_t since_ms,
                                       struct evidence_totals *ret, struct err *err);
must_use int evidence_prometheus_check(struct evidence *e, int i, bool *ret_known,
                                       struct err *err);
must_use int evidence_prometheus_freeze(struct evidence *e, struct plan *plan, struct err *err);
must_use int evidence_prometheus_read(struct evidence *e, int i, struct evidence_totals *ret,
                                      struct err *err);

#endif
