/* SPDX-License-Identifier: MIT */
#include "table.h"

#include "alloc.h"

#define FIRST_HEADS 256

bool
whs_table_init(struct whs_table *table)
{
    *table = (struct whs_table){0};
    table->heads = whs_calloc(FIRST_HEADS, sizeof(*table->heads));
    table->mask = FIRST_HEADS - 1;
    return table->heads != NULL;
}

void
whs_table_fini(struct whs_table *table)
{
    whs_free(table->heads);
    *table = (struct whs_table){0};
}

struct whs_entry *
whs_table_chain(const struct whs_table *table, uint64_t hash)
{
    return table->heads[hash & table->mask];
}

static void
link_in(struct whs_table *table, struct whs_entry *entry)
{
    struct whs_entry **head = &table->heads[entry->hash & table->mask];
    entry->next = *head;
    *head = entry;
}

static void
grow(struct whs_table *table)
{
    struct whs_table wider = {.mask = table->mask * 2 + 1, .len = table->len};
    wider.heads = whs_calloc(wider.mask + 1, sizeof(*wider.heads));
    if (!wider.heads)
        return;
    for (size_t i = 0; i <= table->mask; i++)
        for (struct whs_entry *each = table->heads[i], *next; each; each = next) {
            next = each->next;
            link_in(&wider, each);
        }
    whs_free(table->heads);
    *table = wider;
}

void
whs_table_add(struct whs_table *table, struct whs_entry *entry, uint64_t hash)
{
    if (table->len > table->mask)
        grow(table);
    entry->hash = hash;
    link_in(table, entry);
    table->len++;
}

void
whs_table_remove(struct whs_table *table, struct whs_entry *entry)
{
    struct whs_entry **at = &table->heads[entry->hash & table->mask];
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    table->len--;
}
