/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_erl: rate counters and penalty boxes. As in the reference emulator nothing is counted and
 * nobody is ever blocked; each call is reported by name the first time. */
#include <stdatomic.h>
#include "guest/session.h"

enum { CHECK_RATE, INCREMENT, LOOKUP_RATE, LOOKUP_COUNT, PENALTY_ADD, PENALTY_HAS, CALL_COUNT };

static const char *const names[CALL_COUNT] = {
    [CHECK_RATE] = "check_rate",
    [INCREMENT] = "ratecounter_increment",
    [LOOKUP_RATE] = "ratecounter_lookup_rate",
    [LOOKUP_COUNT] = "ratecounter_lookup_count",
    [PENALTY_ADD] = "penaltybox_add",
    [PENALTY_HAS] = "penaltybox_has",
};

static void note(struct instance *in, int call)
{
    static atomic_bool noted[CALL_COUNT];
    if (!atomic_exchange(&noted[call], true))
        guest_note_unsupported(guest_of(in), "fastly_erl", names[call]);
}

static int32_t answer_zero(struct instance *in, int call, uint64_t out_ptr)
{
    uint8_t *out;
    note(in, call);
    TRY(mem_slot(in, out_ptr, 4, &out));
    put_u32(out, 0);
    return HC_OK;
}

int32_t hc_erl_check_rate(struct instance *in, const uint64_t *a)
{
    return answer_zero(in, CHECK_RATE, a[10]);
}

int32_t hc_erl_ratecounter_increment(struct instance *in, const uint64_t *a)
{
    (void)a;
    note(in, INCREMENT);
    return HC_OK;
}

int32_t hc_erl_ratecounter_lookup_rate(struct instance *in, const uint64_t *a)
{
    return answer_zero(in, LOOKUP_RATE, a[5]);
}

int32_t hc_erl_ratecounter_lookup_count(struct instance *in, const uint64_t *a)
{
    return answer_zero(in, LOOKUP_COUNT, a[5]);
}

int32_t hc_erl_penaltybox_add(struct instance *in, const uint64_t *a)
{
    (void)a;
    note(in, PENALTY_ADD);
    return HC_OK;
}

int32_t hc_erl_penaltybox_has(struct instance *in, const uint64_t *a)
{
    return answer_zero(in, PENALTY_HAS, a[4]);
}
