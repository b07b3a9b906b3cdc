/* SPDX-License-Identifier: MIT
 *
 * Engine: the delivering part as Python sees it. The only place where the binding lets
 * go of the GIL: around whatever waits. The engine thread never needs it.
 */
#include "engine.h"

#include <pthread.h>
#include <string.h>

#include "alloc.h"
#include "convert.h"
#include "engine_ask.h"
#include "engine_options.h"
#include "engine_push.h"
#include "engine_sockets.h"
#include "engine_subscriptions.h"
#include "errors.h"
#include "types.h"

/* Python's signals are looked at so often while an answer is waited for. */
#define ASK_SLICE_MS 100

/* --- Engines that are alive, to be closed before the interpreter ends: a thread that
 * still delivers must not meet the end of OpenSSL. Under the mutex. --- */

static pthread_mutex_t alive_lock = PTHREAD_MUTEX_INITIALIZER;
static struct engine_object alive = {.next = &alive, .previous = &alive};

static void
enter_alive(struct engine_object *self)
{
    pthread_mutex_lock(&alive_lock);
    self->next = alive.next;
    self->previous = &alive;
    self->next->previous = self;
    alive.next = self;
    pthread_mutex_unlock(&alive_lock);
}

static void
leave_alive(struct engine_object *self)
{
    pthread_mutex_lock(&alive_lock);
    self->next->previous = self->previous;
    self->previous->next = self->next;
    pthread_mutex_unlock(&alive_lock);
}

static PyObject *
close_all(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    Py_BEGIN_ALLOW_THREADS
    pthread_mutex_lock(&alive_lock);
    for (struct engine_object *e = alive.next; e != &alive; e = e->next)
        whs_engine_close(e->engine, 0);
    pthread_mutex_unlock(&alive_lock);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* --- Life. --- */

static struct engine_object *
object_of(PyObject *self)
{
    return (struct engine_object *)self;
}

static struct whs_engine *
engine_of(PyObject *self)
{
    return object_of(self)->engine;
}

/* `*host` is the engine's. */
static struct whs_engine *
create(struct state *state, PyObject *catalog, const struct engine_options *options,
       struct whs_host **host)
{
    struct whs_transport *transport, *http;
    struct whs_engine *engine = NULL;
    struct whs_error err = {0};
    struct whs_trust *trust = engine_options_trust(state, options);
    if (!trust)
        return NULL;
    enum whs_status status =
        whs_transport_curl_create(&options->curl, trust, &http, &err);
    if (status == WHS_OK)
        status =
            whs_transport_host_create(&options->host, http, &transport, host, &err);
    if (status == WHS_OK)
        status = whs_engine_create(&options->engine,
                                   ((struct catalog_object *)catalog)->catalog,
                                   transport, &engine, &err);
    if (status != WHS_OK)
        raise_status(state, status, "config", &err);
    return engine;
}

static PyObject *
Engine_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"catalog", "config", NULL};
    struct state *state = state_of_type(type);
    PyObject *catalog, *config, *self = NULL;
    struct engine_options options;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO", names, &catalog, &config) ||
        !check_type(catalog, state->catalog_type, "Catalog"))
        return NULL;
    struct whs_engine *engine = NULL;
    struct whs_host *host = NULL;
    if (engine_options_read(state, config, &options))
        engine = create(state, catalog, &options, &host);
    engine_options_fini(&options);
    if (!engine)
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    self = allocate(type, 0);
    if (!self) {
        whs_engine_destroy(engine);
        return NULL;
    }
    object_of(self)->engine = engine;
    object_of(self)->host = host;
    enter_alive(object_of(self));
    return self;
}

static void
Engine_dealloc(PyObject *self)
{
    if (engine_of(self)) {
        leave_alive(object_of(self));
        Py_BEGIN_ALLOW_THREADS
        whs_engine_destroy(engine_of(self));
        Py_END_ALLOW_THREADS
    }
    free_object(self);
}

