/* SPDX-License-Identifier: MIT */
#include "seqs.h"

#include "alloc.h"
#include "convert.h"
#include "types.h"

static struct seqs_object *
seqs_of(PyObject *self)
{
    return (struct seqs_object *)self;
}

struct seqs_object *
seqs_new(struct state *state, size_t room)
{
    PyTypeObject *type = (PyTypeObject *)state->seqs_type;
    struct seqs_object *self =
        (struct seqs_object *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!self || room == 0)
        return self;
    self->items = whs_calloc(room, sizeof(*self->items));
    if (self->items)
        return self;
    Py_DECREF((PyObject *)self);
    PyErr_NoMemory();
    return NULL;
}

static void
Seqs_dealloc(PyObject *self)
{
    whs_free(seqs_of(self)->items);
    free_object(self);
}

static Py_ssize_t
Seqs_length(PyObject *self)
{
    return seqs_of(self)->count;
}

static PyObject *
Seqs_item(PyObject *self, Py_ssize_t at)
{
    if (at < 0 || at >= seqs_of(self)->count) {
        PyErr_SetString(PyExc_IndexError, "no such event");
        return NULL;
    }
    return filled_tuple(PyTuple_New(1),
                        (PyObject *[]){PyLong_FromLongLong(seqs_of(self)->items[at])},
                        1);
}

static PyType_Slot slots[] = {
    {Py_tp_doc, "Numbers of events: a sequence of (seq,), each made when it is looked "
                "at."},
    {Py_tp_dealloc, Seqs_dealloc},
    {Py_sq_length, Seqs_length},
    {Py_sq_item, Seqs_item},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "webhooksub._core.Seqs",
    .basicsize = sizeof(struct seqs_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

bool
seqs_setup(PyObject *module)
{
    return add_type(module, &spec, &state_of_module(module)->seqs_type);
}
