/* SPDX-License-Identifier: MIT
 *
 * Signing, verifying, and the throwaway certificates of demos and tests.
 */
#include <limits.h>

#include "convert.h"
#include "crypto.h"
#include "errors.h"
#include "subscription.h"
#include "tls.h"

static PyObject *
decode_key(PyObject *module, PyObject *object)
{
    struct state *state = state_of_module(module);
    struct whs_slice text;
    struct whs_error err;
    unsigned char key[WHS_KEY_BYTES_MAX];
    size_t len;
    if (!text_slice(state, object, "integrityKey", &text))
        return NULL;
    if (whs_key_decode(text, key, &len, &err) != WHS_OK)
        return raise_invalid(state, "integrityKey", "format", err.message);
    PyObject *bytes = secret_object(state, key, len);
    whs_wipe(key, sizeof(key));
    return bytes;
}

static bool
encoding_from(const char *name, enum whs_encoding *out)
{
    struct whs_slice text = whs_slice_of(name);
    if (whs_slice_equal(text, WHS_SLICE("hex")))
        *out = WHS_ENCODING_HEX;
    else if (whs_slice_equal(text, WHS_SLICE("base64")))
        *out = WHS_ENCODING_BASE64;
    else
        PyErr_SetString(PyExc_ValueError, "encoding must be hex or base64");
    return !PyErr_Occurred();
}

static PyObject *
sign(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"keys", "id", "timestamp", "body", "encoding", NULL};
    struct state *state = state_of_module(module);
    PyObject *keys, *id, *body;
    long long timestamp;
    const char *name = "hex";
    enum whs_encoding encoding;
    struct whs_keys given;
    struct whs_slice id_text, bytes;
    struct whs_signatures made;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOLO|$s", names, &keys, &id,
                                     &timestamp, &body, &name) ||
        !encoding_from(name, &encoding) || !keys_from(keys, &given) ||
        !text_slice(state, id, "id", &id_text) || !bytes_slice(body, "body", &bytes))
        return NULL;
    enum whs_status status =
        whs_sign_request(&given, encoding, id_text, timestamp, bytes, &made);
    if (status != WHS_OK)
        return raise_status(state, status, "id", NULL);
    return Py_BuildValue("(ss)", made.integrity, made.standard);
}

static PyObject *
verify_integrity(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"keys", "given", "body", NULL};
    struct state *state = state_of_module(module);
    PyObject *keys, *given, *body;
    struct whs_keys known;
    struct whs_slice text, bytes;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO", names, &keys, &given,
                                     &body) ||
        !keys_from(keys, &known) || !text_slice(state, given, "given", &text) ||
        !bytes_slice(body, "body", &bytes))
        return NULL;
    enum whs_status status = whs_verify_integrity(&known, text, bytes);
    if (status != WHS_OK)
        return raise_status(state, status, NULL, NULL);
    Py_RETURN_NONE;
}

static PyObject *
verify_standard(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"keys", "id",  "timestamp", "signatures",
                            "body", "now", "tolerance", NULL};
    struct state *state = state_of_module(module);
    PyObject *keys, *texts[3], *body;
    long long now = LLONG_MIN, tolerance = WHS_TOLERANCE_S;
    struct whs_keys known;
    struct whs_slice slices[3], bytes;
    struct whs_error err;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOO|$LL", names, &keys, &texts[0],
                                     &texts[1], &texts[2], &body, &now, &tolerance) ||
        !keys_from(keys, &known) || !bytes_slice(body, "body", &bytes))
        return NULL;
    if (now == LLONG_MIN) {
        PyErr_SetString(PyExc_TypeError, "verify_standard() needs now=");
        return NULL;
    }
    for (int i = 0; i < 3; i++)
        if (!text_slice(state, texts[i], names[i + 1], &slices[i]))
            return NULL;
    enum whs_status status = whs_verify_standard(
        &known, slices[0], slices[1], slices[2], bytes, now, tolerance, &err);
    if (status != WHS_OK)
        return raise_status(state, status, NULL, &err);
    Py_RETURN_NONE;
}

static PyObject *
pem_objects(const struct whs_buf pem[3])
{
    return Py_BuildValue("(y#y#y#)", pem[0].ptr, (Py_ssize_t)pem[0].len, pem[1].ptr,
                         (Py_ssize_t)pem[1].len, pem[2].ptr, (Py_ssize_t)pem[2].len);
}

static PyObject *
issue_certificate(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"names", "days", NULL};
    struct state *state = state_of_module(module);
    PyObject *names, *result = NULL;
    int days = 1;
    struct whs_slice text;
    struct whs_buf pem[3] = {0};
    struct whs_error err = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|i", keywords, &names, &days) ||
        !text_slice(state, names, "names", &text))
        return NULL;
    enum whs_status status = whs_tls_issue(text, days, &pem[0], &pem[1], &pem[2], &err);
    if (status == WHS_OK)
        result = pem_objects(pem);
    else
        raise_status(state, status, "names", &err);
    if (pem[2].ptr)
        whs_wipe(pem[2].ptr, pem[2].cap);
    for (int i = 0; i < 3; i++)
        whs_buf_fini(&pem[i]);
    return result;
}

#define KEYWORDS(function)                                                             \
    (PyCFunction)(void (*)(void)) function, METH_VARARGS | METH_KEYWORDS

static PyMethodDef functions[] = {
    {"decode_key", decode_key, METH_O,
     "decode_key($module, text, /)\n--\n\n"
     "Bytes of an integrityKey. Raises ValidationError without echoing it."},
    {"sign", KEYWORDS(sign),
     "sign($module, keys, id, timestamp, body, *, encoding='hex')\n--\n\n"
     "(integrityHash, webhook-signature) for a body; newest key first."},
    {"verify_integrity", KEYWORDS(verify_integrity),
     "verify_integrity($module, keys, given, body)\n--\n\nRaises VerificationError."},
    {"verify_standard", KEYWORDS(verify_standard),
     "verify_standard($module, keys, id, timestamp, signatures, body, *, now, "
     "tolerance=300)\n--\n\nRaises VerificationError."},
    {"issue_certificate", KEYWORDS(issue_certificate),
     "issue_certificate($module, names, days=1)\n--\n\n"
     "Throwaway authority, certificate and key as PEM, for demos and tests."},
    {0},
};

bool
signing_setup(PyObject *module)
{
    return PyModule_AddFunctions(module, functions) == 0;
}
