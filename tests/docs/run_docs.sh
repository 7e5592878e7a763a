#!/usr/bin/env bash
# run_docs.sh BUILD: the commands of README.md and docs/, run as they are written. Each page has a folder in which the
# models and data that it names are there, only tiny (inputs.sh), and where `hf download` copies them. The programs
# are called through wrappers that shorten a command (two steps, small batches in `bench`) and change nothing else.
#
# A block of code is run if it calls build/bin/lowland-*; blocks that need a profiler, a GPU's peer scripts or a model
# of gigabytes are named as not run. Exit status 1 if a block fails, or if fewer ran than there were.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$(cd "${1:?usage: run_docs.sh BUILD}" && pwd) || exit 2
work=$build/docs_commands
least=28 # blocks: a page that is no longer read must not go unnoticed
rm -rf "$work"
mkdir -p "$work/inputs" "$work/path"
source "$here/inputs.sh"

# shorten NAME: a wrapper of the program at build/bin/NAME.
shorten() {
  cat <<END
#!/usr/bin/env bash
verb=\${1:-} arguments=()
while ((\$#)); do
  case \$verb:\$1 in
    finetune:--epochs | finetune:--max-steps | pretrain:--epochs | pretrain:--max-steps) shift ;;
    bench:--batch | bench:--length | bench:--steps) shift ;;
    *) arguments+=("\$1") ;;
  esac
  shift
done
case \$verb in
  finetune | pretrain) arguments+=(--max-steps 2 --threads 1) ;;
  bench) arguments+=(--batch 1 --length 16 --steps 1) ;;
  chat) exec "$build/bin/$1" "\${arguments[@]}" <<<"hello" ;;
esac
exec "$build/bin/$1" "\${arguments[@]}"
END
}

# blocks PAGE FOLDER: each block of shell commands in a file of its own.
blocks() {
  awk -v folder="$2" '
    /^ *```/ {
      if (inside) { inside = 0; next }
      inside = 1
      shell = $0 ~ /```(sh)?$/
      if (shell) file = sprintf("%s/%03d.sh", folder, ++n)
      next
    }
    inside && shell { print > file }' "$1"
}

echo "making tiny models and data"
make_inputs "$work/inputs" "$build/bin" "$root" >"$work/inputs.log" 2>&1 || { cat "$work/inputs.log"; exit 1; }
cat >"$work/path/hf" <<END
#!/usr/bin/env bash
# hf download NAME --local-dir FOLDER
kind=roberta
case \${2,,} in *llava*) kind=llava ;; *llama* | *smollm*) kind=llama ;; esac
mkdir -p "\$(dirname "\$4")"
rm -rf "\$4"
cp -r "$work/inputs/\$kind" "\$4"
END
chmod +x "$work/path/hf"

cd "$root" || exit 2
ran=0 bad=0
for page in README.md docs/*.md docs/*/*.md; do
  [[ -f $root/$page ]] || continue
  folder=$work/${page//\//_}
  mkdir -p "$folder/blocks"
  blocks "$page" "$folder/blocks"
  for block in "$folder"/blocks/*.sh; do
    [[ -f $block ]] && grep -q 'build/bin/lowland-' "$block" || continue
    # Tiny tokenizers have no word of a task's template in one token.
    if grep -qE '^ *(nsys|ncu|perf|python) |--preset (llava|roberta-large|bert|llama|gpt2)|--template task' \
        "$block"; then
      echo "not run    $page: $(grep -m 1 'build/bin/lowland-' "$block" | cut -c 1-90)"
      continue
    fi
    if [[ ! -d $folder/build ]]; then
      mkdir -p "$folder/build/bin"
      for program in "$build"/bin/lowland-*; do
        shorten "$(basename "$program")" >"$folder/build/bin/$(basename "$program")"
        chmod +x "$folder/build/bin/$(basename "$program")"
      done
      lay_inputs "$work/inputs" "$folder"
      ln -sfn "$root/apps" "$folder/apps"
    fi
    if (cd "$folder" && PATH=$work/path:$PATH timeout 300 bash -e "$block") >"$block.log" 2>&1 </dev/null; then
      ran=$((ran + 1))
    else
      bad=$((bad + 1))
      printf 'FAILED     %s:\n' "$page"
      cat "$block"
      tail -n 5 "$block.log"
    fi
  done
done
echo "$ran blocks of commands ran, $bad failed"
((bad == 0)) || exit 1
((ran >= least)) || { echo "fewer than the $least blocks that there were: are the pages still read?"; exit 1; }
