# What every kind of installation has, put into a folder: for the scripts beside this one, which source it from the root
# of the repository. What they write depends on the executable and the repository alone: two runs give the same bytes.

export LC_ALL=C
umask 022

# The day of everything that is packed: SOURCE_DATE_EPOCH, else that of the last commit, else of the changelog.
if [[ -z ${SOURCE_DATE_EPOCH:-} ]]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)
fi
export SOURCE_DATE_EPOCH

fail() {
    printf '%s: %s\n' "${0##*/}" "$2" >&2
    exit "$1"
}

usage() {
    printf 'usage: %s\n' "$1" >&2
    exit 64
}

# The executable of the argument, as a path that holds wherever we go.
executable() {
    [[ -x $1 && -f $1 ]] || fail 66 "there is no executable $1; build it with \`make build\`"
    realpath "$1"
}

# The version that it says of itself: the last word of the first line.
version_of() {
    local line
    line=$("$1" --version | head -n 1)
    line=${line##* }
    [[ $line =~ ^[0-9][0-9A-Za-z.+~-]*$ ]] || fail 70 "\`$1 --version\` begins with '$line', which is no version"
    printf '%s\n' "$line"
}

# EXECUTABLE FILE: without what only a debugger reads, where there is a program that takes it out.
install_executable() {
    install -D -m 0755 "$1" "$2"
    if command -v strip >/dev/null; then
        strip --strip-unneeded --remove-section=.comment "$2"
    fi
}

# EXECUTABLE ROOT PREFIX: puts what every kind of installation has under ROOT/PREFIX: the executable, manual pages,
# completions, licence and documents.
stage() {
    local cola=$1 root=$2 prefix=$3 pages page
    install_executable "$cola" "$root$prefix/bin/cola"
    pages=$(mktemp -d)
    python3 scripts/reference man "$cola" "$pages"
    for page in "$pages"/man*/*; do
        install -D -m 0644 "$page" "$root$prefix/share/man/${page#"$pages"/}"
    done
    rm -r "$pages"
    python3 scripts/reference completions "$cola" "$root$prefix/share"
    install -D -m 0644 -t "$root$prefix/share/doc/cola" LICENSE README.md packaging/copyright
    install -D -m 0644 examples/workers/cola.yaml "$root$prefix/share/doc/cola/examples/workers.yaml"
}

# ROOT PREFIX SYSCONFDIR UNITDIR: the units and the user, with the paths of this installation in them.
stage_units() {
    local root=$1 prefix=$2 sysconfdir=$3 unitdir=$4 unit
    for unit in cola.service cola.socket; do
        install -D -m 0644 "packaging/systemd/$unit" "$root$unitdir/$unit"
        sed -i -e "s|/usr/bin/cola|$prefix/bin/cola|; s|/etc/cola/|$sysconfdir/cola/|" "$root$unitdir/$unit"
    done
    install -D -m 0644 packaging/sysusers.conf "$root$prefix/lib/sysusers.d/cola.conf"
}

# ROOT: every time in it is the day of the package.
set_times() {
    find "$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}