static PyObject *
Engine_start(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    struct whs_error err = {0};
    enum whs_status status;
    Py_BEGIN_ALLOW_THREADS
    status = whs_engine_start(engine_of(self), &err);
    Py_END_ALLOW_THREADS
    if (status != WHS_OK)
        return raise_status(state_of(self), status, NULL, &err);
    Py_RETURN_NONE;
}

static PyObject *
Engine_close(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"grace_ms", NULL};
    int grace_ms = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|i", names, &grace_ms))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    whs_engine_close(engine_of(self), grace_ms);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *
Engine_room(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    struct whs_engine_room room = whs_engine_room(engine_of(self));
    return Py_BuildValue("(LL)", (long long)room.deliveries, (long long)room.bytes);
}

static PyObject *
Engine_extend_lease(PyObject *self, PyObject *for_ms)
{
    long long ms = PyLong_AsLongLong(for_ms);
    if (PyErr_Occurred())
        return NULL;
    whs_engine_extend_lease(engine_of(self), ms);
    Py_RETURN_NONE;
}

/* --- Reports. --- */

static PyObject *
Engine_take_reports(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"max_deliveries", "timeout_ms", NULL};
    struct state *state = state_of(self);
    Py_ssize_t most;
    int timeout_ms;
    struct whs_report *reports;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "ni", names, &most, &timeout_ms))
        return NULL;
    if (most < 1) {
        PyErr_SetString(PyExc_ValueError, "max_deliveries must be above 0");
        return NULL;
    }
    if (whs_engine_forked(engine_of(self)))
        return raise_status(state, WHS_FORKED, NULL, NULL);
    Py_BEGIN_ALLOW_THREADS
    reports = whs_report_queue_take(whs_engine_reports(engine_of(self)), (size_t)most,
                                    timeout_ms);
    Py_END_ALLOW_THREADS
    if (!reports)
        Py_RETURN_NONE;
    return reports_object_new(state, object_of(self), reports);
}

/* Of two threads that answer the same reports one gets them. */
static struct whs_report *
detach_chain(struct reports_object *reports)
{
    LOCK_REPORTS(reports);
    struct whs_report *chain = reports->reports;
    reports->reports = NULL;
    reports->count = 0;
    UNLOCK_REPORTS(reports);
    return chain;
}

/* The chain, which is the caller's from now on; NULL with an exception set. */
static struct whs_report *
take_chain(PyObject *self, PyObject *object)
{
    struct state *state = state_of(self);
    if (!check_type(object, state->reports_type, "Reports"))
        return NULL;
    if (whs_engine_forked(engine_of(self))) {
        raise_status(state, WHS_FORKED, NULL, NULL);
        return NULL;
    }
    struct reports_object *reports = (struct reports_object *)object;
    struct whs_report *chain =
        reports->engine == object_of(self) ? detach_chain(reports) : NULL;
    if (!chain)
        PyErr_SetString(PyExc_ValueError,
                        "these reports are another engine's, or were answered before");
    return chain;
}

static PyObject *
Engine_settled(PyObject *self, PyObject *reports)
{
    struct whs_report *chain = take_chain(self, reports);
    if (!chain)
        return NULL;
    whs_report_queue_settled(whs_engine_reports(engine_of(self)), chain);
    Py_RETURN_NONE;
}

static PyObject *
Engine_return_reports(PyObject *self, PyObject *reports)
{
    struct whs_report *chain = take_chain(self, reports);
    if (!chain)
        return NULL;
    whs_report_queue_return(whs_engine_reports(engine_of(self)), chain);
    Py_RETURN_NONE;
}

static PyObject *
Engine_wake_reports(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    if (!whs_engine_forked(engine_of(self)))
        whs_report_queue_wake(whs_engine_reports(engine_of(self)));
    Py_RETURN_NONE;
}

