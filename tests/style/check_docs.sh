#!/usr/bin/env bash
# check_docs.sh PROGRAM [ROOT]: what README.md and docs/ say is true of the tree and of the program.
#   * every relative link leads to a file, and its #anchor to a heading there
#   * in every command `lowland-roberta VERB ...`, VERB exists and each --flag is in that verb's --help
#   * docs/cli.md names every flag of every verb
#   * blocks marked cpp in docs/add_an_op.md and the add_a_*.md beside it stand in the sources word for word
# PROGRAM: path of lowland-roberta. Prints the offenders; exit status 1 if there are any.
set -uo pipefail
program=$(realpath "${1:?usage: check_docs.sh PROGRAM [ROOT]}") || exit 2
cd "${2:-$(dirname "${BASH_SOURCE[0]}")/../..}" || exit 2
[[ -x $program ]] || { echo "no such program: $program"; exit 2; }
files=(docs/*.md docs/*/*.md)
[[ ! -f README.md ]] || files+=(README.md)
bad=0
complain() { echo "$1"; bad=1; }

# Headings of a file as GitHub makes anchors of them: lower case, no punctuation, dashes for spaces.
anchors() {
  awk '/^```/ { code = !code } !code && /^#+ /' "$1" | sed -E 's/^#+ +//' | tr '[:upper:]' '[:lower:]' |
    sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'
}

# Links outside code, as `target` or `target#anchor`.
links() { awk '/^ *```/ { code = !code } !code' "$1" | grep -oE '\]\([^)]+\)' | sed -E 's/^\]\((.*)\)$/\1/'; }

for file in "${files[@]}"; do
  while read -r link; do
    [[ $link == *://* || $link == mailto:* ]] && continue
    target=${link%%#*}
    path=$file
    [[ -z $target ]] || path=$(dirname "$file")/$target
    if [[ ! -e $path ]]; then
      complain "$file: no file $link"
    elif [[ $link == *#* && -f $path ]] && ! anchors "$path" | grep -qxF -- "${link#*#}"; then
      complain "$file: no heading for $link"
    fi
  done < <(links "$file")
done

# Flags of a verb, one a line.
declare -A flags
verbs=$("$program" --help | awk '/^Subcommands:/ { on = 1; next } on && NF { print $1 }')
[[ -n $verbs ]] || complain "$program --help names no verb"
for verb in $verbs; do
  flags[$verb]=$("$program" "$verb" --help | grep -oE '^  [-a-z0-9,]+' | grep -oE -- '--[a-z0-9-]+')
  [[ ${flags[$verb]} == *--help* ]] || complain "$program $verb --help names no flag"
done

# Commands, one a line: code blocks with their continuation lines joined, and code spans.
commands() {
  awk '/^ *```/ { code = !code; next }
       code { if (/\\$/) { sub(/\\$/, ""); held = held $0; next } print held $0; held = ""; next }
       { n = split($0, part, "`"); for (i = 2; i <= n; i += 2) print part[i] }' "$1" |
    grep -E 'lowland-roberta( |$)' | sed -E 's/.*lowland-roberta/lowland-roberta/; s/[ ]#.*//; s/[|>;&].*//'
}
for file in "${files[@]}"; do
  while read -r _ verb arguments; do
    [[ -n $verb && $verb != --* && $verb != VERB && $verb != ... ]] || continue
    if [[ -z ${flags[$verb]+known} ]]; then
      complain "$file: lowland-roberta has no verb $verb"
      continue
    fi
    for argument in $arguments; do
      [[ $argument == --* && $argument != --help ]] || continue
      flag=${argument%%=*}
      grep -qxF -- "${flag//_/-}" <<<"${flags[$verb]}" || complain "$file: $verb has no flag $flag"
    done
  done < <(commands "$file")
done

for verb in $verbs; do
  for flag in ${flags[$verb]}; do
    [[ $flag == --help ]] || grep -qF -- "\`$flag\`" docs/cli.md || complain "docs/cli.md does not name $flag of $verb"
  done
done

# quoted PAGE SOURCE...: each line of the page's code blocks marked cpp is a line of the files that it is about.
quoted() {
  local lines=0 line
  while IFS= read -r line; do
    ((++lines))
    [[ -z $line ]] || grep -qxF -- "$line" "${@:2}" || complain "$1: not in the sources: $line"
  done < <(awk '/^```cpp$/ { on = 1; next } /^```$/ { on = 0 } on' "$1")
  ((lines > 0)) || complain "$1 has no example code"
}
quoted docs/add_an_op.md kernels/rms_norm.h kernels/reference/rms_norm.cpp kernels/cpu/rms_norm.cpp \
  engine/ops/rms_norm.cpp engine/ops/ops.h tests/ops/rms_norm_test.cpp
quoted docs/add_a_task.md apps/data/task_table.cpp tests/data/load_task_test.cpp
quoted docs/add_a_model.md models/roberta/kind.cpp models/roberta/config.cpp models/roberta/roberta.cpp \
  models/roberta/family.cpp
quoted docs/add_a_method.md optim/flat_lora.h optim/methods.cpp optim/optimizer.h optim/optimizer.cpp \
  apps/settings/settings.cpp
exit $bad
