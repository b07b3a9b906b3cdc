/* SPDX-License-Identifier: MIT
 *
 * Catalog: the table of resources as Python sees it.
 */
#include "catalog.h"

#include <string.h>

#include "alloc.h"
#include "convert.h"
#include "cover.h"
#include "errors.h"
#include "types.h"

static const struct whs_catalog *
catalog_of(PyObject *self)
{
    return ((struct catalog_object *)self)->catalog;
}

/* Takes the catalog's reference. */
static PyObject *
wrap(PyTypeObject *type, struct whs_catalog *catalog)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = allocate(type, 0);
    if (self)
        ((struct catalog_object *)self)->catalog = catalog;
    else
        whs_catalog_unref(catalog);
    return self;
}

/* --- Rows from Python. --- */

/* Every sequence that was walked stays in `kept`, because slices borrow its texts. */
struct reader {
    struct state *state;
    PyObject *kept;
};

/* A tuple of any iterable, borrowed from `kept`. */
static PyObject *
keep_tuple(struct reader *reader, PyObject *object)
{
    PyObject *tuple = PySequence_Tuple(object);
    if (tuple && PyList_Append(reader->kept, tuple) < 0)
        Py_CLEAR(tuple);
    Py_XDECREF(tuple);
    return tuple;
}

/* The same, of exactly two. */
static bool
keep_pair(struct reader *reader, PyObject *object, PyObject **first, PyObject **second)
{
    PyObject *tuple = keep_tuple(reader, object);
    if (!tuple)
        return false;
    if (PyTuple_Size(tuple) != 2) {
        PyErr_SetString(PyExc_TypeError, "rows and rules are pairs");
        return false;
    }
    *first = PyTuple_GetItem(tuple, 0);
    *second = PyTuple_GetItem(tuple, 1);
    return true;
}

static bool
read_rule(struct reader *reader, PyObject *object, struct whs_catalog_rule *out)
{
    PyObject *entity, *actions;
    if (!keep_pair(reader, object, &entity, &actions) ||
        !text_slice(reader->state, entity, "entity", &out->entity))
        return false;
    actions = keep_tuple(reader, actions);
    if (!actions)
        return false;
    out->actions = 0;
    for (Py_ssize_t i = 0; i < PyTuple_Size(actions); i++) {
        enum whs_action action;
        if (!action_from(reader->state, PyTuple_GetItem(actions, i), false, &action))
            return false;
        out->actions |= WHS_ACTION_BIT(action);
    }
    return true;
}

static bool
read_row(struct reader *reader, PyObject *object, struct whs_catalog_row *out)
{
    PyObject *template, *rules;
    if (!keep_pair(reader, object, &template, &rules) ||
        !text_slice(reader->state, template, "template", &out->resource))
        return false;
    rules = keep_tuple(reader, rules);
    if (!rules)
        return false;
    Py_ssize_t count = PyTuple_Size(rules);
    if (count > WHS_CATALOG_ENTITIES_MAX) {
        PyErr_SetString(reader->state->configuration_error, "too many rules in a row");
        return false;
    }
    struct whs_catalog_rule *made = whs_calloc((size_t)count + 1, sizeof(*made));
    if (!made) {
        PyErr_NoMemory();
        return false;
    }
    out->rules = made;
    for (; out->rule_count < count; out->rule_count++)
        if (!read_rule(reader, PyTuple_GetItem(rules, out->rule_count),
                       &made[out->rule_count]))
            return false;
    return true;
}

static void
free_rows(struct whs_catalog_row *rows, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; rows && i < count; i++)
        whs_free((void *)rows[i].rules);
    whs_free(rows);
}

