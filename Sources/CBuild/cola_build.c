#include "cola_build.h"

#ifndef COLA_COMMIT
#define COLA_COMMIT "unknown"
#endif

const char *cola_build_commit(void) { return COLA_COMMIT; }
