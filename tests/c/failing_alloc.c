/* SPDX-License-Identifier: MIT */
#include "failing_alloc.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "alloc.h"

static atomic_uint countdown;
static atomic_bool happened;

static bool
fail_now(void)
{
    unsigned left = atomic_load(&countdown);
    while (left > 0)
        if (atomic_compare_exchange_weak(&countdown, &left, left - 1)) {
            if (left == 1)
                atomic_store(&happened, true);
            return left == 1;
        }
    return false;
}

static void *
alloc_or_fail(size_t size)
{
    return fail_now() ? NULL : malloc(size);
}

static void *
resize_or_fail(void *ptr, size_t size)
{
    return fail_now() ? NULL : realloc(ptr, size);
}

bool
failing_alloc_begin(unsigned n)
{
    static const struct whs_allocator failing = {alloc_or_fail, resize_or_fail, free};
    if (n > 1 && !atomic_load(&happened))
        return false;
    atomic_store(&happened, false);
    atomic_store(&countdown, n);
    whs_alloc_replace(&failing);
    return true;
}

void
failing_alloc_end(void)
{
    whs_alloc_replace(NULL);
}

bool
failing_alloc_happened(void)
{
    return atomic_load(&happened);
}
