/* SPDX-License-Identifier: MIT */
#include "engine_ask.h"

#include <string.h>

#include "convert.h"
#include "errors.h"
#include "subscription_fields.h"

/* NULL: no status, nobody answered. */
static PyObject *
number_or_none(int number)
{
    if (number == 0)
        Py_RETURN_NONE;
    return PyLong_FromLong(number);
}

static bool
read_url(struct state *state, PyObject *object, const struct whs_url_policy *policy,
         struct whs_url *out)
{
    struct whs_slice text;
    struct whs_field_errors errors = {0};
    if (!text_slice(state, object, "url", &text))
        return false;
    enum whs_status status =
        whs_url_parse(text, policy, WHS_SLICE("url"), &errors, out);
    if (status == WHS_INVALID)
        raise_field_errors(state, &errors);
    else if (status != WHS_OK)
        raise_status(state, status, "url", NULL);
    whs_field_errors_fini(&errors);
    return status == WHS_OK;
}

/* --- The question. --- */

static bool
read_method(PyObject *object, enum whs_method *out)
{
    if (PyUnicode_Check(object) &&
        PyUnicode_CompareWithASCIIString(object, "POST") == 0)
        *out = WHS_METHOD_POST;
    else if (PyUnicode_Check(object) &&
             PyUnicode_CompareWithASCIIString(object, "OPTIONS") == 0)
        *out = WHS_METHOD_OPTIONS;
    else
        PyErr_SetString(PyExc_ValueError, "method must be POST or OPTIONS");
    return !PyErr_Occurred();
}

/* The texts are the tuple's. */
static bool
read_header(struct state *state, PyObject *pair, struct whs_header *out)
{
    if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
        PyErr_SetString(PyExc_TypeError, "headers must be (name, value) tuples");
        return false;
    }
    if (!text_slice(state, PyTuple_GetItem(pair, 0), "headers", &out->name) ||
        !text_slice(state, PyTuple_GetItem(pair, 1), "headers", &out->value))
        return false;
    if (out->name.len == 0 || whs_slice_has_control(out->name) ||
        memchr(out->name.ptr, ':', out->name.len) || whs_slice_has_control(out->value))
        PyErr_SetString(PyExc_ValueError, "a header is not one line of HTTP");
    return !PyErr_Occurred();
}

static bool
read_headers(struct state *state, PyObject *headers, struct question *out)
{
    out->headers = PySequence_Tuple(headers);
    Py_ssize_t count = out->headers ? PyTuple_Size(out->headers) : -1;
    if (count > WHS_REQUEST_HEADERS_MAX)
        PyErr_Format(PyExc_ValueError, "at most %d headers", WHS_REQUEST_HEADERS_MAX);
    if (PyErr_Occurred())
        return false;
    for (Py_ssize_t i = 0; i < count; i++)
        if (!read_header(state, PyTuple_GetItem(out->headers, i),
                         &out->request.headers[i]))
            return false;
    out->request.header_count = (size_t)count;
    return true;
}

bool
question_read(struct state *state, PyObject *args, PyObject *kwargs,
              struct question *out)
{
    static char *names[] = {"method", "url", "headers", "body", NULL};
    /* Who asks has judged the URL by its own policy; addresses are the guard's. */
    static const struct whs_url_policy any = {.dev = true};
    PyObject *method, *url, *headers, *body = NULL;
    memset(out, 0, sizeof(*out));
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO|O", names, &method, &url,
                                     &headers, &body) ||
        !read_method(method, &out->request.method) ||
        !read_headers(state, headers, out) ||
        !optional_bytes_slice(body, "body", &out->request.body) ||
        !read_url(state, url, &any, &out->url))
        return false;
    out->request.url = out->url.text;
    out->request.origin = out->url.origin;
    return true;
}

void
question_fini(struct question *question)
{
    whs_url_fini(&question->url);
    Py_CLEAR(question->headers);
}

/* --- The answer. --- */

/* Bytes that no text can hold are nobody's agreement, and still shown. */
static bool
put_field(PyObject *dict, const char *name, const char *value)
{
    if (!value[0])
        return true;
    PyObject *text = PyUnicode_DecodeLatin1(value, (Py_ssize_t)strlen(value), NULL);
    bool fine = text && PyDict_SetItemString(dict, name, text) == 0;
    Py_XDECREF(text);
    return fine;
}

static PyObject *
fields_object(const struct whs_fields *fields)
{
    PyObject *dict = PyDict_New();
#define X(member, name)                                                                \
    if (dict && !put_field(dict, name, fields->member))                                \
        Py_CLEAR(dict);
    WHS_FIELD_MAP(X)
#undef X
    return dict;
}

PyObject *
answer_object(const struct whs_ask *ask)
{
    const struct whs_answer *answer = &ask->exchange.answer;
    struct whs_slice body = whs_buf_slice(&answer->body);
    PyObject *status = number_or_none(answer->http_status);
    PyObject *address = text_or_none(answer->address);
    PyObject *fields = fields_object(&ask->fields);
    PyObject *made = NULL;
    if (status && address && fields)
        made = Py_BuildValue("(iOLOy#O)", (int)answer->outcome, status,
                             (long long)answer->duration_ms, address, body.ptr,
                             (Py_ssize_t)body.len, fields);
    Py_XDECREF(status);
    Py_XDECREF(address);
    Py_XDECREF(fields);
    return made;
}

/* --- Of a URL alone. --- */

static PyObject *
check_url(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"url", "dev", "ports", NULL};
    struct state *state = state_of_module(module);
    PyObject *url, *ports = NULL, *text = NULL;
    int dev = 0;
    struct rules rules = {0};
    struct whs_url parsed = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$pO", names, &url, &dev, &ports))
        return NULL;
    if (rules_read(state, &rules, NULL, NULL, dev, ports, 0, NULL) &&
        read_url(state, url, &rules.core.url, &parsed))
        text = text_object(parsed.text);
    whs_url_fini(&parsed);
    rules_fini(&rules);
    return text;
}

static PyMethodDef functions[] = {
    {"check_url", (PyCFunction)(void (*)(void))check_url, METH_VARARGS | METH_KEYWORDS,
     "check_url($module, url, *, dev=False, ports=())\n--\n\n"
     "Its normal form. Raises ValidationError (field url)."},
    {0},
};

bool
asking_setup(PyObject *module)
{
    return PyModule_AddFunctions(module, functions) == 0;
}
