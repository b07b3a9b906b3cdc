/* SPDX-License-Identifier: MIT */
#include "probe.h"

/* row 16 bits | bound 16 | action 8 | length of the text 24 */
#define ROW_SHIFT 48
#define BOUND_SHIFT 32
#define ACTION_SHIFT 24

void
whs_probe_secret_init(struct whs_probe_secret *secret, const struct whs_random *random)
{
    secret->value_key.k0 = random->next(random->ctx);
    secret->value_key.k1 = random->next(random->ctx);
    for (size_t i = 0; i < WHS_PARAMETERS_MAX; i++)
        secret->multipliers[i] = random->next(random->ctx);
    secret->shape_multiplier = random->next(random->ctx);
}

struct whs_shape
whs_probe_shape(uint64_t identity)
{
    return (struct whs_shape){(uint16_t)(identity >> ROW_SHIFT),
                              (uint16_t)(identity >> BOUND_SHIFT),
                              (uint8_t)(identity >> ACTION_SHIFT)};
}

void
whs_probe_init(struct whs_probe *probe, const struct whs_probe_secret *secret,
               const struct whs_pattern *row, struct whs_shape shape,
               const uint8_t *values)
{
    uint64_t identity = (uint64_t)shape.row << ROW_SHIFT |
                        (uint64_t)shape.bound << BOUND_SHIFT |
                        (uint64_t)shape.action << ACTION_SHIFT;
    uint16_t gap = 0;
    uint8_t parameter = 0;

    *probe = (struct whs_probe){0};
    probe->seed = (whs_wide)secret->shape_multiplier * identity;
    for (uint8_t i = 0; i < row->segment_count; i++) {
        const struct whs_segment *segment = &row->segments[i];
        gap = (uint16_t)(gap + (i > 0));
        if (segment->is_parameter && (shape.bound >> parameter & 1) != 0) {
            probe->parameters[probe->count] = parameter;
            probe->values[probe->count] = values ? values[parameter] : parameter;
            probe->gaps[probe->count++] = gap;
            identity += gap;
            gap = 0;
        } else {
            gap = (uint16_t)(gap + segment->text.len + (segment->is_parameter ? 2 : 0));
        }
        parameter = (uint8_t)(parameter + segment->is_parameter);
    }
    probe->identity = identity + gap;
}

static struct whs_posting_key
make_key(const struct whs_probe *probe, const struct whs_probe_secret *secret,
         const struct whs_slice *values, const uint64_t *hashes)
{
    whs_wide sum = probe->seed;
    uint64_t identity = probe->identity;

    for (uint8_t i = 0; i < probe->count; i++) {
        uint8_t value = probe->values[i];
        sum += (whs_wide)secret->multipliers[probe->parameters[i]] * hashes[value];
        identity += values[value].len;
    }
    return (struct whs_posting_key){(uint64_t)(sum >> 64) ^ (uint64_t)sum, identity};
}

void
whs_probe_keys(const struct whs_probe *probes, size_t count,
               const struct whs_probe_secret *secret, const struct whs_slice *values,
               const uint64_t *hashes, struct whs_posting_key *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = make_key(&probes[i], secret, values, hashes);
}

bool
whs_probe_same(const struct whs_probe *probe, const struct whs_slice *values,
               const char *text)
{
    for (uint8_t i = 0; i < probe->count; i++) {
        struct whs_slice value = values[probe->values[i]];
        text += probe->gaps[i];
        if (!whs_word_same(text, value.ptr, value.len))
            return false;
        text += value.len;
    }
    return true;
}
