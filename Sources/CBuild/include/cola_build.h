#ifndef COLA_BUILD_H
#define COLA_BUILD_H

/* The commit that the program was built from, as Package.swift found it. */
const char *cola_build_commit(void);

#endif
