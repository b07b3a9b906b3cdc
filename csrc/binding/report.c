/* SPDX-License-Identifier: MIT
 *
 * Reports: what became of some attempts, as the rows that the store binds.
 */
#include "report.h"

#include "convert.h"
#include "types.h"

static const struct whs_report *
reports_of(PyObject *self)
{
    return ((struct reports_object *)self)->reports;
}

PyObject *
reports_object_new(struct state *state, struct engine_object *engine,
                   struct whs_report *reports)
{
    PyTypeObject *type = (PyTypeObject *)state->reports_type;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct reports_object *self = (struct reports_object *)allocate(type, 0);
    if (!self) {
        whs_report_queue_return(whs_engine_reports(engine->engine), reports);
        return NULL;
    }
    Py_INCREF((PyObject *)engine);
    self->engine = engine;
    self->reports = reports;
    for (const struct whs_report *r = reports; r; r = r->next)
        self->count += (Py_ssize_t)r->count;
    return (PyObject *)self;
}

/* Dropped without an answer: they were not written, and will be taken again. */
static void
Reports_dealloc(PyObject *object)
{
    struct reports_object *self = (struct reports_object *)object;
    struct whs_engine *engine = self->engine->engine;
    if (self->reports && !whs_engine_forked(engine))
        whs_report_queue_return(whs_engine_reports(engine), self->reports);
    Py_DECREF(self->engine);
    free_object(object);
}

static Py_ssize_t
Reports_length(PyObject *self)
{
    return ((struct reports_object *)self)->count;
}

/* Steals `row`; false when it is NULL or cannot be added. */
static bool
append_row(PyObject *list, PyObject *row)
{
    bool added = row && PyList_Append(list, row) == 0;
    Py_XDECREF(row);
    return added;
}

static PyObject *
status_object(int http_status)
{
    if (!http_status)
        Py_RETURN_NONE;
    return PyLong_FromLong(http_status);
}

static PyObject *
duration_object(const struct whs_report *report)
{
    if (!report->started_at_ms)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(report->duration_ms);
}

static PyObject *
due_object(const struct whs_reported *reported, long long now_ms)
{
    if (reported->state != WHS_DELIVERY_WAITING)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(now_ms + reported->delay_ms);
}

/* Steals all fields; NULL when any is. */
static PyObject *
row_object(PyObject **fields, Py_ssize_t count)
{
    PyObject *row = PyTuple_New(count);
    bool fine = row != NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        fine = fine && fields[i];
        if (fine)
            fine = PyTuple_SetItem(row, i, fields[i]) == 0;
        else
            Py_XDECREF(fields[i]);
    }
    if (!fine)
        Py_CLEAR(row);
    return row;
}

static PyObject *
delivery_row(const struct whs_report *report, const struct whs_reported *reported,
             long long now_ms)
{
    PyObject *fields[] = {
        PyLong_FromLongLong(reported->event_seq),
        PyLong_FromLongLong(reported->subscription_seq),
        PyLong_FromLong(reported->state),
        PyLong_FromLong(reported->attempts),
        due_object(reported, now_ms),
        PyLong_FromLongLong(report->origin_seq),
        text_or_none(report->batch),
        status_object(report->http_status),
        PyLong_FromLong(report->outcome),
        duration_object(report),
        PyLong_FromLongLong(now_ms),
    };
    return row_object(fields, sizeof(fields) / sizeof(fields[0]));
}

static PyObject *
Reports_deliveries(PyObject *self, PyObject *now)
{
    long long now_ms = PyLong_AsLongLong(now);
    if (PyErr_Occurred())
        return NULL;
    PyObject *rows = PyList_New(0);
    for (const struct whs_report *r = reports_of(self); rows && r; r = r->next)
        for (size_t i = 0; rows && i < r->count; i++)
            if (!append_row(rows, delivery_row(r, &r->deliveries[i], now_ms)))
                Py_CLEAR(rows);
    return rows;
}

static PyObject *
attempt_row(const struct whs_report *report, const struct whs_reported *reported)
{
    PyObject *snippet = report->snippet
                            ? PyBytes_FromStringAndSize(report->snippet,
                                                        (Py_ssize_t)report->snippet_len)
                            : Py_NewRef(Py_None);
    return Py_BuildValue(
        "(LLNiLLNiNN)", (long long)reported->event_seq,
        (long long)reported->subscription_seq, text_or_none(report->batch),
        reported->attempts, (long long)report->started_at_ms,
        (long long)report->duration_ms, status_object(report->http_status),
        (int)report->outcome, text_or_none(report->address), snippet);
}

static PyObject *
Reports_attempts(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    PyObject *rows = PyList_New(0);
    for (const struct whs_report *r = reports_of(self); rows && r; r = r->next)
        for (size_t i = 0; rows && i < r->count; i++)
            if (whs_report_is_attempt(r, &r->deliveries[i]) &&
                !append_row(rows, attempt_row(r, &r->deliveries[i])))
                Py_CLEAR(rows);
    return rows;
}

static PyObject *
Reports_done(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    PyObject *rows = PyList_New(0);
    for (const struct whs_report *r = reports_of(self); rows && r; r = r->next)
        for (size_t i = 0; rows && i < r->count; i++) {
            const struct whs_reported *reported = &r->deliveries[i];
            if (reported->event_done && !reported->claimed_row &&
                !append_row(rows, Py_BuildValue("(L)", (long long)reported->event_seq)))
                Py_CLEAR(rows);
        }
    return rows;
}

static const char *
change_word(const struct whs_report *report)
{
    return report->subscription_disabled    ? "disabled"
           : report->subscription_failing   ? "failing"
           : report->subscription_recovered ? "recovered"
                                            : NULL;
}

static PyObject *
Reports_subscriptions(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    PyObject *rows = PyList_New(0);
    for (const struct whs_report *r = reports_of(self); rows && r; r = r->next) {
        const char *word = change_word(r);
        if (word && r->count > 0 &&
            !append_row(rows, Py_BuildValue(
                                  "(Lsi)", (long long)r->deliveries[0].subscription_seq,
                                  word, (int)r->outcome)))
            Py_CLEAR(rows);
    }
    return rows;
}

static PyMethodDef methods[] = {
    {"deliveries", Reports_deliveries, METH_O,
     "deliveries($self, now_ms, /)\n--\n\nRows of deliveries; `now_ms` is the "
     "store's."},
    {"attempts", Reports_attempts, METH_NOARGS,
     "attempts($self, /)\n--\n\nRows of attempts that are kept."},
    {"done", Reports_done, METH_NOARGS,
     "done($self, /)\n--\n\n(event_seq,) of each event whose last match is in here."},
    {"subscriptions", Reports_subscriptions, METH_NOARGS,
     "subscriptions($self, /)\n--\n\n"
     "(subscription_seq, 'failing' | 'recovered' | 'disabled', outcome), in order."},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "What became of some attempts, as rows in the order in which the store "
                "binds them."},
    {Py_tp_dealloc, Reports_dealloc},
    {Py_sq_length, Reports_length},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "webhooksub._core.Reports",
    .basicsize = sizeof(struct reports_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

bool
report_setup(PyObject *module)
{
    return add_type(module, &spec, &state_of_module(module)->reports_type);
}
