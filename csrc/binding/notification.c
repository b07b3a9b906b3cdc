/* SPDX-License-Identifier: MIT
 *
 * The body of one delivery, for those who look at it and do not send it.
 */
#include <string.h>

#include "convert.h"
#include "engine_events.h"
#include "errors.h"
#include "payload.h"
#include "types.h"

static struct whs_subscriber *
subscriber_of(PyObject *subscription, const uint8_t id[WHS_UUID_BYTES])
{
    const struct whs_keys none = {0};
    struct whs_subscriber *sub = whs_subscriber_create(
        0, id, (struct whs_slice){0}, 0, 0, 0,
        ((struct subscription_object *)subscription)->subscription, &none);
    if (!sub)
        PyErr_NoMemory();
    return sub;
}

/* As an attempt of this delivery alone would render it. */
static void
render(struct whs_buf *body, const struct whs_event *event, uint8_t path,
       const struct whs_subscriber *sub, char message[WHS_NOTIFICATION_ID_SIZE])
{
    char ids[1][WHS_NOTIFICATION_ID_SIZE];
    bool batch = sub->subscription->batching.max_notifications > 0;
    whs_notification_id(event->id, sub->id, ids[0]);
    if (batch)
        whs_payload_begin_batch(body);
    whs_payload_render(body, event, path, sub, ids[0]);
    if (batch)
        whs_payload_end_batch(body);
    if (batch)
        whs_batch_id((const char(*)[WHS_NOTIFICATION_ID_SIZE])ids, 1, message);
    else
        memcpy(message, ids[0], sizeof(ids[0]));
}

static PyObject *
rendered_object(const struct whs_event *event, int path,
                const struct whs_subscriber *sub)
{
    struct whs_buf body = {0};
    char message[WHS_NOTIFICATION_ID_SIZE];
    PyObject *result = NULL;
    if (path < 0 || (size_t)path >= event->path_count) {
        PyErr_SetString(PyExc_ValueError, "path must be an index of the event's");
        return NULL;
    }
    render(&body, event, (uint8_t)path, sub, message);
    if (body.failed)
        PyErr_NoMemory();
    else
        result = Py_BuildValue("(sy#)", message, body.ptr, (Py_ssize_t)body.len);
    whs_buf_fini(&body);
    return result;
}

static PyObject *
render_notification(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"event", "path", "subscription_id", "subscription", NULL};
    struct state *state = state_of_module(module);
    PyObject *tuple, *id, *subscription, *result = NULL;
    int path;
    uint8_t uuid[WHS_UUID_BYTES];
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OiOO", names, &tuple, &path, &id,
                                     &subscription) ||
        !uuid_from(id, names[2], uuid) ||
        !check_type(subscription, state->subscription_type, "Subscription"))
        return NULL;
    struct whs_event *event = event_from(state, tuple, NULL);
    if (!event)
        return NULL;
    struct whs_subscriber *sub = subscriber_of(subscription, uuid);
    if (sub)
        result = rendered_object(event, path, sub);
    if (sub)
        whs_subscriber_unref(sub);
    whs_event_unref(event);
    return result;
}

static PyMethodDef functions[] = {
    {"render_notification", (PyCFunction)(void (*)(void))render_notification,
     METH_VARARGS | METH_KEYWORDS,
     "render_notification($module, event, path, subscription_id, subscription)\n--\n\n"
     "(webhook-id, body) of a delivery that is sent alone."},
    {0},
};

bool
notification_setup(PyObject *module)
{
    return PyModule_AddFunctions(module, functions) == 0;
}
