/* SPDX-License-Identifier: MIT
 *
 * Reports: what became of some attempts, as the rows that the store binds.
 */
#include "report.h"

#include <string.h>

#include "alloc.h"
#include "convert.h"
#include "seqs.h"
#include "types.h"

static const struct whs_report *
reports_of(PyObject *self)
{
    return ((struct reports_object *)self)->reports;
}

/* --- What there is to be told. --- */

/* Of most reports nothing but the rows is: they are not walked through for the rest. */
enum part {
    PART_WAITING = 1 << 0,
    PART_ATTEMPTS = 1 << 1,
    PART_DEAD = 1 << 2,
    PART_CLAIMED = 1 << 3,
    PART_SUBSCRIPTIONS = 1 << 4,
    PART_ORIGINS = 1 << 5,
};

/* NULL: as before. */
static const char *
news_of_subscription(const struct whs_report *report)
{
    return report->count == 0               ? NULL
           : report->subscription_disabled  ? "disabled"
           : report->subscription_failing   ? "failing"
           : report->subscription_recovered ? "recovered"
                                            : NULL;
}

static bool
has_origin_news(const struct whs_report *report)
{
    return report->origin_news != WHS_BREAKER_AS_BEFORE;
}

static unsigned
parts_of(const struct whs_report *report)
{
    unsigned parts = 0;
    for (size_t i = 0; i < report->count; i++) {
        const struct whs_reported *reported = &report->deliveries[i];
        parts |= reported->state == WHS_DELIVERY_WAITING ? PART_WAITING : 0;
        parts |= reported->state == WHS_DELIVERY_DEAD ? PART_DEAD : 0;
        parts |= reported->claimed_row ? PART_CLAIMED : 0;
        parts |= whs_report_is_attempt(report, reported) ? PART_ATTEMPTS : 0;
    }
    parts |= news_of_subscription(report) ? PART_SUBSCRIPTIONS : 0;
    parts |= has_origin_news(report) ? PART_ORIGINS : 0;
    return parts;
}

/* Under their lock. NULL where there is none of it. */
static const struct whs_report *
reports_with(PyObject *object, enum part part)
{
    const struct reports_object *self = (struct reports_object *)object;
    return self->parts & part ? self->reports : NULL;
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
    for (const struct whs_report *r = reports; r; r = r->next) {
        self->count += (Py_ssize_t)r->count;
        self->parts |= parts_of(r);
    }
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
    LOCK_REPORTS(self);
    Py_ssize_t count = ((struct reports_object *)self)->count;
    UNLOCK_REPORTS(self);
    return count;
}

static PyObject *
number_or_none(bool there, long long number)
{
    if (!there)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(number);
}

/* --- Rows of deliveries, made when they are looked at. --- */

/* What a row is made of; it outlives the report. */
struct outcome {
    struct whs_reported reported;
    long long origin_seq;
    long long duration_ms;
    int http_status;
    int outcome;
    bool tried;
    char batch[WHS_NOTIFICATION_ID_SIZE];
};

struct rows_object {
    PyObject_HEAD struct outcome *outcomes;
    Py_ssize_t count;
    long long now_ms;
};

static void
Rows_dealloc(PyObject *self)
{
    whs_free(((struct rows_object *)self)->outcomes);
    free_object(self);
}

static Py_ssize_t
Rows_length(PyObject *self)
{
    return ((struct rows_object *)self)->count;
}

static PyObject *
Rows_item(PyObject *object, Py_ssize_t at)
{
    struct rows_object *self = (struct rows_object *)object;
    if (at < 0 || at >= self->count) {
        PyErr_SetString(PyExc_IndexError, "no such row");
        return NULL;
    }
    const struct outcome *outcome = &self->outcomes[at];
    const struct whs_reported *reported = &outcome->reported;
    PyObject *fields[] = {
        PyLong_FromLongLong(reported->event_seq),
        PyLong_FromLongLong(reported->subscription_seq),
        PyLong_FromLong(reported->state),
        PyLong_FromLong(reported->attempts),
        number_or_none(reported->state == WHS_DELIVERY_WAITING,
                       self->now_ms + reported->delay_ms),
        PyLong_FromLongLong(outcome->origin_seq),
        text_or_none(outcome->batch),
        number_or_none(outcome->http_status, outcome->http_status),
        PyLong_FromLong(outcome->outcome),
        number_or_none(outcome->tried, outcome->duration_ms),
        PyLong_FromLongLong(self->now_ms),
    };
    const Py_ssize_t count = sizeof(fields) / sizeof(fields[0]);
    return filled_tuple(PyTuple_New(count), fields, count);
}

