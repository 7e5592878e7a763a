#!/usr/bin/env bash
# new_user.sh FOLDER: the README followed in a bare Debian 12. A system with nothing but its base is put into FOLDER
# (which must not be there; as root, with debootstrap and network), the committed sources beside it, and inside it, one
# after another: the quickstart, every command of README and docs (run_docs.sh), and an adapter's way into a merged
# model that answers. Prints what each took: seconds, lines on the screen. Ends with 1 where one fails.
# CCACHE_DIR names a compiler cache to be used inside; without one the first step compiles for a quarter of an hour.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
system=${1:?usage: new_user.sh FOLDER}
[[ ! -e $system ]] || { echo "$system is there already" >&2; exit 2; }
[[ $(id -u) == 0 ]] || { echo "debootstrap and chroot need root" >&2; exit 2; }

release() { for place in cache proc; do umount "$system/$place" 2>/dev/null || true; done; }
trap release EXIT
debootstrap --variant=minbase bookworm "$system" >"$system.log" 2>&1 || { tail -n 5 "$system.log" >&2; exit 1; }
cp /etc/resolv.conf "$system/etc/resolv.conf"
cp /etc/apt/apt.conf.d/*proxy* "$system/etc/apt/apt.conf.d/" 2>/dev/null || true
mkdir -p "$system/usr/src/lowland" "$system/cache"
git -C "$root" archive HEAD | tar -x -C "$system/usr/src/lowland"
mount -t proc proc "$system/proc"
variables=(HOME=/root PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb)
if [[ -n ${CCACHE_DIR:-} ]]; then
  mount --bind "$CCACHE_DIR" "$system/cache"
  variables+=(CCACHE_DIR=/cache CCACHE_BASEDIR=/usr/src)
fi

# step WHAT COMMAND: typed into a shell in the folder of the sources.
number=0
step() {
  local log=$system.$((++number)).log begin=$SECONDS
  if ! chroot "$system" /usr/bin/env -i "${variables[@]}" bash -c "cd /usr/src/lowland && $2" >"$log" 2>&1; then
    echo "FAILED     $1: $2"
    tail -n 20 "$log"
    exit 1
  fi
  printf '%4d s  %4d lines  %s\n' $((SECONDS - begin)) "$(wc -l <"$log")" "$1"
}

run=build/quickstart/eflat-lora
step 'the first command of the README' 'bash apps/quickstart.sh'
step 'every command of README and docs' 'bash tests/docs/run_docs.sh build'
step 'the adapter merged' \
  "build/bin/lowland-roberta merge --model build/quickstart/pretrained/model --adapter $run/adapter --out merged"
step 'the merged model scored and asked' "head -n 4 build/quickstart/data/dev.tsv | tail -n 3 | cut -f 1 >lines.txt &&
  build/bin/lowland-roberta evaluate --model merged --task text --dev build/quickstart/data/dev.tsv &&
  build/bin/lowland-roberta predict --model merged lines.txt"
step 'programs installed and called from elsewhere' 'cmake --install build --prefix /usr/local &&
  cd / && lowland-roberta predict --model usr/src/lowland/merged usr/src/lowland/lines.txt'
