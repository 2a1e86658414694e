#!/usr/bin/env bash
# What has to be seen on a card: numbers that are right, and how fast, beside PyTorch, in at most 8 minutes after the build.
# usage: gpu_check.sh [OUT]          writes OUT/gpu_check.jsonl, a line per part, and OUT/gpu_check.md, the table
# Ends with 1 where a part failed or its numbers are off; what is not run for want of time, PyTorch or a tool is only named.
#
# GPU_CHECK  the program; where it is not set, `make build-cuda` makes it    PYTHON  one with torch and diffusers, for their
# ONLY       parts to run, all where it is not set                                   half: without, that is left out
# DEVICE     cuda, cuda:N; with cpu and TINY=1 it shows that all of it runs  SECONDS_IN_ALL  480; what has no time left is named
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-.cache/gpu_check}
program=${GPU_CHECK:-target/cuda/release/examples/gpu_check}
python=${PYTHON:-python3}
device=${DEVICE:-cuda}
limit=${SECONDS_IN_ALL:-480}
tiny=${TINY:+--tiny}
results=$out/gpu_check.jsonl
[ -n "${GPU_CHECK:-}" ] || make build-cuda
SECONDS=0
mkdir -p "$out"
: > "$results"

# The card by the number that nvidia-smi has for it: CUDA's own order begins with the fastest.
export CUDA_DEVICE_ORDER=PCI_BUS_ID
number=0
[[ $device != cuda:* ]] || number=${device#cuda:}
IFS=, read -r -a visible <<< "${CUDA_VISIBLE_DEVICES:-}"
number=${visible[$number]:-$number}
ask_card() { nvidia-smi -i "$number" --query-gpu="$1" --format=csv,noheader,nounits 2>> "$out/nvidia-smi.log" | head -n 1; }
card=$(ask_card name,driver_version || true)
commit=$(git describe --always --dirty --abbrev=12 2> "$out/git.log" || echo unknown)
printf '{"part": "machine", "by": "bolid", "card": "%s", "date": "%s", "commit": "%s"}\n' \
  "${card:-none}" "$(date -u +%Y-%m-%d)" "$commit" >> "$results"

# The most memory that the card had given out while a part ran, beyond what was given out before, MiB; nothing where there
# is no card.
watch_memory() {
  local most=0 used before
  before=$(ask_card memory.used) || return 0
  while used=$(ask_card memory.used); do
    used=$((used - before))
    [ "$used" -le "$most" ] || { most=$used && echo "$most" > "$out/memory"; }
    sleep 0.2
  done
}

# part NAME BY SECONDS COMMAND…: a line of results, or why there is none.
part() {
  local name=$1 by=$2 most=$3 started line code=0 watching is_cut=
  shift 3
  if [ -n "${ONLY:-}" ] && [[ " $ONLY " != *" $name "* ]]; then return 0; fi
  if [ $((SECONDS + 5)) -ge "$limit" ]; then skip "$name" "$by" "no time left of $limit s"; return 0; fi
  [ $((SECONDS + most)) -le "$limit" ] || { most=$((limit - SECONDS)) && is_cut=1; }
  echo "$name by $by, at most $most s" >&2
  rm -f "$out/memory"
  watch_memory & watching=$!
  started=$SECONDS
  line=$(timeout --kill-after=5 "$most" "$@" 2> "$out/$name.log" | tail -n 1) || code=$?
  kill "$watching" 2> "$out/kill.log" || true
  wait "$watching" 2>> "$out/kill.log" || true
  if [ -n "$is_cut" ] && { [ "$code" -eq 124 ] || [ "$code" -eq 137 ]; }; then
    skip "$name" "$by" "no time left of $limit s"
    return 0
  fi
  if [ "$code" -ne 0 ] || [ -z "$line" ]; then
    local said
    if [ "$code" -eq 124 ] || [ "$code" -eq 137 ]; then
      fail "$name" "$by" "not done within $most s"
      return 1
    fi
    said=$(grep -v '^\s*at \|^\s*[0-9]*: ' "$out/$name.log" | tail -n 1 | tr -d '"\\' | cut -c 1-300)
    fail "$name" "$by" "ended with $code: $said"
    return 1
  fi
  local peak=null
  [ -s "$out/memory" ] && peak=$(awk '{printf "%.2f", $1 / 1024}' "$out/memory")
  printf '{"by": "%s", "seconds": %s, "peak_gib": %s, %s\n' "$by" "$((SECONDS - started))" "$peak" "${line#\{}" >> "$results"
}

skip() { printf '{"part": "%s", "by": "%s", "skipped": "%s"}\n' "$1" "$2" "$3" >> "$results"; }
fail() { printf '{"part": "%s", "by": "%s", "failed": "%s"}\n' "$1" "$2" "$3" >> "$results"; }

ours() { local name=$1 most=$2; shift 2; part "$name" bolid "$most" "$program" "$name" --device "$device" $tiny "$@"; }
torch() {
  local name=$1 by=$2 most=$3
  shift 3
  if ! "$python" -c 'import torch, diffusers' 2> "$out/python.log"; then skip "$name" "$by" "PYTHON has no torch and diffusers"; return 0; fi
  part "$name" "$by" "$most" "$python" scripts/gpu_check.py "$name" --device "$device" $tiny "$@"
}

ours golden 30 || true
ours audit 20 || true
ours ops 40 || true
torch ops PyTorch 40 || true
# With all activations where the card has the memory, else checkpointed; PyTorch then likewise.
checkpointing=
ours sd15 60 || { checkpointing=--checkpointing; ours sd15 60 $checkpointing || true; }
torch sd15 PyTorch 60 $checkpointing || true
ours vae 30 || true
ours picture 30 || true
checkpointing=--checkpointing
ours sdxl 70 $checkpointing || true
torch sdxl PyTorch 70 $checkpointing || true
torch sd15 "PyTorch compiled" 120 --compile || true
if [ -z "${ONLY:-}" ] || [[ " $ONLY " == *" sanitizer "* ]]; then
  if command -v compute-sanitizer > "$out/which.log" && [ "$device" != cpu ]; then
    part sanitizer bolid 60 sh -c "compute-sanitizer --error-exitcode 9 '$program' audit --device $device > '$out/sanitizer.txt' &&
      echo '{\"part\": \"sanitizer\", \"errors\": 0}'" || true
  else
    skip sanitizer bolid "there is no compute-sanitizer here"
  fi
fi

# Ends with 1 where a part failed or is out of its bounds.
"$python" scripts/gpu_check.py table "$results" | tee "$out/gpu_check.md"