static PyType_Slot rows_slots[] = {
    {Py_tp_doc,
     "Rows of deliveries, each made when it is looked at. They outlive their "
     "Reports."},
    {Py_tp_dealloc, Rows_dealloc},
    {Py_sq_length, Rows_length},
    {Py_sq_item, Rows_item},
    {0, NULL},
};

static PyType_Spec rows_spec = {
    .name = "webhooksub._core.Rows",
    .basicsize = sizeof(struct rows_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = rows_slots,
};

static struct outcome
outcome_of(const struct whs_report *report, const struct whs_reported *reported)
{
    struct outcome outcome = {
        .reported = *reported,
        .origin_seq = report->origin_seq,
        .duration_ms = report->duration_ms,
        .http_status = report->http_status,
        .outcome = report->outcome,
        .tried = report->started_at_ms != 0,
    };
    memcpy(outcome.batch, report->batch, sizeof(outcome.batch));
    return outcome;
}

static size_t
count_waiting(const struct whs_report *reports)
{
    size_t count = 0;
    for (const struct whs_report *r = reports; r; r = r->next)
        for (size_t i = 0; i < r->count; i++)
            count += r->deliveries[i].state == WHS_DELIVERY_WAITING;
    return count;
}

static bool
fill_rows(struct rows_object *rows, PyObject *object, bool waiting_only)
{
    const struct whs_report *reports =
        waiting_only ? reports_with(object, PART_WAITING) : reports_of(object);
    size_t count = waiting_only ? count_waiting(reports)
                                : (size_t)((struct reports_object *)object)->count;
    if (count == 0)
        return true;
    rows->outcomes = whs_alloc(count * sizeof(struct outcome));
    if (!rows->outcomes)
        return false;
    for (const struct whs_report *r = reports; r; r = r->next)
        for (size_t i = 0; i < r->count; i++)
            if (!waiting_only || r->deliveries[i].state == WHS_DELIVERY_WAITING)
                rows->outcomes[rows->count++] = outcome_of(r, &r->deliveries[i]);
    return true;
}

static PyObject *
rows_of(PyObject *object, PyObject *now, bool waiting_only)
{
    PyTypeObject *type = (PyTypeObject *)state_of(object)->rows_type;
    long long now_ms = PyLong_AsLongLong(now);
    if (PyErr_Occurred())
        return NULL;
    struct rows_object *rows =
        (struct rows_object *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!rows)
        return NULL;
    rows->now_ms = now_ms;
    LOCK_REPORTS(object);
    bool filled = fill_rows(rows, object, waiting_only);
    UNLOCK_REPORTS(object);
    if (filled)
        return (PyObject *)rows;
    Py_DECREF((PyObject *)rows);
    return PyErr_NoMemory();
}

/* --- Reports. --- */

static PyObject *
Reports_deliveries(PyObject *self, PyObject *now)
{
    return rows_of(self, now, false);
}

static PyObject *
Reports_waiting(PyObject *self, PyObject *now)
{
    return rows_of(self, now, true);
}

static PyObject *
attempt_row(const struct whs_report *report, const struct whs_reported *reported)
{
    PyObject *snippet = report->snippet
                            ? PyBytes_FromStringAndSize(report->snippet,
                                                        (Py_ssize_t)report->snippet_len)
                            : Py_NewRef(Py_None);
    return Py_BuildValue("(LLNiLLNiNN)", (long long)reported->event_seq,
                         (long long)reported->subscription_seq,
                         text_or_none(report->batch), reported->attempts,
                         (long long)report->started_at_ms,
                         (long long)report->duration_ms,
                         number_or_none(report->http_status, report->http_status),
                         (int)report->outcome, text_or_none(report->address), snippet);
}

static PyObject *
Reports_done(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    LOCK_REPORTS(self);
    Py_ssize_t most = ((struct reports_object *)self)->count;
    struct seqs_object *seqs = seqs_new(state_of(self), (size_t)most);
    for (const struct whs_report *r = reports_of(self); seqs && r; r = r->next)
        for (size_t i = 0; i < r->count; i++)
            if (whs_reported_is_done(&r->deliveries[i]))
                seqs->items[seqs->count++] = r->deliveries[i].event_seq;
    UNLOCK_REPORTS(self);
    return (PyObject *)seqs;
}

/* Appends what one report gives. False with an exception set. */
typedef bool append_from(PyObject *rows, const struct whs_report *report);

static PyObject *
collect(PyObject *self, enum part part, append_from *append)
{
    PyObject *rows = PyList_New(0);
    LOCK_REPORTS(self);
    for (const struct whs_report *r = reports_with(self, part); rows && r; r = r->next)
        if (!append(rows, r))
            Py_CLEAR(rows);
    UNLOCK_REPORTS(self);
    return rows;
}

static bool
append_attempts(PyObject *rows, const struct whs_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        if (whs_report_is_attempt(report, &report->deliveries[i]) &&
            !append_item(rows, attempt_row(report, &report->deliveries[i])))
            return false;
    return true;
}

static bool
append_dead(PyObject *rows, const struct whs_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct whs_reported *reported = &report->deliveries[i];
        if (reported->state == WHS_DELIVERY_DEAD &&
            !append_item(rows, Py_BuildValue("(LL)", (long long)reported->event_seq,
                                             (long long)reported->subscription_seq)))
            return false;
    }
    return true;
}

