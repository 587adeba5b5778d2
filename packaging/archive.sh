#!/usr/bin/env bash
# Usage: packaging/archive.sh COLA FOLDER
#
# Writes cola-VERSION-linux-ARCH.tar.gz with the executable COLA into FOLDER, beside SHA256SUMS, and prints its path.
# It is for machines without a package of their own, so COLA should be linked statically. The same executable gives the
# same bytes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. packaging/stage.sh

(($# == 2)) || usage 'packaging/archive.sh COLA FOLDER'
cola=$(executable "$1")
mkdir -p "$2"
folder=$(realpath "$2")
name=cola-$(version_of "$cola")-linux-$(uname -m)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

stage "$cola" "$work/tree" /
stage_units "$work/tree" /usr/local /etc /systemd
mkdir "$work/$name"
# Flat, as somebody who looks into it expects: the executable and the documents first.
mv "$work/tree/bin/cola" "$work/tree/share/doc/cola/"* "$work/$name"
mv "$work/tree/share/man" "$work/tree/systemd" "$work/$name"
mv "$work/tree/usr/local/lib/sysusers.d/cola.conf" "$work/$name/systemd/sysusers.conf"
mkdir "$work/$name/completions"
mv "$work/tree/share/bash-completion/completions/cola" "$work/$name/completions/cola.bash"
mv "$work/tree/share/zsh/site-functions/_cola" "$work/tree/share/fish/vendor_completions.d/cola.fish" \
    "$work/$name/completions"
install -m 0644 packaging/cola.yaml CHANGELOG.md "$work/$name"
find "$work/$name" -type d -exec chmod 0755 {} +

archive=$folder/$name.tar.gz
tar --create --directory "$work" --format ustar --sort name --mtime "@$SOURCE_DATE_EPOCH" --owner 0 --group 0 \
    --numeric-owner "$name" | gzip -n >"$archive"
(cd "$folder" && sha256sum "$name.tar.gz" >SHA256SUMS)
echo "$archive"
