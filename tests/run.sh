#!/usr/bin/env bash
# Runs every test: installs what is missing (Debian 12, Ubuntu; root or sudo), builds into `build`, calls ctest.
# Arguments go to ctest: `bash tests/run.sh -R ops`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/setup.sh
lowland_build
export OMP_WAIT_POLICY=passive  # two programs at a time: threads that spin take the processors from each other
# One more than there are processors: some wait for the disk.
exec ctest --test-dir build -j$(($(nproc) + 1)) --output-on-failure "$@"