static bool
append_claimed(PyObject *rows, const struct whs_report *report)
{
    bool spilled = report->outcome == WHS_OUTCOME_SPILLED;
    for (size_t i = 0; i < report->count; i++) {
        const struct whs_reported *reported = &report->deliveries[i];
        if (reported->claimed_row &&
            !append_item(rows, Py_BuildValue("(LLN)", (long long)reported->event_seq,
                                             (long long)reported->subscription_seq,
                                             PyBool_FromLong(spilled))))
            return false;
    }
    return true;
}

static bool
append_subscription(PyObject *rows, const struct whs_report *report)
{
    const char *news = news_of_subscription(report);
    return !news ||
           append_item(rows,
                       Py_BuildValue("(Lsi)",
                                     (long long)report->deliveries[0].subscription_seq,
                                     news, (int)report->outcome));
}

static bool
append_origin(PyObject *rows, const struct whs_report *report)
{
    bool opened = report->origin_news == WHS_BREAKER_OPENED;
    return !has_origin_news(report) ||
           append_item(
               rows, Py_BuildValue("(LN)", (long long)report->origin_seq,
                                   number_or_none(opened, report->origin_blocked_ms)));
}

#define COLLECTING(method, part, append)                                               \
    static PyObject *method(PyObject *self, PyObject *ignored)                         \
    {                                                                                  \
        (void)ignored;                                                                 \
        return collect(self, part, append);                                            \
    }

COLLECTING(Reports_attempts, PART_ATTEMPTS, append_attempts)
COLLECTING(Reports_dead, PART_DEAD, append_dead)
COLLECTING(Reports_claimed, PART_CLAIMED, append_claimed)
COLLECTING(Reports_subscriptions, PART_SUBSCRIPTIONS, append_subscription)
COLLECTING(Reports_origins, PART_ORIGINS, append_origin)

static PyMethodDef methods[] = {
    {"deliveries", Reports_deliveries, METH_O,
     "deliveries($self, now_ms, /)\n--\n\nRows of deliveries; `now_ms` is the "
     "store's."},
    {"waiting", Reports_waiting, METH_O,
     "waiting($self, now_ms, /)\n--\n\nThose of them that wait."},
    {"attempts", Reports_attempts, METH_NOARGS,
     "attempts($self, /)\n--\n\nRows of attempts that are kept."},
    {"done", Reports_done, METH_NOARGS,
     "done($self, /)\n--\n\n(event_seq,) of each event whose last match is in here."},
    {"dead", Reports_dead, METH_NOARGS,
     "dead($self, /)\n--\n\n(event_seq, subscription_seq) of each dead letter."},
    {"claimed", Reports_claimed, METH_NOARGS,
     "claimed($self, /)\n--\n\n(event_seq, subscription_seq, spilled) of those that "
     "were waiting rows."},
    {"subscriptions", Reports_subscriptions, METH_NOARGS,
     "subscriptions($self, /)\n--\n\n"
     "(subscription_seq, 'failing' | 'recovered' | 'disabled', outcome), in order."},
    {"origins", Reports_origins, METH_NOARGS,
     "origins($self, /)\n--\n\n(origin_seq, blocked for so many ms | None: free "
     "again), "
     "in order."},
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
    struct state *state = state_of_module(module);
    return add_type(module, &rows_spec, &state->rows_type) &&
           add_type(module, &spec, &state->reports_type);
}
