/* SPDX-License-Identifier: MIT
 *
 * Keyring: keys that Python can seal and open with, and never look at.
 */
#include "convert.h"
#include "crypto.h"
#include "errors.h"
#include "seal.h"
#include "types.h"

struct keyring_object {
    PyObject_HEAD struct whs_keyring *keyring; /* owned */
};

static const struct whs_keyring *
keyring_of(PyObject *self)
{
    return ((struct keyring_object *)self)->keyring;
}

static bool
u32_from(PyObject *object, const char *field, uint32_t *out)
{
    unsigned long value = PyLong_AsUnsignedLong(object);
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_OverflowError))
        return false;
    if (PyErr_Occurred() || value > UINT32_MAX) {
        PyErr_Format(PyExc_ValueError, "%s must be 0 to 4294967295", field);
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

/* Slices borrow the bytes of `pairs`, a tuple of tuples. */
static bool
read_secrets(PyObject *pairs, struct whs_keyring_secret *out)
{
    for (Py_ssize_t i = 0; i < PyTuple_Size(pairs); i++) {
        PyObject *pair = PyTuple_GetItem(pairs, i);
        if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
            PyErr_SetString(PyExc_TypeError,
                            "a key is a tuple of its id and its bytes");
            return false;
        }
        if (!u32_from(PyTuple_GetItem(pair, 0), "a key's id", &out[i].id) ||
            !bytes_slice(PyTuple_GetItem(pair, 1), "a key", &out[i].bytes))
            return false;
    }
    return true;
}

static PyObject *
Keyring_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"keys", NULL};
    struct state *state = state_of_type(type);
    struct whs_keyring_secret secrets[WHS_KEYRING_KEYS_MAX];
    struct whs_error err = {0};
    PyObject *pairs;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!", names, &PyTuple_Type, &pairs))
        return NULL;
    Py_ssize_t count = PyTuple_Size(pairs);
    if (count > WHS_KEYRING_KEYS_MAX) {
        PyErr_Format(state->configuration_error, "a keyring has at most %d keys",
                     WHS_KEYRING_KEYS_MAX);
        return NULL;
    }
    if (!read_secrets(pairs, secrets))
        return NULL;
    struct whs_keyring *keyring;
    enum whs_status status = whs_keyring_create(secrets, (size_t)count, &keyring, &err);
    if (status != WHS_OK)
        return raise_status(state, status, NULL, &err);
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = allocate(type, 0);
    if (self)
        ((struct keyring_object *)self)->keyring = keyring;
    else
        whs_keyring_destroy(keyring);
    return self;
}

static void
Keyring_dealloc(PyObject *self)
{
    whs_keyring_destroy(((struct keyring_object *)self)->keyring);
    free_object(self);
}

static PyObject *
Keyring_ids(PyObject *self, void *closure)
{
    (void)closure;
    const struct whs_keyring *keyring = keyring_of(self);
    Py_ssize_t count = (Py_ssize_t)whs_keyring_count(keyring);
    PyObject *ids = PyTuple_New(count);
    for (Py_ssize_t i = 0; ids && i < count; i++) {
        PyObject *id = PyLong_FromUnsignedLong(whs_keyring_id(keyring, (size_t)i));
        if (!id || PyTuple_SetItem(ids, i, id) < 0)
            Py_CLEAR(ids);
    }
    return ids;
}

static PyObject *
Keyring_repr(PyObject *self)
{
    PyObject *ids = Keyring_ids(self, NULL);
    PyObject *repr = ids ? PyUnicode_FromFormat("<Keyring of keys %R>", ids) : NULL;
    Py_XDECREF(ids);
    return repr;
}

/* The place that both directions name, and the bytes. */
static bool
read_call(PyObject *args, PyObject *kwargs, char **names, struct whs_seal_place *place,
          struct whs_slice *bytes)
{
    PyObject *id, *n, *object;
    return PyArg_ParseTupleAndKeywords(args, kwargs, "OOO", names, &id, &n, &object) &&
           uuid_from(id, names[0], place->subscription_id) &&
           u32_from(n, names[1], &place->n) && bytes_slice(object, names[2], bytes);
}

static PyObject *
Keyring_seal(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"subscription_id", "n", "secret", NULL};
    struct whs_seal_place place;
    struct whs_slice secret;
    uint8_t sealed[WHS_SEALED_BYTES_MAX];
    size_t len;
    if (!read_call(args, kwargs, names, &place, &secret))
        return NULL;
    enum whs_status status = whs_secret_seal(keyring_of(self), &place, secret,
                                             &whs_random_system, sealed, &len);
    if (status != WHS_OK)
        return raise_status(state_of(self), status, "integrityKey", NULL);
    PyObject *object = secret_object(state_of(self), sealed, len);
    whs_wipe(sealed, sizeof(sealed));
    return object;
}

static PyObject *
Keyring_open(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"subscription_id", "n", "sealed", NULL};
    struct state *state = state_of(self);
    struct whs_seal_place place;
    struct whs_slice sealed;
    struct whs_error err = {0};
    uint8_t secret[WHS_KEY_BYTES_MAX];
    size_t len;
    if (!read_call(args, kwargs, names, &place, &sealed))
        return NULL;
    enum whs_status status =
        whs_secret_open(keyring_of(self), &place, sealed, secret, &len, &err);
    if (status == WHS_SYSTEM)
        return raise_status(state, status, NULL, &err);
    if (status != WHS_OK) {
        PyErr_SetString(state->key_unreadable, err.message);
        return NULL;
    }
    PyObject *object = secret_object(state, secret, len);
    whs_wipe(secret, sizeof(secret));
    return object;
}

static PyObject *
Keyring_is_current(PyObject *self, PyObject *object)
{
    struct whs_slice sealed;
    if (!bytes_slice(object, "sealed", &sealed))
        return NULL;
    return PyBool_FromLong(whs_secret_is_current(keyring_of(self), sealed));
}

static PyObject *
Keyring_reduce(PyObject *self, PyObject *ignored)
{
    (void)self;
    (void)ignored;
    PyErr_SetString(PyExc_TypeError, "a keyring cannot be pickled");
    return NULL;
}

#define KEYWORDS(function)                                                             \
    (PyCFunction)(void (*)(void)) function, METH_VARARGS | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"seal", KEYWORDS(Keyring_seal),
     "seal($self, subscription_id, n, secret)\n--\n\n"
     "By the first key, for this row alone; without keys the secret with its format."},
    {"open", KEYWORDS(Keyring_open),
     "open($self, subscription_id, n, sealed)\n--\n\nRaises KeyUnreadable."},
    {"is_current", Keyring_is_current, METH_O,
     "is_current($self, sealed, /)\n--\n\nIt is sealed as seal() would."},
    {"__reduce__", Keyring_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {0},
};

static PyGetSetDef properties[] = {
    {"ids", Keyring_ids, NULL, "Of its keys, the one that seals first.", NULL},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Keyring(keys)\n--\n\n"
     "Keys of (id, bytes), of which the first seals and all open. Immutable, "
     "any thread.\n\nRaises ConfigurationError naming the key."},
    {Py_tp_new, Keyring_new},
    {Py_tp_dealloc, Keyring_dealloc},
    {Py_tp_repr, Keyring_repr},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "webhooksub._core.Keyring",
    .basicsize = sizeof(struct keyring_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

bool
keyring_setup(PyObject *module)
{
    return add_type(module, &spec, &state_of_module(module)->keyring_type);
}