static struct whs_catalog *
create_from_rows(struct state *state, PyObject *tuple, struct reader *reader)
{
    Py_ssize_t count = PyTuple_Size(tuple);
    struct whs_catalog *catalog = NULL;
    struct whs_error err = {0};
    if (count > WHS_CATALOG_ROWS_MAX) {
        PyErr_Format(state->configuration_error, "a catalog has at most %d rows",
                     WHS_CATALOG_ROWS_MAX);
        return NULL;
    }
    struct whs_catalog_row *rows = whs_calloc((size_t)count + 1, sizeof(*rows));
    if (!rows)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; rows && i < count; i++)
        if (!read_row(reader, PyTuple_GetItem(tuple, i), &rows[i]))
            break;
    if (rows && !PyErr_Occurred()) {
        enum whs_status status =
            whs_catalog_create(rows, (uint16_t)count, &catalog, &err);
        if (status != WHS_OK)
            raise_status(state, status, "rows", &err);
    }
    free_rows(rows, count);
    return catalog;
}

static PyObject *
Catalog_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"rows", NULL};
    PyObject *rows;
    struct reader reader = {state_of_type(type), NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O", names, &rows))
        return NULL;
    reader.kept = PyList_New(0);
    PyObject *tuple = reader.kept ? keep_tuple(&reader, rows) : NULL;
    struct whs_catalog *catalog =
        tuple ? create_from_rows(reader.state, tuple, &reader) : NULL;
    Py_XDECREF(reader.kept);
    return catalog ? wrap(type, catalog) : NULL;
}

static PyObject *
Catalog_of(PyObject *class, PyObject *args)
{
    struct state *state = state_of_type((PyTypeObject *)class);
    Py_ssize_t count = PyTuple_Size(args);
    struct whs_catalog *catalog = NULL;
    struct whs_error err = {0};
    if (count > WHS_CATALOG_ROWS_MAX) {
        PyErr_SetString(state->configuration_error, "too many templates");
        return NULL;
    }
    struct whs_slice *templates = whs_calloc((size_t)count + 1, sizeof(*templates));
    if (!templates)
        return PyErr_NoMemory();
    bool fine = true;
    for (Py_ssize_t i = 0; fine && i < count; i++)
        fine = text_slice(state, PyTuple_GetItem(args, i), "template", &templates[i]);
    if (fine) {
        enum whs_status status =
            whs_catalog_derive(templates, (uint16_t)count, &catalog, &err);
        if (status != WHS_OK)
            raise_status(state, status, "template", &err);
    }
    whs_free(templates);
    return catalog ? wrap((PyTypeObject *)class, catalog) : NULL;
}

static void
Catalog_dealloc(PyObject *self)
{
    whs_catalog_unref(((struct catalog_object *)self)->catalog);
    free_object(self);
}

/* --- Rows to Python. --- */

static PyObject *
actions_object(uint8_t mask)
{
    PyObject *list = PyList_New(0);
    for (int action = WHS_ACTION_CREATE; list && action <= WHS_ACTION_DELETE;
         action++) {
        if (!(mask & WHS_ACTION_BIT(action)))
            continue;
        PyObject *name = PyUnicode_FromString(whs_action_name((enum whs_action)action));
        if (!name || PyList_Append(list, name) < 0)
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    PyObject *tuple = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple;
}

/* Steals all; NULL when any is. */
static PyObject *
pair(PyObject *first, PyObject *second)
{
    PyObject *made = first && second ? PyTuple_Pack(2, first, second) : NULL;
    Py_XDECREF(first);
    Py_XDECREF(second);
    return made;
}

static PyObject *
row_object(const struct whs_catalog_row *row)
{
    PyObject *rules = PyTuple_New(row->rule_count);
    for (uint16_t i = 0; rules && i < row->rule_count; i++) {
        PyObject *rule = pair(text_object(row->rules[i].entity),
                              actions_object(row->rules[i].actions));
        if (!rule || PyTuple_SetItem(rules, i, rule) < 0)
            Py_CLEAR(rules);
    }
    return rules ? pair(text_object(row->resource), rules) : NULL;
}

static PyObject *
Catalog_rows(PyObject *self, void *closure)
{
    (void)closure;
    uint16_t count = whs_catalog_row_count(catalog_of(self));
    PyObject *rows = PyTuple_New(count);
    for (uint16_t i = 0; rows && i < count; i++) {
        PyObject *row = row_object(whs_catalog_row_at(catalog_of(self), i));
        if (!row || PyTuple_SetItem(rows, i, row) < 0)
            Py_CLEAR(rows);
    }
    return rows;
}

static PyObject *
Catalog_reduce(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    PyObject *rows = Catalog_rows(self, NULL);
    return rows ? Py_BuildValue("(O(N))", Py_TYPE(self), rows) : NULL;
}

static PyObject *
Catalog_richcompare(PyObject *self, PyObject *other, int op)
{
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(self) != Py_TYPE(other))
        Py_RETURN_NOTIMPLEMENTED;
    if (catalog_of(self) == catalog_of(other))
        return PyBool_FromLong(op == Py_EQ);
    PyObject *mine = Catalog_rows(self, NULL);
    PyObject *theirs = mine ? Catalog_rows(other, NULL) : NULL;
    PyObject *answer = theirs ? PyObject_RichCompare(mine, theirs, op) : NULL;
    Py_XDECREF(theirs);
    Py_XDECREF(mine);
    return answer;
}

