/* SPDX-License-Identifier: MIT
 *
 * JSON in two strengths.
 *
 *   whs_json_check   syntax only (RFC 8259, UTF-8, depth, no trailing bytes), for data
 *                    that travels unchanged: duplicate keys, \u0000, lone escapes and
 *                    big numbers pass.
 *   whs_json_parse   for documents that we interpret: the check above, and no duplicate
 *                    key (also when spelt with escapes), no \u0000, no lone surrogate
 *                    escape, no number longer than 63 bytes or with an exponent beyond
 * 200 (so that a double holds it). cJSON builds the tree; it alone is no validator (it
 * cuts at \u0000, finds keys without regard to case and takes the first of two).
 */
#ifndef WHS_JSON_H
#define WHS_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "slice.h"
#include "status.h"

/* Deep enough for any notification, shallow enough for a 128 KB stack. */
#define WHS_JSON_DEPTH_MAX 64
/* A subscription nests three deep. */
#define WHS_JSON_DOCUMENT_DEPTH_MAX 32
/* A subscription document is about 1 KB; headers may make it 64. */
#define WHS_JSON_DOCUMENT_BYTES_MAX (256 * 1024)

enum whs_json_type {
    WHS_JSON_NULL,
    WHS_JSON_BOOL,
    WHS_JSON_NUMBER,
    WHS_JSON_STRING,
    WHS_JSON_ARRAY,
    WHS_JSON_OBJECT,
};

/* One node of a parsed document; borrowed from the document it came from. */
struct whs_json;

/* Syntax only. On WHS_INVALID `err` says what and at which byte. Does not recurse. */
WHS_CHECK enum whs_status whs_json_check(struct whs_slice text, unsigned depth_max,
                                         struct whs_error *err);

/* Returns owned; whs_json_free. WHS_INVALID, WHS_NO_MEMORY. */
WHS_CHECK enum whs_status whs_json_parse(struct whs_slice text, struct whs_json **out,
                                         struct whs_error *err);
/* Wipes its strings: one may be a key. `document` may be NULL. */
void whs_json_free(struct whs_json *document);

enum whs_json_type whs_json_type(const struct whs_json *node);
/* Only for the type named. The slice is zero-terminated behind its end. */
struct whs_slice whs_json_string(const struct whs_json *node);
double whs_json_number(const struct whs_json *node);
bool whs_json_bool(const struct whs_json *node);
/* Children of an object or array in order; NULL ends the walk. */
const struct whs_json *whs_json_first(const struct whs_json *node);
const struct whs_json *whs_json_next(const struct whs_json *node);
/* The key under which an object holds this node. */
struct whs_slice whs_json_key(const struct whs_json *node);

/* Appends a quoted JSON string. `text` must be UTF-8. */
void whs_json_append_string(struct whs_buf *buf, struct whs_slice text);

/* cJSON's version. Static. */
const char *whs_json_library_version(void);

#endif
