#ifndef COLA_CSPAWN_H
#define COLA_CSPAWN_H

/* What Swift cannot do itself between fork and exec, or does not see of the C library. */

#include "cola_body.h"
#include "cola_link.h"
#include "cola_process.h"
#include "cola_spawn.h"

#endif
