// The Python module c3drender._C. Importing it loads this library, whose static initialisers register the ops.
#define Py_LIMITED_API 0x030A0000
#include <Python.h>

static PyObject* has_cuda(PyObject*, PyObject*) {
#ifdef C3D_WITH_CUDA
  Py_RETURN_TRUE;
#else
  Py_RETURN_FALSE;
#endif
}

PyMODINIT_FUNC PyInit__C(void) {
  static PyMethodDef methods[] = {{"has_cuda", has_cuda, METH_NOARGS, "Whether the CUDA half was built in."},
                                  {nullptr, nullptr, 0, nullptr}};
  static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_C", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};
  return PyModule_Create(&definition);
}
