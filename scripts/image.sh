#!/usr/bin/env bash
# Builds the image of Cola, and with `demo` also the one of the demo cluster's programs.
#
#     scripts/image.sh COLA TAG [demo]        cola:TAG, and cola-demo:TAG, from a server that was built here
#     scripts/image.sh source TAG [demo]      the same from source, in a container with a Swift toolchain
#
# Their base is debian:bookworm-slim. Where no registry is reached it is made of packages of this machine, if this is a
# Debian; BASE and DEMO_BASE name others. KIND=minimal makes an image of the server alone, linked statically.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if (($# < 2)); then
    sed -n '4,5s/^#     //p' scripts/image.sh >&2
    exit 64
fi
executable=$1
tag=$2
if [[ $executable != source && ! -x $executable ]]; then
    echo "image: there is no executable $executable; \`make build\` makes .build/release/cola" >&2
    exit 66
fi
programs=${3-}
debian=debian:bookworm-slim

is_there() { docker image inspect "$1" >/dev/null 2>&1; }

# Where nobody answers the engine gives up by itself within seconds.
can_pull() { timeout 120 docker pull -q "$1" >/dev/null 2>&1; }

packages=(base-files bash coreutils dash grep libc-bin liblz4-1 libsnappy1v5 libsqlite3-0 libstdc++6 libyaml-0-2
    libzstd1 sysvinit-utils tini zlib1g)
if is_there $debian || can_pull $debian; then
    : "${BASE:=$debian}" "${DEMO_BASE:=$debian}"
else
    if [[ -z ${BASE-} ]]; then
        echo "image: no registry is reached; the base is made of packages of this machine" >&2
        BASE=cola-base
        is_there $BASE || scripts/engine.sh base $BASE "${packages[@]}"
    fi
    if [[ -z ${DEMO_BASE-} && -n $programs ]]; then
        DEMO_BASE=cola-demo-base
        is_there $DEMO_BASE || scripts/engine.sh base $DEMO_BASE "${packages[@]}" python3 python3-pika
    fi
fi

arguments=(--build-arg "BASE=$BASE" --build-arg "KIND=${KIND:-slim}")
if revision=$(git rev-parse --short HEAD 2>/dev/null); then arguments+=(--build-arg "REVISION=$revision"); fi
if [[ $executable == source ]]; then
    arguments+=(--build-arg BIN=build)
else
    mkdir -p .build/image
    if [[ ${KIND-} == minimal && $executable -ef .build/release/cola ]]; then
        scripts/static.sh .build/image/cola
    else
        # Without the names of its functions, which are two thirds of it.
        strip -o .build/image/cola "$executable" 2>/dev/null || cp "$executable" .build/image/cola
    fi
    arguments+=(--build-arg BIN=prebuilt)
fi

build() { DOCKER_BUILDKIT=1 timeout 3600 docker build -q -f docker/Dockerfile "${arguments[@]}" "$@" . >/dev/null; }

build -t "cola:$tag"
[[ -z $programs ]] || build --build-arg "DEMO_BASE=$DEMO_BASE" --target demo -t "cola-demo:$tag"
if ! said=$(docker run --rm --network none "cola:$tag" --version 2>&1); then
    echo "image: the server that was put into cola:$tag does not run there: $said" >&2
    [[ $executable == source ]] \
        || echo "image: build it inside of one instead, with a Swift toolchain of its own: make image BIN=build" >&2
    exit 70
fi
