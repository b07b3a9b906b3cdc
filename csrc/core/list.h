/* SPDX-License-Identifier: MIT
 *
 * A doubly linked ring whose links live inside what is linked: no allocation, and
 * anything leaves from anywhere in one step. A link that is in no list points to
 * itself.
 */
#ifndef WHS_LIST_H
#define WHS_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct whs_link {
    struct whs_link *prev;
    struct whs_link *next;
};

/* The struct of `type` whose field `member` is at `link`. */
#define WHS_HOLDER(link, type, member)                                                 \
    ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* For a list's head and for every link, once at birth. */
static inline void
whs_link_init(struct whs_link *link)
{
    link->prev = link;
    link->next = link;
}

/* Of a head: empty. Of a link: in no list. */
static inline bool
whs_link_is_alone(const struct whs_link *link)
{
    return link->next == link;
}

static inline void
whs_list_append(struct whs_link *head, struct whs_link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* Fine for a link that is in no list. */
static inline void
whs_list_remove(struct whs_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    whs_link_init(link);
}

/* NULL when empty; stays in the list. */
static inline struct whs_link *
whs_list_first(const struct whs_link *head)
{
    return head->next == head ? NULL : head->next;
}

#endif
