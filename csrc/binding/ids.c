/* SPDX-License-Identifier: MIT
 *
 * Ids, and the syntax check of an event's data: functions without a type of their own.
 */
#include "convert.h"
#include "errors.h"
#include "json.h"
#include "json_scan.h"

static PyObject *
uuid_bytes_object(const uint8_t uuid[WHS_UUID_BYTES])
{
    return PyBytes_FromStringAndSize((const char *)uuid, WHS_UUID_BYTES);
}

static PyObject *
uuid7(PyObject *module, PyObject *now_ms)
{
    (void)module;
    uint8_t uuid[WHS_UUID_BYTES];
    long long now = PyLong_AsLongLong(now_ms);
    if (PyErr_Occurred())
        return NULL;
    whs_uuid7(now, &whs_random_system, uuid);
    return uuid_bytes_object(uuid);
}

static PyObject *
uuid_text(PyObject *module, PyObject *object)
{
    (void)module;
    uint8_t uuid[WHS_UUID_BYTES];
    char text[WHS_UUID_TEXT_SIZE];
    if (!uuid_from(object, "uuid", uuid))
        return NULL;
    whs_uuid_format(uuid, text);
    return PyUnicode_FromString(text);
}

static PyObject *
uuid_bytes(PyObject *module, PyObject *object)
{
    struct whs_slice text;
    uint8_t uuid[WHS_UUID_BYTES];
    if (!text_slice(state_of_module(module), object, "text", &text))
        return NULL;
    if (!whs_uuid_parse(text, uuid)) {
        PyErr_SetString(PyExc_ValueError, "not a UUID");
        return NULL;
    }
    return uuid_bytes_object(uuid);
}

static PyObject *
notification_id(PyObject *module, PyObject *args, PyObject *kwargs)
{
    (void)module;
    static char *names[] = {"event_id", "subscription_id", NULL};
    PyObject *event, *subscription;
    uint8_t event_id[WHS_UUID_BYTES], subscription_id[WHS_UUID_BYTES];
    char text[WHS_NOTIFICATION_ID_SIZE];
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO", names, &event,
                                     &subscription) ||
        !uuid_from(event, names[0], event_id) ||
        !uuid_from(subscription, names[1], subscription_id))
        return NULL;
    whs_notification_id(event_id, subscription_id, text);
    return PyUnicode_FromString(text);
}

static PyObject *
check_json(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "max_depth", NULL};
    PyObject *data;
    int depth_max = WHS_JSON_DEPTH_MAX;
    struct whs_slice text;
    struct whs_error err;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|i", names, &data, &depth_max) ||
        !bytes_slice(data, names[0], &text))
        return NULL;
    if (depth_max < 1 || depth_max > WHS_JSON_SCAN_DEPTH_MAX) {
        PyErr_Format(PyExc_ValueError, "max_depth must be 1 to %d",
                     WHS_JSON_SCAN_DEPTH_MAX);
        return NULL;
    }
    enum whs_status status = whs_json_check(text, (unsigned)depth_max, &err);
    if (status == WHS_INVALID)
        return raise_invalid(state_of_module(module), "data", "json", err.message);
    if (status != WHS_OK)
        return raise_status(state_of_module(module), status, "data", &err);
    Py_RETURN_NONE;
}

static PyObject *
traceparent(PyObject *module, PyObject *object)
{
    (void)module;
    uint8_t event_id[WHS_UUID_BYTES];
    char text[WHS_TRACEPARENT_SIZE];
    if (!uuid_from(object, "event_id", event_id))
        return NULL;
    whs_traceparent(event_id, text);
    return PyUnicode_FromString(text);
}

static PyMethodDef functions[] = {
    {"uuid7", uuid7, METH_O, "uuid7($module, now_ms, /)\n--\n\n"},
    {"uuid_text", uuid_text, METH_O, "uuid_text($module, uuid, /)\n--\n\n"},
    {"uuid_bytes", uuid_bytes, METH_O,
     "uuid_bytes($module, text, /)\n--\n\nRaises ValueError when it is no UUID."},
    {"notification_id", (PyCFunction)(void (*)(void))notification_id,
     METH_VARARGS | METH_KEYWORDS,
     "notification_id($module, event_id, subscription_id)\n--\n\n"},
    {"traceparent", traceparent, METH_O,
     "traceparent($module, event_id, /)\n--\n\n"
     "W3C Trace Context of an event: its id is the trace's."},
    {"check_json", (PyCFunction)(void (*)(void))check_json,
     METH_VARARGS | METH_KEYWORDS,
     "check_json($module, data, max_depth=64)\n--\n\n"
     "RFC 8259 syntax, UTF-8, depth (at most 128), no trailing bytes. Raises "
     "ValidationError."},
    {0},
};

bool
ids_setup(PyObject *module)
{
    return PyModule_AddFunctions(module, functions) == 0;
}
