# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# Steps with progress, shared by demo and check.  Source it in the project's root.

begun=$(date +%s)
export PATCHBAY_BEGUN="$begun"
step_log=
step_pid=

say() {
	printf '[%3d s] %s\n' $(($(date +%s) - begun)) "$*"
}

# step WHAT COMMAND...: runs the command quietly; shows its last words when it fails, and a sign of
# life every 10 s.
step() {
	what=$1
	shift
	say "$what"
	step_log=$(mktemp)
	"$@" >"$step_log" 2>&1 &
	step_pid=$!
	ticks=0
	while kill -0 "$step_pid" 2>/dev/null; do
		sleep 0.1
		ticks=$((ticks + 1))
		if [ $((ticks % 100)) = 0 ]; then
			say "  ... $(tail -n 1 "$step_log" | cut -c 1-70)"
		fi
	done
	code=0
	wait "$step_pid" || code=$?
	step_pid=
	if [ "$code" != 0 ]; then
		tail -n 25 "$step_log" >&2
		echo "failed: $what" >&2
		exit 1
	fi
	rm -f "$step_log"
}

step_end() {
	if [ -n "$step_pid" ]; then
		kill "$step_pid" 2>/dev/null || true
		wait "$step_pid" 2>/dev/null || true
	fi
	if [ -n "$step_log" ]; then
		rm -f "$step_log"
	fi
}
trap step_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Where to build: ./build, or the cache for a user who may not write here.
build_folder() {
	if [ -n "${PATCHBAY_BUILD:-}" ]; then
		echo "$PATCHBAY_BUILD"
	elif [ -w . ] && { [ ! -e build ] || [ -w build/build.ninja ] || [ ! -e build/build.ninja ]; }; then
		echo "$PWD/build"
	else
		echo "${XDG_CACHE_HOME:-$HOME/.cache}/patchbay/build"
	fi
}

install_packages() {
	missing=$(.ci/install --missing "$@")
	if [ -n "$missing" ]; then
		step "installing packages: $missing" .ci/install "$@"
	fi
}

# build FOLDER TARGETS...: configures if needed and compiles.
build() {
	folder=$1
	shift
	if [ ! -e "$folder/build.ninja" ]; then
		step "configuring" meson setup "$folder"
	fi
	step "compiling" ninja -C "$folder" "$@"
}
