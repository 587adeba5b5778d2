#ifndef COLA_CLZ4_SHIM_H
#define COLA_CLZ4_SHIM_H

#include <lz4frame.h>

#endif
