#!/usr/bin/env bash
# run.sh [BUILD]: every file operation of a finetune, a pretrain, a merge and a feature cache fails once in each way;
# the run goes on (faults_test.cpp). Takes from ten minutes to some hours; ctest runs a few of each.
set -euo pipefail
build=${1:-$(dirname "${BASH_SOURCE[0]}")/../../build}
exec "$build/bin/tests_faults" --no-skip -tc='every fault*' -s=false
