#!/usr/bin/env bash
# check_readme.sh ROOT: the README's C++ example is the file that the tests compile and run, byte for byte; and every
# link of the README and of docs/ leads to a file.
set -uo pipefail
cd "${1:?usage: check_readme.sh ROOT}" || exit 2
bad=0
if ! diff <(awk '/^```cpp$/ { on = 1; next } /^```$/ { on = 0 } on' README.md) tests/consumer/one_step.cpp; then
  echo "the C++ example of README.md is not tests/consumer/one_step.cpp"
  bad=1
fi
links=0
while IFS=: read -r file link; do
  ((++links))
  if [[ ! -e $(dirname "$file")/$link ]]; then
    echo "$file: no file $link"
    bad=1
  fi
done < <(grep -oHE '\]\([^) #]+[)#]' README.md docs/*.md docs/*/*.md | grep -v '://' | sed 's/\](//; s/[)#]$//')
((links > 0)) || { echo "no link was found"; bad=1; }
exit $bad
