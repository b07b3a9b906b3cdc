/* SPDX-License-Identifier: MIT
 *
 * A hash table whose links live inside what it holds: only its array of heads is
 * allocated. It doubles as it fills; where there is no memory for that it gets slower
 * and keeps working. The caller hashes and compares.
 */
#ifndef WHS_TABLE_H
#define WHS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct whs_entry {
    struct whs_entry *next;
    uint64_t hash;
};

struct whs_table {
    struct whs_entry **heads;
    size_t mask; /* number of heads - 1, a power of two - 1 */
    size_t len;
};

/* False: no memory. */
bool whs_table_init(struct whs_table *table);
/* Frees the heads, nothing that was held. {0} is fine. */
void whs_table_fini(struct whs_table *table);
/* First in the chain of `hash`; the caller walks `next` comparing hash and key. */
struct whs_entry *whs_table_chain(const struct whs_table *table, uint64_t hash);
void whs_table_add(struct whs_table *table, struct whs_entry *entry, uint64_t hash);
/* It must be held. */
void whs_table_remove(struct whs_table *table, struct whs_entry *entry);

#endif
