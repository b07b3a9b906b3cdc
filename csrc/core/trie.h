/* SPDX-License-Identifier: MIT
 *
 * Which template does a path fit?
 *
 *   tenant ── {} ── sidedrawer ── {} ── record ── {}
 *              └─── network ── {}
 *
 * Parameters are one branch whatever their names, so two templates that differ only in
 * names collide. A path that fits several takes the one whose first difference is a
 * literal: "a/new" before "a/{b}". Borrows the patterns' texts.
 */
#ifndef WHS_TRIE_H
#define WHS_TRIE_H

#include <stdint.h>

#include "pattern.h"
#include "slice.h"
#include "status.h"

struct whs_trie_node;

/* {0} is a valid empty trie. */
struct whs_trie {
    struct whs_trie_node *nodes;
    uint32_t len;
    uint32_t cap;
};

#define WHS_TRIE_NONE UINT16_MAX

void whs_trie_fini(struct whs_trie *trie);
/* *found is `value`, or the value of the template that has this place already. */
WHS_CHECK enum whs_status whs_trie_add(struct whs_trie *trie,
                                       const struct whs_pattern *pattern,
                                       uint16_t value, uint16_t *found);
/* `patterns` is indexed by value: a segment in braces fits the parameter of that name
 * only. Answers WHS_TRIE_NONE when nothing fits. */
uint16_t whs_trie_find(const struct whs_trie *trie, const struct whs_pattern *patterns,
                       const struct whs_segment *segments, uint8_t count);

#endif