static PyObject *
Engine_wait_idle(PyObject *self, PyObject *timeout)
{
    int timeout_ms = (int)PyLong_AsLong(timeout);
    enum whs_status status;
    if (PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = whs_engine_wait_idle(engine_of(self), timeout_ms);
    Py_END_ALLOW_THREADS
    if (status != WHS_OK && status != WHS_TIMEOUT)
        return raise_status(state_of(self), status, NULL, NULL);
    return PyBool_FromLong(status == WHS_OK);
}

/* --- Events for sockets. --- */

/* What cannot be told for want of memory is not answered, and so fails in time. */
static PyObject *
Engine_take_events(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"most", "timeout_ms", NULL};
    struct whs_host_request *requests;
    Py_ssize_t most;
    int timeout_ms;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "ni", names, &most, &timeout_ms))
        return NULL;
    if (most < 1) {
        PyErr_SetString(PyExc_ValueError, "most must be above 0");
        return NULL;
    }
    if (whs_engine_forked(engine_of(self)))
        return raise_status(state_of(self), WHS_FORKED, NULL, NULL);
    Py_BEGIN_ALLOW_THREADS
    requests = whs_host_take(object_of(self)->host, (size_t)most, timeout_ms);
    Py_END_ALLOW_THREADS
    PyObject *list = events_object(requests);
    whs_host_request_destroy(requests);
    return list;
}

/* --- What is no attempt. --- */

/* An ask's request is ours until it has ended: who is interrupted gives it up first. */
static bool
wait_for_answer(PyObject *self, struct whs_ask *ask)
{
    bool interrupted = false, ended = false;
    while (!ended) {
        Py_BEGIN_ALLOW_THREADS
        ended = whs_engine_ask_wait(engine_of(self), ask, ASK_SLICE_MS);
        Py_END_ALLOW_THREADS
        if (ended || interrupted || PyErr_CheckSignals() == 0)
            continue;
        interrupted = true;
        whs_engine_ask_give_up(engine_of(self), ask);
    }
    return !interrupted;
}

static PyObject *
Engine_ask(PyObject *self, PyObject *args, PyObject *kwargs)
{
    struct state *state = state_of(self);
    struct question question;
    struct whs_ask ask;
    struct whs_error err = {0};
    PyObject *answer = NULL;
    if (question_read(state, args, kwargs, &question)) {
        whs_ask_init(&ask, &question.request);
        enum whs_status status = whs_engine_ask(engine_of(self), &ask, &err);
        if (status != WHS_OK)
            raise_status(state, status, "url", &err);
        else if (wait_for_answer(self, &ask))
            answer = answer_object(&ask);
        whs_ask_fini(&ask);
    }
    question_fini(&question);
    return answer;
}

/* --- Numbers. --- */

