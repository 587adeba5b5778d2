#ifndef COLA_CZSTD_SHIM_H
#define COLA_CZSTD_SHIM_H

#include <zstd.h>
#include <zstd_errors.h>

#endif