static Py_hash_t
Catalog_hash(PyObject *self)
{
    PyObject *rows = Catalog_rows(self, NULL);
    Py_hash_t hash = rows ? PyObject_Hash(rows) : -1;
    Py_XDECREF(rows);
    return hash;
}

static PyObject *
Catalog_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<webhooksub.Catalog of %d resources>",
                                (int)whs_catalog_row_count(catalog_of(self)));
}

/* --- Questions. --- */

/* The parameters of path(), borrowed from `kwargs`. */
static bool
read_parameters(struct state *state, PyObject *kwargs, struct whs_slice *names,
                struct whs_slice *values, size_t *count)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    *count = 0;
    while (kwargs && PyDict_Next(kwargs, &at, &key, &value)) {
        struct whs_slice name;
        if (!text_slice(state, key, "parameter", &name))
            return false;
        if (*count == WHS_PARAMETERS_MAX) {
            raise_invalid(state, name.ptr, "unknown",
                          "is no parameter of the template");
            return false;
        }
        if (!text_slice(state, value, name.ptr, &values[*count]))
            return false;
        names[(*count)++] = name;
    }
    return true;
}

static PyObject *
Catalog_path(PyObject *self, PyObject *args, PyObject *kwargs)
{
    struct state *state = state_of(self);
    PyObject *object, *path = NULL;
    struct whs_slice template, names[WHS_PARAMETERS_MAX], values[WHS_PARAMETERS_MAX];
    size_t count;
    struct whs_buf buf = {0};
    struct whs_error err = {0};
    if (!PyArg_ParseTuple(args, "O:path", &object) ||
        !text_slice(state, object, "template", &template) ||
        !read_parameters(state, kwargs, names, values, &count))
        return NULL;
    enum whs_status status =
        whs_catalog_build_path(template, names, values, count, &buf, &err);
    if (status == WHS_OK)
        path = text_object(whs_buf_slice(&buf));
    else
        raise_status(state, status, "path", &err);
    whs_buf_fini(&buf);
    return path;
}

static PyObject *
Catalog_check(PyObject *self, PyObject *paths)
{
    struct state *state = state_of(self);
    struct texts given;
    PyObject *root = NULL;
    if (texts_from(state, paths, "path", &given)) {
        struct whs_entity entities[WHS_EVENT_PATHS_MAX];
        struct whs_error err = {0};
        enum whs_status status = whs_catalog_locate_event(catalog_of(self), given.items,
                                                          given.len, entities, &err);
        root = status == WHS_OK ? text_object(entities[0].root)
                                : raise_status(state, status, "path", &err);
    }
    Py_XDECREF(given.owner);
    return root;
}