static PyObject *
Engine_stats(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    struct whs_engine_stats stats;
    whs_engine_stats(engine_of(self), &stats);
    PyObject *dict = PyDict_New();
#define X(name)                                                                        \
    if (dict) {                                                                        \
        PyObject *value = PyLong_FromLongLong(stats.name);                             \
        if (!value || PyDict_SetItemString(dict, #name, value) < 0)                    \
            Py_CLEAR(dict);                                                            \
        Py_XDECREF(value);                                                             \
    }
    WHS_ENGINE_COUNTER_MAP(X)
#undef X
    return dict;
}

static PyObject *
Engine_matcher_bytes(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return PyLong_FromSize_t(whs_matcher_bytes(whs_engine_matcher(engine_of(self))));
}

#define KEYWORDS(function)                                                             \
    (PyCFunction)(void (*)(void)) function, METH_VARARGS | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"start", Engine_start, METH_NOARGS, "start($self, /)\n--\n\n"},
    {"close", KEYWORDS(Engine_close),
     "close($self, grace_ms=0)\n--\n\nWaits with the GIL released. Twice is fine."},
    {"put_subscription", KEYWORDS(engine_put_subscription),
     "put_subscription($self, seq, id, origin_seq, created_revision, subscription, "
     "keys, "
     "failing_since_ms=None, origin=None)\n--\n\n"},
    {"remove_subscription", KEYWORDS(engine_remove_subscription),
     "remove_subscription($self, seq, *, spill=False)\n--\n\n"
     "What is queued for it is cancelled, or spilled. False when it wasn't there."},
    {"match", KEYWORDS(engine_match),
     "match($self, paths, action, revision)\n--\n\n"
     "(subscription seq, index of the path) of who hears this."},
    {"push", engine_push, METH_O,
     "push($self, events, /)\n--\n\n"
     "Matches queued for each event; 0: done, -1: unknown paths, -2: full, try later."},
    {"push_due", engine_push_due, METH_O,
     "push_due($self, deliveries, /)\n--\n\n"
     "Claimed rows: (event, subscription seq, attempts made). False: not taken."},
    {"room", Engine_room, METH_NOARGS,
     "room($self, /)\n--\n\n(deliveries, bytes) that still fit in the queue."},
    {"extend_lease", Engine_extend_lease, METH_O,
     "extend_lease($self, for_ms, /)\n--\n\n"},
    {"take_reports", KEYWORDS(Engine_take_reports),
     "take_reports($self, max_deliveries, timeout_ms)\n--\n\n"
     "Waits with the GIL released. Each must go to settled() or return_reports()."},
    {"settled", Engine_settled, METH_O,
     "settled($self, reports, /)\n--\n\nAfter the commit: their slots are free again."},
    {"return_reports", Engine_return_reports, METH_O,
     "return_reports($self, reports, /)\n--\n\nNot written: they will be taken again."},
    {"wake_reports", Engine_wake_reports, METH_NOARGS,
     "wake_reports($self, /)\n--\n\n"},
    {"wait_idle", Engine_wait_idle, METH_O, "wait_idle($self, timeout_ms, /)\n--\n\n"},
    {"ask", KEYWORDS(Engine_ask),
     "ask($self, method, url, headers, body=b'')\n--\n\n"
     "One request that is no attempt. Waits with the GIL released."},
    {"take_events", KEYWORDS(Engine_take_events),
     "take_events($self, most, timeout_ms)\n--\n\n"
     "What sockets are to be sent: (ticket, origin, event, body). Waits with the GIL "
     "released."},
    {"answer_event", engine_answer_event, METH_VARARGS,
     "answer_event($self, ticket, outcome, /)\n--\n\nFalse: it has ended before."},
    {"wake_events", engine_wake_events, METH_NOARGS,
     "wake_events($self, /)\n--\n\nA take that waits returns."},
    {"reopen", engine_reopen, METH_O,
     "reopen($self, origin, /)\n--\n\nSomebody is there now: it is tried at once."},
    {"stats", Engine_stats, METH_NOARGS, "stats($self, /)\n--\n\n"},
    {"matcher_bytes", Engine_matcher_bytes, METH_NOARGS,
     "matcher_bytes($self, /)\n--\n\n"},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Engine(catalog, config)\n--\n\n"
                "The delivering part. Its thread never needs the GIL. Any method from "
                "any thread.\n\nRaises ConfigurationError, Forked, Closed."},
    {Py_tp_new, Engine_new},
    {Py_tp_dealloc, Engine_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "webhooksub._core.Engine",
    .basicsize = sizeof(struct engine_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

static PyMethodDef close_all_method = {"_close_engines", close_all, METH_NOARGS, NULL};

/* Registered first, so that the host's own handlers, which come later, run before. */
static bool
close_at_exit(PyObject *module)
{
    PyObject *close = PyCFunction_New(&close_all_method, NULL);
    PyObject *atexit = close ? PyImport_ImportModule("atexit") : NULL;
    PyObject *done =
        atexit ? PyObject_CallMethod(atexit, "register", "O", close) : NULL;
    (void)module;
    Py_XDECREF(done);
    Py_XDECREF(atexit);
    Py_XDECREF(close);
    return done != NULL;
}

bool
engine_setup(PyObject *module)
{
    return add_type(module, &spec, &state_of_module(module)->engine_type) &&
           asking_setup(module) && close_at_exit(module);
}
