/* SPDX-License-Identifier: MIT
 *
 * The built-in catalog of the product, as the tests and the bench give it to the core.
 */
#ifndef SIDEDRAWER_H
#define SIDEDRAWER_H

#include "catalog.h"

#define SIDEDRAWER_ROW_COUNT 13
#define SIDEDRAWER_ENTITY_COUNT 10

extern const struct whs_catalog_row sidedrawer_rows[SIDEDRAWER_ROW_COUNT];

/* One path of each entity, all of tenant "t1" but the license: drawer s1, folder r1, …
 */
extern const char *const sidedrawer_paths[SIDEDRAWER_ENTITY_COUNT];

/* Owned; aborts when it cannot be made. */
struct whs_catalog *sidedrawer_catalog(void);

#endif
