#!/usr/bin/env bash
# run.sh BUILD [WORD...]: breaks the code on purpose, in one place at a time, and requires that a test notices. Each
# mutant of mutants.txt is one text replaced by another in one file; its object is compiled, linked in front of the
# libraries (or in the place of the test's own object) into the test program that is named, and the test case that is
# named must fail. The cases must pass without it. WORD...: only mutants with one of them in their name or
# program.
#
# Prints a line for each; exit status 1 if one survives, does not compile, hangs, or its text is not found. README.md
# says how mutants are written.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(cd "${1:?usage: run.sh BUILD [WORD...]}" && pwd) || exit 2
shift
work=$build/mutation
limit=300  # seconds for one run of a test case
export OMP_WAIT_POLICY=passive  # several programs share the processors: threads that spin take them from each other
rm -rf "$work"
mkdir -p "$work/commands"

slug() { printf '%s' "${1//[^A-Za-z0-9.]/_}"; }
file_of() { printf '%s/commands/%s' "$work" "$(slug "$1")"; }

# The command that links a program, to be run in its folder.
link_folder=$build
[[ -f $build/build.ninja ]] || link_folder=$build/tests
link_of() {
  if [[ -f $build/build.ninja ]]; then
    ninja -C "$build" -t commands -s "bin/$1" | tail -n 1
  else
    cat "$build/tests/CMakeFiles/$1.dir/link.txt"
  fi
}

# verdict PROGRAM CASE: passed, failed or hangs, as doctest says; else how it ended. A program that does not start, and
# a filter that no case fits, are none of the three.
verdict() {
  local output status counts
  output=$(cd "$build" && timeout -k 5 "$limit" "$1" "-tc=$2" 2>&1)
  status=$?
  counts=$(grep '^\[doctest\] test cases: ' <<<"$output")
  if ((status == 124 || status == 137)); then
    echo hangs
  elif ((status == 0)) && [[ $counts =~ :\ +[1-9][0-9]*\ .*\ 0\ failed ]]; then
    echo passed
  elif ((status != 0)) && [[ $counts =~ [1-9][0-9]*\ failed ]]; then
    echo failed
  else
    echo "ends with $status: $(tail -n 1 <<<"$output")"
  fi
}

