#ifndef COLA_CSPAWN_H
#define COLA_CSPAWN_H

#endif
