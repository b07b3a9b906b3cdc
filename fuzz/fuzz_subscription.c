/* SPDX-License-Identifier: MIT
 *
 * A subscription's document. In the first line `d` opens loopback and `s` closes
 * sockets; the rest is the document.
 *
 *   what is written of a subscription is JSON, and reads back as the same subscription
 *   what is refused is refused with a mistake, and no mistake says the key
 */
#include <stdlib.h>

#include "documents.h"
#include "fuzz.h"
#include "json.h"

/* Shorter ones may be a word that a mistake needs. */
#define KEY_BYTES_MIN WHS_KEY_BYTES_ADVISED

static struct whs_subscription_rules
read_rules(struct whs_slice settings)
{
    static struct whs_subscription_rules rules;
    if (!rules.catalog)
        rules = documents_rules();
    rules.url.dev = fuzz_has(settings, 'd');
    rules.sockets = !fuzz_has(settings, 's');
    return rules;
}

static void
check_accepted(const struct whs_subscription *subscription,
               const struct whs_subscription_rules *rules)
{
    struct whs_buf once = {0}, twice = {0}, options = {0};
    struct whs_field_errors errors = {0};
    struct whs_subscription *again;
    FUZZ_CHECK(subscription->root.len > 0);
    FUZZ_CHECK(subscription->expires_at_ms > rules->now_ms);
    whs_subscription_append_json(&once, subscription);
    whs_subscription_append_delivery(&options, subscription);
    FUZZ_CHECK(whs_json_check(whs_buf_slice(&options), WHS_JSON_DEPTH_MAX, NULL) ==
               WHS_OK);
    FUZZ_CHECK(whs_subscription_parse(whs_buf_slice(&once), rules, NULL, &again, NULL,
                                      &errors, NULL) == WHS_OK);
    whs_subscription_append_json(&twice, again);
    FUZZ_CHECK(whs_slice_equal(whs_buf_slice(&once), whs_buf_slice(&twice)));
    FUZZ_CHECK(subscription->key.len > 0 ||
               whs_subscription_equal(subscription, again));
    whs_subscription_unref(again);
    whs_field_errors_fini(&errors);
    whs_buf_fini(&once);
    whs_buf_fini(&twice);
    whs_buf_fini(&options);
}

/* The key as it was sent, where it stands in the document once and without escapes. */
static struct whs_slice
find_key(const struct whs_json *document, struct whs_slice text)
{
    struct whs_slice key = {0};
    if (whs_json_type(document) != WHS_JSON_OBJECT || fuzz_has(text, '\\'))
        return key;
    for (const struct whs_json *each = whs_json_first(document); each;
         each = whs_json_next(each))
        if (whs_slice_equal(whs_json_key(each), WHS_SLICE("integrityKey")) &&
            whs_json_type(each) == WHS_JSON_STRING)
            key = whs_json_string(each);
    if (key.len < KEY_BYTES_MIN)
        return (struct whs_slice){0};
    const char *at = memmem(text.ptr, text.len, key.ptr, key.len);
    size_t left = text.len - (size_t)(at + 1 - text.ptr);
    return memmem(at + 1, left, key.ptr, key.len) ? (struct whs_slice){0} : key;
}

static void
check_refused(const struct whs_field_errors *errors, struct whs_slice text)
{
    struct whs_json *document;
    struct whs_slice key = {0};
    FUZZ_CHECK(errors->len > 0 && errors->len <= WHS_FIELD_ERRORS_MAX);
    if (whs_json_parse(text, &document, NULL) == WHS_OK)
        key = find_key(document, text);
    for (size_t i = 0; i < errors->len; i++) {
        const struct whs_field_error *error = &errors->items[i];
        FUZZ_CHECK(whs_slice_is_utf8(whs_slice_of(error->field)));
        FUZZ_CHECK(whs_slice_is_utf8(whs_slice_of(error->message)));
        FUZZ_CHECK(error->code[0] && error->message[0]);
        FUZZ_CHECK(key.len == 0 || !strstr(error->message, key.ptr));
        FUZZ_CHECK(key.len == 0 || !strstr(error->field, key.ptr));
    }
    whs_json_free(document);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct whs_slice input = {(const char *)data, size};
    struct whs_subscription_rules rules = read_rules(fuzz_line(&input));
    struct whs_field_errors errors = {0};
    struct whs_warnings warnings = {0};
    struct whs_subscription *subscription;
    enum whs_key_change change;
    char *copy = fuzz_copy(input, false);
    struct whs_slice text = {copy, input.len};
    enum whs_status status = whs_subscription_parse(text, &rules, NULL, &subscription,
                                                    &change, &errors, &warnings);
    if (status == WHS_OK) {
        check_accepted(subscription, &rules);
        whs_subscription_unref(subscription);
    } else {
        FUZZ_CHECK(status == WHS_INVALID && !subscription);
        check_refused(&errors, text);
    }
    whs_field_errors_fini(&errors);
    free(copy);
    return 0;
}
