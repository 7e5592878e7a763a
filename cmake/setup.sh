# Sourced by tests/run.sh and apps/quickstart.sh: makes `build` ready on a machine with nothing installed.
#   lowland_build [target...]   installs missing packages (Debian, Ubuntu), configures and builds; `all` by default
# Quiet about what is already there. CC and CXX choose the compiler, CMAKE_PREFIX_PATH and CONDA_PREFIX are honoured;
# LOWLAND_CUDA=ON or OFF overrides what CMake finds by itself.

lowland_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
lowland_libraries="libdnnl-dev libopenblas-openmp-dev libxtensor-dev libxsimd-dev doctest-dev nlohmann-json3-dev
  libcli11-dev libtomlplusplus-dev libfmt-dev libpcre2-dev libicu-dev libjpeg-dev libpng-dev
  libwebp-dev libgif-dev libtiff-dev libedit-dev libxxhash-dev libopenmpi-dev openmpi-bin"

# The packages that this machine lacks. A tool that can be called needs no package.
lowland_missing() {
  local lacks=() package compiler=${CXX:-c++}
  command -v "${compiler%% *}" >/dev/null || lacks+=(g++)
  command -v cmake >/dev/null || lacks+=(cmake)
  command -v ninja >/dev/null || lacks+=(ninja-build)
  [[ -n ${CCACHE_DISABLE:-} ]] || command -v ccache >/dev/null || lacks+=(ccache)
  command -v pkg-config >/dev/null || lacks+=(pkg-config)
  if [[ -z ${CMAKE_PREFIX_PATH:-}${CONDA_PREFIX:-} ]]; then  # libraries of the user's own otherwise
    for package in $lowland_libraries; do
      [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || lacks+=("$package")
    done
  fi
  echo "${lacks[*]}"
}

lowland_install() {
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || return 0  # CMake names what is missing
  local missing as_root=() log
  missing=$(lowland_missing)
  [[ -n $missing ]] || return 0
  if [[ $(id -u) != 0 ]]; then
    if ! command -v sudo >/dev/null; then
      echo "Not installed, and neither root nor sudo to install it: $missing" >&2
      return 0
    fi
    as_root=(sudo)
    [[ -t 0 ]] || as_root+=(-n)
  fi
  echo "Installing $missing"
  log=$(mktemp)
  # shellcheck disable=SC2086
  if ! { "${as_root[@]}" apt-get update -q &&
         "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
       } </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "error: apt-get could not install $missing (all of its output: $log)" >&2
    return 1
  fi
  rm -f "$log"
}

# Runs a command, its output in a file: shown only if it fails.
lowland_quietly() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 || lowland_failed "$log" "$1"
}

lowland_failed() {
  grep -E -A 12 'error:|CMake Error|FAILED:' "$1" | head -n 60 >&2 || true
  echo "error: $2 failed (all of its output: $1)" >&2
  return 1
}

# Time in seconds as 4:05.
lowland_clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# How far the build is that writes to LOG: "123 of 473, about 4:10 left". Nothing before its first step.
lowland_progress() {
  local log=$1 begun=$2 done all spent=$((SECONDS - $2))
  IFS=/ read -r done all < <(grep -oE '^\[ *[0-9]+(/[0-9]+|%)\]' "$log" | tail -n 1 | tr -d '[] ' | sed 's/%/\/100/')
  [[ ${done:-0} != 0 ]] || return 0
  printf '%s of %s, about %s left' "$done" "$all" "$(lowland_clock $((spent * (all - done) / done)))"
}

# Shows how far the build is that writes to LOG, until it is killed or the script is gone: one line that is redrawn on a
# terminal, a line a minute elsewhere.
lowland_watch() {
  local log=$1 begun=$SECONDS text shown=0
  while sleep 0.5 && kill -0 $$ 2>/dev/null; do
    text=$(lowland_progress "$log" "$begun")
    if [[ -t 2 && -n $text ]]; then
      printf '\rBuilding: %s   ' "$text" >&2
    elif ((SECONDS - begun >= 60 * (shown + 1))) && [[ -n $text ]]; then
      shown=$(((SECONDS - begun) / 60))
      echo "Building: $text"
    fi
  done
}

# Runs a build, quietly and watched. It is the watcher that runs in the background, so that Ctrl-C ends the build.
lowland_watched() {
  local log=$1 watcher status=0
  shift
  : >"$log"
  lowland_watch "$log" &
  watcher=$!
  "$@" >"$log" 2>&1 || status=$?
  kill "$watcher" 2>/dev/null || true
  wait "$watcher" 2>/dev/null || true
  [[ ! -t 2 ]] || printf '\r%50s\r' '' >&2
  [[ $status == 0 ]] || lowland_failed "$log" "$1"
}

lowland_build() {
  local build=$lowland_root/build generator=() target=() jobs
  lowland_install || return 1
  if ! command -v cmake >/dev/null; then
    echo "error: cmake is not installed (docs/install.md names all that is needed)" >&2
    return 1
  fi
  jobs=$(nproc)
  mkdir -p "$build"
  if [[ ! -f $build/CMakeCache.txt ]] && command -v ninja >/dev/null; then
    generator=(-G Ninja)
  fi
  [[ -z ${LOWLAND_CUDA:-} ]] || generator+=("-DLOWLAND_CUDA=$LOWLAND_CUDA")
  lowland_quietly "$build/configure.log" \
    cmake -S "$lowland_root" -B "$build" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DLOWLAND_UNITY=ON || return 1
  [[ $# == 0 ]] || target=(--target "$@")
  [[ -x $build/bin/lowland-roberta ]] || echo "Building (minutes at the first time; output: build/build.log)"
  lowland_watched "$build/build.log" cmake --build "$build" --parallel "$jobs" "${target[@]}"
}
