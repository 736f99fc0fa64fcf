# How far a script has come, for the scripts beside it, which source it: on a terminal one line that moves, elsewhere a line each time.

# progress WHAT DONE ALL SECONDS: "rocksdb: compiled 3 of 12 (25 %), 41 s".
progress() { move_line "$1 $2 of $3 ($(($2 * 100 / $3)) %), $4 s"; }

# doing WHO N ALL WHAT: "clients: 3 of 6: building aws-lambda-go 1.55.1".
doing() { move_line "$1: $2 of $3: $4"; }

move_line() { if [ -t 2 ]; then printf '\r\033[K%s' "$1" >&2; else printf '%s\n' "$1" >&2; fi; }

# progress_end: leaves the moving line as it stands.
progress_end() { [ ! -t 2 ] || printf '\n' >&2; }
