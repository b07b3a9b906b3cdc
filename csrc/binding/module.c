/* SPDX-License-Identifier: MIT
 *
 * webhooksub._core: what is in it, and in which interpreter it may live.
 */
#include "errors.h"
#include "transport_curl.h"
#include "crypto.h"
#include "json.h"
#include "sign.h"

/* A test build's deliberate defect, by its name. */
#ifndef WHS_SABOTAGE
#define WHS_SABOTAGE ""
#endif

#ifdef WHS_STATIC
#define LIBRARIES "bundled"
#else
#define LIBRARIES "system"
#endif

#ifdef Py_LIMITED_API
#define API "abi3 from 3.11"
#else
#define API "this Python's own"
#endif

/* `attribute` of the Python module `name`, as a new reference. */
static PyObject *
import_attribute(const char *name, const char *attribute)
{
    PyObject *module = PyImport_ImportModule(name);
    PyObject *found = module ? PyObject_GetAttrString(module, attribute) : NULL;
    Py_XDECREF(module);
    return found;
}

static bool
import_exceptions(struct state *state)
{
    const struct {
        PyObject **slot;
        const char *name;
    } wanted[] = {
        {&state->configuration_error, "ConfigurationError"},
        {&state->validation_error, "ValidationError"},
        {&state->field_error, "FieldError"},
        {&state->unknown_resource, "UnknownResource"},
        {&state->not_found, "NotFound"},
        {&state->outbox_full, "OutboxFull"},
        {&state->closed, "Closed"},
        {&state->forked, "Forked"},
        {&state->verification_error, "VerificationError"},
        {&state->key_unreadable, "KeyUnreadable"},
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (!(*wanted[i].slot = import_attribute("webhooksub.errors", wanted[i].name)))
            return false;
    return true;
}

static bool
import_time(struct state *state)
{
    PyObject *datetime = import_attribute("datetime", "datetime");
    PyObject *timedelta = import_attribute("datetime", "timedelta");
    PyObject *utc = import_attribute("datetime", "UTC");
    if (datetime && timedelta && utc) {
        state->epoch = PyObject_CallMethod(datetime, "fromtimestamp", "iO", 0, utc);
        state->millisecond = PyObject_CallFunction(timedelta, "iii", 0, 0, 1000);
    }
    Py_XDECREF(utc);
    Py_XDECREF(timedelta);
    Py_XDECREF(datetime);
    return state->epoch && state->millisecond;
}

static bool
import_secret(struct state *state)
{
    state->secret_bytes = import_attribute("webhooksub.secret", "SecretBytes");
    return state->secret_bytes != NULL;
}

static bool
import_json(struct state *state)
{
    return (state->json_loads = import_attribute("json", "loads")) &&
           (state->json_dumps = import_attribute("json", "dumps"));
}

static PyObject *
build_info(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    return Py_BuildValue("{ssssssssssss}", "curl", whs_transport_curl_version(),
                         "cjson", whs_json_library_version(), "openssl",
                         whs_crypto_library_version(), "compiler", __VERSION__,
                         "libraries", LIBRARIES, "api", API);
}

static PyMethodDef functions[] = {
    {"build_info", build_info, METH_NOARGS,
     "build_info($module, /)\n--\n\n"
     "Versions inside: curl (with its TLS library), cjson, openssl, compiler; whether\n"
     "these libraries are bundled or the system's; the Python API it was built for."},
    {0},
};

/* The engine's thread, libcurl and OpenSSL belong to the process: one interpreter. */
static bool
refuse_subinterpreter(void)
{
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) == 0)
        return true;
    PyErr_SetString(PyExc_ImportError,
                    "webhooksub cannot be used in a sub-interpreter");
    return false;
}

static int
module_exec(PyObject *module)
{
    struct state *state = state_of_module(module);
    bool fine = refuse_subinterpreter() && import_exceptions(state) &&
                import_time(state) && import_json(state) && import_secret(state) &&
                catalog_setup(module) && subscription_setup(module) &&
                report_setup(module) && events_setup(module) && outbox_setup(module) &&
                seqs_setup(module) && engine_setup(module) && signing_setup(module) &&
                keyring_setup(module) && ids_setup(module) &&
                publication_setup(module) && notification_setup(module) &&
                PyModule_AddFunctions(module, functions) == 0 &&
                PyModule_AddIntConstant(module, "KEYS_MAX", WHS_KEYS_MAX) == 0 &&
                PyModule_AddStringConstant(module, "SABOTAGE", WHS_SABOTAGE) == 0;
    return fine ? 0 : -1;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct state *state = state_of_module(module);
    if (!state)
        return 0;
#define X(name) Py_VISIT(state->name);
    STATE_OBJECTS(X)
#undef X
    return 0;
}

static int
module_clear(PyObject *module)
{
    struct state *state = state_of_module(module);
    if (!state)
        return 0;
#define X(name) Py_CLEAR(state->name);
    STATE_OBJECTS(X)
#undef X
    return 0;
}

static void
module_free(void *module)
{
    module_clear(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_GIL_DISABLED
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "webhooksub._core",
    .m_doc = "The C core of webhooksub.",
    .m_size = sizeof(struct state),
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&definition);
}
