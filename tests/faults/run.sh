#!/usr/bin/env bash
# run.sh [BUILD]: every file operation of a finetune, a pretrain, a merge and a feature cache fails once in each way;
# the run goes on (faults_test.cpp). One process for each way, as many at a time as there are processors: half an hour
# and more. Ends with 1 where files differ. ctest runs a few of each.
set -uo pipefail
build=$(realpath "${1:-$(dirname "${BASH_SOURCE[0]}")/../../build}")
ways=(killed EIO 'a full disk' 'a short write')
one="'$build/bin/tests_faults' --no-skip -tc='every fault: {}' >'$build/faults {}.log' 2>&1"
printf '%s\n' "${ways[@]}" | xargs -P "$(nproc)" -I{} sh -c "$one"
failed=$?
for way in "${ways[@]}"; do
  echo "$way:"
  grep -aE 'operations, |ERROR|Status' "$build/faults $way.log" | sed 's/^/  /' || failed=1
done
exit $((failed != 0))