static PyObject *
Catalog_covers(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"resource", "action", "paths", "event_action", NULL};
    struct state *state = state_of(self);
    PyObject *resource, *action, *paths, *event_action, *answer = NULL;
    struct whs_slice text;
    enum whs_action wanted, happened;
    struct texts given = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO", names, &resource, &action,
                                     &paths, &event_action) ||
        !text_slice(state, resource, names[0], &text) ||
        !action_from(state, action, true, &wanted) ||
        !action_from(state, event_action, false, &happened))
        return NULL;
    if (texts_from(state, paths, "path", &given))
        answer = PyBool_FromLong(whs_cover_find(catalog_of(self), text, wanted,
                                                given.items, given.len, happened) >= 0);
    Py_XDECREF(given.owner);
    return answer;
}

static PyObject *
Catalog_actions(PyObject *self, PyObject *object)
{
    struct state *state = state_of(self);
    struct whs_slice text;
    struct whs_resource found;
    struct whs_error err = {0};
    if (!text_slice(state, object, "resource", &text))
        return NULL;
    enum whs_status status = whs_catalog_resolve(catalog_of(self), text, &found, &err);
    if (status == WHS_CONFIGURATION)
        return raise_invalid(state, "resource", "unbound", err.message);
    if (status != WHS_OK)
        return raise_status(state, status, "resource", &err);
    return actions_object(whs_catalog_row_actions(catalog_of(self), found.row));
}

PyObject *
catalog_or_default(struct state *state, PyObject *object)
{
    if (object && object != Py_None) {
        if (!check_type(object, state->catalog_type, "Catalog"))
            return NULL;
        Py_INCREF(object);
        return object;
    }
    PyObject *module = PyImport_ImportModule("webhooksub.catalogs");
    PyObject *found = module ? PyObject_GetAttrString(module, "SIDEDRAWER") : NULL;
    Py_XDECREF(module);
    return found;
}

#define KEYWORDS(function)                                                             \
    (PyCFunction)(void (*)(void)) function, METH_VARARGS | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"of", Catalog_of, METH_VARARGS | METH_CLASS,
     "of($type, /, *templates)\n--\n\n"
     "Collection and item rows derived from entity templates."},
    {"path", KEYWORDS(Catalog_path),
     "path($self, template, /, **parameters)\n--\n\n"
     "A path from a template; refuses '/', control characters and unknown names."},
    {"check", Catalog_check, METH_O,
     "check($self, paths, /)\n--\n\n"
     "The root of an event's paths. Raises ValidationError, UnknownResource."},
    {"covers", KEYWORDS(Catalog_covers),
     "covers($self, resource, action, paths, event_action)\n--\n\n"
     "Would a subscription with `resource` and `action` hear this event?"},
    {"actions", Catalog_actions, METH_O,
     "actions($self, resource, /)\n--\n\nActions that this resource's row marks."},
    {"_repr_html_", object_html, METH_NOARGS,
     "_repr_html_($self, /)\n--\n\nHow a notebook shows it."},
    {"__reduce__", Catalog_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {0},
};

static PyGetSetDef properties[] = {
    {"rows", Catalog_rows, NULL, "(template, ((entity template, actions), …)) each.",
     NULL},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Catalog(rows)\n--\n\n"
                "Table of resources and the entities each covers. Immutable, hashable, "
                "any thread.\n\nRaises ConfigurationError naming the row."},
    {Py_tp_new, Catalog_new},
    {Py_tp_dealloc, Catalog_dealloc},
    {Py_tp_repr, Catalog_repr},
    {Py_tp_hash, Catalog_hash},
    {Py_tp_richcompare, Catalog_richcompare},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "webhooksub._core.Catalog",
    .basicsize = sizeof(struct catalog_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

bool
catalog_setup(PyObject *module)
{
    return add_type(module, &spec, &state_of_module(module)->catalog_type);
}
