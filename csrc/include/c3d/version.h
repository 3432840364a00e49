// What version of c3d these headers are of, for C and C++.
#ifndef C3D_VERSION_H
#define C3D_VERSION_H

#define C3D_VERSION_MAJOR 0
#define C3D_VERSION_MINOR 1
#define C3D_VERSION_PATCH 0
#define C3D_VERSION "0.1.0"

// Marks what a shared library offers; nothing else of it can be seen.
#ifdef c3d_EXPORTS
#define C3D_API __attribute__((visibility("default")))
#else
#define C3D_API
#endif

#endif
