#ifndef COLA_CSNAPPY_SHIM_H
#define COLA_CSNAPPY_SHIM_H

#include <snappy-c.h>

#endif
