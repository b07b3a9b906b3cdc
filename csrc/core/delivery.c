/* SPDX-License-Identifier: MIT */
#include "delivery.h"

const char *
whs_delivery_state_name(enum whs_delivery_state state)
{
    switch (state) {
#define X(name, code, word)                                                            \
    case WHS_DELIVERY_##name:                                                          \
        return word;
        WHS_DELIVERY_STATE_MAP(X)
#undef X
    }
    return "?";
}
