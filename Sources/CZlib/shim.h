#ifndef COLA_CZLIB_SHIM_H
#define COLA_CZLIB_SHIM_H

#include <zlib.h>

#endif
