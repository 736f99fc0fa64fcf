# Debian packages for the scripts beside it, which source it after setting $who to the name that stands before what they say.

say() { echo "$who: $*" >&2; }

# need_packages PACKAGE...: installs those that are missing, or says the one command to run.
need_packages() {
    missing=
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        say "these packages are missing:$missing"
        say "run this once, then try again:  sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing"
        exit 1
    fi
    say "installing$missing"
    log=$(mktemp)
    # A list without quotes: each word is a package.
    if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        say "apt-get failed; its whole output is in $log"
        exit 1
    fi
    rm -f "$log"
}

# new_venv FOLDER: Python's venv module needs a package of its own on Debian.
new_venv() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || need_packages python3-venv
    python3 -m venv "$1"
}
