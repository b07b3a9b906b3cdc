/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "crypto.h"
#include "json_scan.h"

#define KEY_SHOWN_BYTES_MAX 64

enum whs_status
whs_json_check(struct whs_slice text, unsigned depth_max, struct whs_error *err)
{
    return whs_json_scan(text, depth_max, false, err);
}

/* --- The tree. ----------------------------------------------------------------------
 */

static const cJSON *
as_cjson(const struct whs_json *node)
{
    return (const cJSON *)(const void *)node;
}

static const struct whs_json *
as_node(const cJSON *item)
{
    return (const struct whs_json *)(const void *)item;
}

static int
compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* cJSON has undone the escapes, so that "url" and "\u0075rl" are one key here. */
static enum whs_status
check_keys(const cJSON *object, struct whs_error *err)
{
    size_t count = 0;
    for (const cJSON *item = object->child; item; item = item->next)
        count++;
    const char **keys = whs_calloc(count, sizeof(*keys));
    if (!keys)
        return whs_error_set(err, WHS_NO_MEMORY, "out of memory");
    count = 0;
    for (const cJSON *item = object->child; item; item = item->next)
        keys[count++] = item->string;
    qsort(keys, count, sizeof(*keys), compare_keys);
    enum whs_status status = WHS_OK;
    for (size_t i = 1; i < count && status == WHS_OK; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            status = whs_error_set(
                err, WHS_INVALID, "the key \"%.*s\" occurs twice",
                (int)whs_slice_shorten(whs_slice_of(keys[i]), KEY_SHOWN_BYTES_MAX).len,
                keys[i]);
    whs_free(keys);
    return status;
}

/* Depth is bounded by the check that came before: this may recurse. */
static enum whs_status
check_tree(const cJSON *item, struct whs_error *err)
{
    enum whs_status status = WHS_OK;
    if (cJSON_IsObject(item))
        status = check_keys(item, err);
    for (const cJSON *c = item->child; c && status == WHS_OK; c = c->next)
        status = check_tree(c, err);
    return status;
}

static pthread_once_t hooked = PTHREAD_ONCE_INIT;

/* Everybody in the process shares cJSON's hooks: ours end in malloc and free, so that
 * it does not matter to anybody else. */
static void
install_hooks(void)
{
    cJSON_Hooks hooks = {whs_alloc, whs_free};
    cJSON_InitHooks(&hooks);
}

/* Depth is bounded here too. */
static void
wipe_strings(cJSON *item)
{
    for (; item; item = item->next) {
        if (item->valuestring)
            whs_wipe(item->valuestring, strlen(item->valuestring));
        wipe_strings(item->child);
    }
}

static void
free_tree(cJSON *tree)
{
    wipe_strings(tree);
    cJSON_Delete(tree);
}

enum whs_status
whs_json_parse(struct whs_slice text, struct whs_json **out, struct whs_error *err)
{
    *out = NULL;
    if (text.len > WHS_JSON_DOCUMENT_BYTES_MAX)
        return whs_error_set(err, WHS_INVALID, "longer than %d bytes",
                             WHS_JSON_DOCUMENT_BYTES_MAX);
    enum whs_status status =
        whs_json_scan(text, WHS_JSON_DOCUMENT_DEPTH_MAX, true, err);
    if (status != WHS_OK)
        return status;
    pthread_once(&hooked, install_hooks);
    cJSON *tree = cJSON_ParseWithLength(text.ptr, text.len);
    if (!tree)
        return whs_error_set(err, WHS_NO_MEMORY, "out of memory");
    status = check_tree(tree, err);
    if (status != WHS_OK) {
        free_tree(tree);
        return status;
    }
    *out = (struct whs_json *)(void *)tree;
    return WHS_OK;
}

void
whs_json_free(struct whs_json *document)
{
    free_tree((cJSON *)(void *)document);
}

enum whs_json_type
whs_json_type(const struct whs_json *node)
{
    const cJSON *item = as_cjson(node);
    if (cJSON_IsBool(item))
        return WHS_JSON_BOOL;
    if (cJSON_IsNumber(item))
        return WHS_JSON_NUMBER;
    if (cJSON_IsString(item))
        return WHS_JSON_STRING;
    if (cJSON_IsArray(item))
        return WHS_JSON_ARRAY;
    return cJSON_IsObject(item) ? WHS_JSON_OBJECT : WHS_JSON_NULL;
}

struct whs_slice
whs_json_string(const struct whs_json *node)
{
    return whs_slice_of(as_cjson(node)->valuestring);
}

double
whs_json_number(const struct whs_json *node)
{
    return as_cjson(node)->valuedouble;
}

bool
whs_json_bool(const struct whs_json *node)
{
    return cJSON_IsTrue(as_cjson(node));
}

const struct whs_json *
whs_json_first(const struct whs_json *node)
{
    return as_node(as_cjson(node)->child);
}

const struct whs_json *
whs_json_next(const struct whs_json *node)
{
    return as_node(as_cjson(node)->next);
}

struct whs_slice
whs_json_key(const struct whs_json *node)
{
    return whs_slice_of(as_cjson(node)->string);
}

/* --- Writing. -----------------------------------------------------------------------
 */

static void
append_escaped(struct whs_buf *buf, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = "btn\0fr"; /* 0x08 … 0x0d */
    char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    if (c == '"' || c == '\\') {
        text[1] = (char)c;
        whs_buf_append(buf, text, 2);
    } else if (c >= 0x08 && c <= 0x0d && letters[c - 0x08]) {
        text[1] = letters[c - 0x08];
        whs_buf_append(buf, text, 2);
    } else {
        whs_buf_append(buf, text, sizeof(text));
    }
}

void
whs_json_append_string(struct whs_buf *buf, struct whs_slice text)
{
    whs_buf_append_char(buf, '"');
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        while (text.len - i > WHS_WORD_BYTES &&
               whs_json_is_plain(whs_word_read(text.ptr + i)))
            i += WHS_WORD_BYTES;
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        whs_buf_append(buf, text.ptr + from, i - from);
        append_escaped(buf, c);
        from = i + 1;
    }
    whs_buf_append(buf, text.ptr + from, text.len - from);
    whs_buf_append_char(buf, '"');
}

const char *
whs_json_library_version(void)
{
    return cJSON_Version();
}
