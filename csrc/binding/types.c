/* SPDX-License-Identifier: MIT */
#include "types.h"

bool
check_type(PyObject *object, PyObject *type, const char *name)
{
    if (Py_TYPE(object) == (PyTypeObject *)type)
        return true;
    PyErr_Format(PyExc_TypeError, "must be a %s", name);
    return false;
}

void
free_object(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

bool
add_type(PyObject *module, PyType_Spec *spec, PyObject **slot)
{
    *slot = PyType_FromModuleAndSpec(module, spec, NULL);
    return *slot && PyModule_AddType(module, (PyTypeObject *)*slot) == 0;
}

PyObject *
object_html(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyObject *module = PyImport_ImportModule("webhooksub.notebook");
    PyObject *html = module ? PyObject_CallMethod(module, "html", "O", self) : NULL;
    Py_XDECREF(module);
    return html;
}
