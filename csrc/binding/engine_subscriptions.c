/* SPDX-License-Identifier: MIT */
#include "engine_subscriptions.h"

#include "convert.h"
#include "errors.h"
#include "types.h"

static struct whs_engine *
engine_of(PyObject *self)
{
    return ((struct engine_object *)self)->engine;
}

static struct whs_subscriber *
subscriber_from(struct state *state, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"seq",
                            "id",
                            "origin_seq",
                            "created_revision",
                            "subscription",
                            "keys",
                            "failing_since_ms",
                            "origin",
                            NULL};
    long long seq, origin_seq, created_revision, failing_since = 0;
    PyObject *id, *subscription, *keys, *failing = Py_None, *origin_text = Py_None;
    struct whs_slice origin;
    uint8_t uuid[WHS_UUID_BYTES];
    struct whs_keys given;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "LOLLOO|OO", names, &seq, &id,
                                     &origin_seq, &created_revision, &subscription,
                                     &keys, &failing, &origin_text) ||
        !uuid_from(id, "id", uuid) ||
        !check_type(subscription, state->subscription_type, "Subscription") ||
        !keys_from(keys, &given) ||
        !optional_text_slice(state, origin_text, "origin", &origin))
        return NULL;
    if (failing != Py_None)
        failing_since = PyLong_AsLongLong(failing);
    if (PyErr_Occurred())
        return NULL;
    struct whs_subscriber *sub = whs_subscriber_create(
        seq, uuid, origin, origin_seq, created_revision, failing_since,
        ((struct subscription_object *)subscription)->subscription, &given);
    if (!sub)
        PyErr_NoMemory();
    return sub;
}

PyObject *
engine_put_subscription(PyObject *self, PyObject *args, PyObject *kwargs)
{
    struct state *state = state_of(self);
    struct whs_error err = {0};
    struct whs_subscriber *sub = subscriber_from(state, args, kwargs);
    if (!sub)
        return NULL;
    enum whs_status status = whs_engine_put_subscriber(engine_of(self), sub, &err);
    whs_subscriber_unref(sub);
    if (status != WHS_OK)
        return raise_status(state, status, "resource", &err);
    Py_RETURN_NONE;
}

PyObject *
engine_remove_subscription(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"seq", "spill", NULL};
    long long seq;
    int spill = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "L|$p", names, &seq, &spill))
        return NULL;
    enum whs_status status = whs_engine_remove_subscriber(
        engine_of(self), seq, spill ? WHS_REMOVAL_SPILL : WHS_REMOVAL_CANCEL);
    if (status != WHS_OK && status != WHS_NOT_FOUND)
        return raise_status(state_of(self), status, NULL, NULL);
    return PyBool_FromLong(status == WHS_OK);
}

static PyObject *
matches_object(const struct whs_matches *matches)
{
    PyObject *list = PyList_New((Py_ssize_t)matches->len);
    for (size_t i = 0; list && i < matches->len; i++) {
        PyObject *pair = Py_BuildValue("(Li)", (long long)matches->items[i].sub->seq,
                                       (int)matches->items[i].path);
        if (!pair || PyList_SetItem(list, (Py_ssize_t)i, pair) < 0)
            Py_CLEAR(list);
    }
    return list;
}

PyObject *
engine_match(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"paths", "action", "revision", NULL};
    struct state *state = state_of(self);
    PyObject *paths, *action, *list = NULL;
    long long revision;
    enum whs_action happened;
    struct texts given = {0};
    struct whs_matches found = {0};
    struct whs_error err = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOL", names, &paths, &action,
                                     &revision) ||
        !action_from(state, action, false, &happened))
        return NULL;
    if (whs_engine_forked(engine_of(self)))
        return raise_status(state, WHS_FORKED, NULL, NULL);
    if (texts_from(state, paths, "path", &given)) {
        enum whs_status status =
            whs_matcher_match(whs_engine_matcher(engine_of(self)), given.items,
                              given.len, happened, revision, &found, &err);
        list = status == WHS_OK ? matches_object(&found)
                                : raise_status(state, status, "path", &err);
    }
    whs_matches_fini(&found);
    Py_XDECREF(given.owner);
    return list;
}