# One mutant, into `result`: killed, or what is wrong.
mutate() {  # NAME FILE FROM TO UNIT VERB PROGRAM CASE
  local name=$1 path=$2 from=$3 to=$4 unit=$5 verb=$6 program=$7 case=$8 text rest here object link link_flag=
  text=$(<"$root/$path")
  rest=${text//"$from"/}
  if [[ -z $from ]] || ((${#text} - ${#rest} != ${#from})); then
    result="the text stands $(((${#text} - ${#rest}) / (${#from} + (${#from} == 0)))) times in $path: $from"
    return
  fi
  here=$work/$(slug "$name")
  object=$here/unit.o
  mkdir -p "$here/$(dirname "$path")"
  printf '%s\n' "${text/"$from"/"$to"}" >"$here/$path"
  [[ -f $(file_of "$unit") ]] || { result="no compile command for $unit"; return; }
  local source=$here/$unit
  [[ -f $source ]] || source=$root/$unit
  # Of files that are compiled together the one alone is sooner there, its functions in front of those of the others'
  # object. What the others have inlined it does not reach: so it may kill, but only all together can survive.
  result=
  if [[ -f $(file_of "$unit").together ]]; then
    try "$program" "$case" "$unit" "$source" -Wl,--allow-multiple-definition
    if [[ $verb,$result != fails,failed ]]; then
      sed "s#\"$root/$unit\"#\"$source\"#" "$(<"$(file_of "$unit").together")" >"$here/together.cpp"
      source=$here/together.cpp
      [[ $verb,$result == passes,failed ]] || result=
    fi
  fi
  # Tests that are compiled together stay in the program: doctest takes the first of two cases on one line.
  [[ ! -f $(file_of "$unit").tests ]] || link_flag=-Wl,--allow-multiple-definition
  [[ -n $result ]] || try "$program" "$case" "$unit" "$source" ${link_flag:-}
  case $verb,$result in
    passes,passed | fails,failed) result=killed ;;
    passes,*) result="$program -tc='$case', though nothing was changed: $result" ;;
    fails,passed) result="survived: $program -tc='$case' passes" ;;
  esac
  rm -f "$here/program" "$object"
}

# Compiles a mutated source, links it into the program and runs the case: its verdict, or what went wrong: `result`.
try() {  # PROGRAM CASE UNIT SOURCE [LINKER_FLAG]
  local program=$1 case=$2 unit=$3 source=$4 quick=-O1 link  # the same bits, sooner
  case $unit in
    tests/*) quick=-O0 ;;
    kernels/cpu/*) quick= ;;  # with fused products
  esac
  if ! (cd "$build" && eval "$(<"$(file_of "$unit")") -w $quick -iquote '$here' -o '$object' -c '$source'") \
      >"$here/log" 2>&1; then
    result="does not compile: $(grep -m 1 -E 'error' "$here/log")"
    return
  fi
  link=$(link_of "$program" | sed -E "s# -o [^ ]*/$program( |\$)# -o '$here/program' ${5:-} UNIT #")
  if [[ $unit == tests/* ]]; then
    # First as well: of an inline function in several objects the linker takes the first one's.
    link=$(sed -E "s# UNIT##; s# [^ ]*$program.dir/${unit#tests/}.o##; s# [^ ]*\.o # '$object'&#" <<<"$link")
  else
    link=${link/UNIT/"'$object'"}
  fi
  [[ $link == *"$object"* ]] || { result="$unit is no part of $program"; return; }
  if ! (cd "$link_folder" && eval "$link") >>"$here/log" 2>&1; then
    result="does not link: $(tail -n 1 "$here/log")"
    return
  fi
  result=$(verdict "$here/program" "$case")
}

# --- the table
names=() fields=()
name='' path='' from='' to='' unit='' number=0
fail_line() { echo "mutants.txt:$number: $1"; exit 2; }
while IFS= read -r line || [[ -n $line ]]; do
  ((++number))
  case $line in
    '#'* | '') ;;
    'file '*) path=${line#file } unit=$path ;;
    '- '*) from=${line#- } ;;
    '+' | '+ '*) to=${line#+} to=${to# } ;;
    'unit '*) unit=${line#unit } ;;
    'fails '* | 'passes '*)
      read -r verb program pattern <<<"$line"
      [[ -n $name && -f $root/$path && -n $pattern ]] || fail_line "a mutant needs a name, a file and a test: $name"
      names+=("$name")
      fields+=("$path" "$from" "$to" "$unit" "$verb" "$program" "$pattern")
      name='' path='' from='' to='' unit='' ;;
    *) [[ -z $name ]] || fail_line "not understood: $line"
       name=$line ;;
  esac
done <"$root/tests/mutation/mutants.txt"
((${#names[@]} >= 40)) || fail_line "only ${#names[@]} mutants"

wanted=()
for i in "${!names[@]}"; do
  [[ $# == 0 ]] && wanted+=("$i")
  for word in "$@"; do [[ "${names[i]} ${fields[i * 7 + 5]}" == *"$word"* ]] && wanted+=("$i") && break; done
done
[[ ${#wanted[@]} -gt 0 ]] || { echo "no mutant has such a name or program"; exit 2; }

# As many at a time as there are processors.
in_parallel() {  # in_parallel FUNCTION NUMBER...
  local i
  for i in "${@:2}"; do
    while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n; done
    "$1" "$i" &
  done
  wait
}

# --- the compile commands, a file each; of the CPU kernels those for the instruction set that this machine runs.
flags=" $(grep -m 1 '^flags' /proc/cpuinfo) " arch=v4
for flag in avx512f avx512bw avx512dq avx512vl avx512cd; do [[ $flags == *" $flag "* ]] || arch=v3; done
[[ ${LL_CPU_ARCH:-} != v3 ]] || arch=v3
commands=$build/compile_commands.json
[[ -f $commands ]] || { echo "no $commands"; exit 2; }
declare -A needed
for i in "${wanted[@]}"; do needed[${fields[i * 7 + 3]}]=1; done
command='' source='' line=''
while IFS= read -r line; do
  case $line in
    *'"command": '*) command=${line#*'"command": "'}; command=${command%\"*} ;;
    *'"file": '*)
      source=${line#*'"file": "'}
      source=${source%\"*}
      [[ $command == *LL_CPU=cpu_v[34]* && $command != *"LL_CPU=cpu_$arch"* ]] && continue
      units=("$source")  # or the files that are compiled together
      [[ $source != */Unity/* ]] || mapfile -t units < <(sed -n 's/^#include "\(.*\)"$/\1/p' "$source")
      [[ $source != */together/* ]] || mapfile -t units < <(sed -n 's/^#line 1 "\(.*\)"$/\1/p' "$source")
      for unit in "${units[@]#"$root/"}"; do
        [[ -n ${needed[$unit]:-} ]] || continue
        sed -E 's/\\(.)/\1/g; s/ -o .*//' <<<"$command" >"$(file_of "$unit")"
        [[ $source != */Unity/* ]] || echo "$source" >"$(file_of "$unit").together"
        [[ $source != */together/* ]] || touch "$(file_of "$unit").tests"
      done ;;
  esac
done <"$commands"

# --- the cases as they are: they pass, and there are some
declare -A seen
cases=()
for i in "${wanted[@]}"; do
  case="${fields[i * 7 + 5]} ${fields[i * 7 + 6]}"
  [[ -n ${seen[$case]:-} ]] || cases+=("$i")
  seen[$case]=1
done
as_it_is() {
  local result program=${fields[$1 * 7 + 5]} pattern=${fields[$1 * 7 + 6]}
  result=$(verdict "$build/bin/$program" "$pattern")
  [[ $result == passed ]] || echo "$program -tc='$pattern', before anything is broken: $result" | tee -a "$work/bad"
}
in_parallel as_it_is "${cases[@]}"
[[ ! -f $work/bad ]] || exit 1

# --- the mutants
one() {
  local result='' began=$SECONDS at=$((7 * $1))
  mutate "${names[$1]}" "${fields[@]:at:7}"
  printf '%-70s %3ds  %s\n' "${names[$1]}" $((SECONDS - began)) "$result"
  [[ $result == killed ]] || printf '%s\n' "${names[$1]}" >>"$work/alive"
}
in_parallel one "${wanted[@]}"
alive=0
[[ ! -f $work/alive ]] || alive=$(wc -l <"$work/alive")
echo "$((${#wanted[@]} - alive)) of ${#wanted[@]} mutants killed in $SECONDS s"
((alive == 0))
