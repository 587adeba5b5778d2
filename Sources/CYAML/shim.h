#ifndef COLA_CYAML_SHIM_H
#define COLA_CYAML_SHIM_H

#include <yaml.h>

#endif
