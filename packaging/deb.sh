#!/usr/bin/env bash
# Usage: packaging/deb.sh COLA FOLDER
#
# Writes cola_VERSION_ARCH.deb with the executable COLA into FOLDER, and prints its path. The same executable gives the
# same bytes. From the environment:
#
#   PACKAGE_VERSION         the version that the executable says, and -1, by default
#   DEBFULLNAME, DEBEMAIL   who is named as the maintainer of the package
#
# and what dpkg-deb takes from there, such as DPKG_DEB_COMPRESSOR_TYPE=gzip for a package in a hurry.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. packaging/stage.sh

(($# == 2)) || usage 'packaging/deb.sh COLA FOLDER'
for tool in dpkg-deb dpkg-shlibdeps dpkg-architecture strip python3; do
    command -v "$tool" >/dev/null || fail 69 "there is no $tool; apt-get install dpkg-dev binutils python3"
done
cola=$(executable "$1")
mkdir -p "$2"
folder=$(realpath "$2")
version=${PACKAGE_VERSION:-$(version_of "$cola")-1}
architecture=$(dpkg --print-architecture)
maintainer="${DEBFULLNAME:-Cola maintainers} <${DEBEMAIL:-maintainers@cola.invalid}>"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

# As Debian wants it: pages and changelogs are compressed, and the licence is one that every system has.
stage "$cola" "$root" /usr
stage_units "$root" /usr /etc /lib/systemd/system
doc=$root/usr/share/doc/cola
rm "$doc/LICENSE"
install -m 0644 CHANGELOG.md "$doc/changelog"
cat >"$doc/changelog.Debian" <<TEXT
cola ($version) unstable; urgency=medium

  * The changes of each release are in changelog.gz.

 -- $maintainer  $(date --utc --date="@$SOURCE_DATE_EPOCH" --rfc-email)
TEXT
mv "$root/usr/share/zsh/site-functions" "$root/usr/share/zsh/vendor-completions"
install -D -m 0644 packaging/debian/lintian-overrides "$root/usr/share/lintian/overrides/cola"
install -D -m 0644 packaging/cola.yaml "$root/etc/cola/cola.yaml"
gzip -9n "$doc/changelog" "$doc/changelog.Debian"
find "$root/usr/share/man" -type f -exec gzip -9n {} +

# dpkg-shlibdeps looks for the source package that it is run for.
mkdir "$work/debian"
printf 'Source: cola\n\nPackage: cola\nArchitecture: any\n' >"$work/debian/control"
libraries=$(cd "$work" && dpkg-shlibdeps -O -e "$root/usr/bin/cola" 2>"$work/shlibdeps.log") ||
    fail 70 "dpkg-shlibdeps failed: $(cat "$work/shlibdeps.log")"
libraries=${libraries#shlibs:Depends=}

install -d -m 0755 "$root/DEBIAN"
install -m 0755 packaging/debian/{postinst,prerm,postrm} "$root/DEBIAN"
echo /etc/cola/cola.yaml >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/control" <<TEXT
Package: cola
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -sk --apparent-size "$root" | cut -f1)
Depends: ${libraries:+$libraries, }passwd
Suggests: systemd
Conflicts: git-cola
Section: net
Priority: optional
Description: message broker in one small process
 Cola keeps queues and topics durable in one SQLite file. Producers and
 consumers reach it over a Unix socket or TCP, with lines of text or with AMQP
 0-9-1, which the clients of RabbitMQ speak unmodified. What it has confirmed
 is synced to the disk, so that neither a crash nor a power failure takes it
 back.
 .
 It also starts, feeds, limits and watches programs that work on messages: one
 process for each message, or processes that live on.
 .
 The server runs as the user cola, listens on this machine alone, and is
 configured in /etc/cola/cola.yaml.
TEXT
# The configuration is the administrator's to change.
(cd "$root" && find . -type f ! -path './DEBIAN/*' ! -path './etc/*' -printf '%P\n' |
    sort | xargs -d '\n' md5sum) >"$work/md5sums"
install -m 0644 "$work/md5sums" "$root/DEBIAN/md5sums"
set_times "$root"
package=$folder/cola_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$package" >/dev/null
echo "$package"
