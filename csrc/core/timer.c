/* SPDX-License-Identifier: MIT */
#include "timer.h"

#include <stddef.h>

/* Two heaps without siblings of their own become one. Either may be NULL. */
static struct whs_timer *
meld(struct whs_timer *a, struct whs_timer *b)
{
    if (!a || !b)
        return a ? a : b;
    struct whs_timer *parent = b->at_ms < a->at_ms ? b : a;
    struct whs_timer *child = parent == a ? b : a;
    child->sibling = parent->child;
    if (child->sibling)
        child->sibling->prev = child;
    child->prev = parent;
    parent->child = child;
    return parent;
}

/* Left to right by pairs, then right to left: what makes removal logarithmic on
 * average. The pairs wait on a stack linked by `prev`. */
static struct whs_timer *
meld_siblings(struct whs_timer *each)
{
    struct whs_timer *pairs = NULL;
    while (each) {
        struct whs_timer *second = each->sibling;
        struct whs_timer *rest = second ? second->sibling : NULL;
        each->sibling = NULL;
        if (second)
            second->sibling = NULL;
        struct whs_timer *pair = meld(each, second);
        pair->prev = pairs;
        pairs = pair;
        each = rest;
    }
    struct whs_timer *heap = NULL;
    while (pairs) {
        struct whs_timer *next = pairs->prev;
        pairs->prev = NULL;
        heap = meld(heap, pairs);
        pairs = next;
    }
    return heap;
}

static void
cut_out(struct whs_timer *timer)
{
    if (timer->prev->child == timer)
        timer->prev->child = timer->sibling;
    else
        timer->prev->sibling = timer->sibling;
    if (timer->sibling)
        timer->sibling->prev = timer->prev;
}

void
whs_timer_clear(struct whs_timers *timers, struct whs_timer *timer)
{
    if (!timer->set)
        return;
    struct whs_timer *children = meld_siblings(timer->child);
    if (timers->first == timer) {
        timers->first = children;
    } else {
        cut_out(timer);
        timers->first = meld(timers->first, children);
    }
    *timer = (struct whs_timer){0};
}

void
whs_timer_set(struct whs_timers *timers, struct whs_timer *timer, int64_t at_ms)
{
    if (timer->set && timer->at_ms == at_ms)
        return;
    whs_timer_clear(timers, timer);
    timer->set = true;
    timer->at_ms = at_ms;
    timers->first = meld(timers->first, timer);
}

struct whs_timer *
whs_timers_take_due(struct whs_timers *timers, int64_t now_ms)
{
    struct whs_timer *first = timers->first;
    if (!first || first->at_ms > now_ms)
        return NULL;
    whs_timer_clear(timers, first);
    return first;
}

int64_t
whs_timers_next(const struct whs_timers *timers)
{
    return timers->first ? timers->first->at_ms : INT64_MAX;
}
