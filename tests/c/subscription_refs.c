/* SPDX-License-Identifier: MIT
 *
 * Weak, so that the core's own take their place.
 */
#include "subscription.h"

__attribute__((weak)) struct whs_subscription *
whs_subscription_ref(struct whs_subscription *subscription)
{
    atomic_fetch_add(&subscription->refs, 1);
    return subscription;
}

__attribute__((weak)) void
whs_subscription_unref(struct whs_subscription *subscription)
{
    atomic_fetch_sub(&subscription->refs, 1);
}
