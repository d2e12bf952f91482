#!/usr/bin/env bash
# Times of synthesis and training at the paper's size on a GPU, in about ten minutes:
#
#     bash bench/gpu.sh [folder of the results]
#
# Every part has its own time limit, and a part that fails does not stop the others.
# Synthesis is measured for 1 and 64 requests and compared with the time of reading the
# weights, training with the time of its multiply-adds.
set -u
cd "$(dirname "$0")/.."
folder=${1:-results/bench/gpu}
device=${DEVICE:-cuda}
mkdir -p "$folder"
failed=0

part() { # name, seconds, arguments of `python -m bench`
    local name=$1 limit=$2
    shift 2
    echo "== $name"
    rm -f "$folder/$name.md" # of an earlier run
    if ! timeout "$limit" "${PYTHON:-python}" -m bench "$@" \
        --device "$device" --output "$folder/$name.md" \
        >"$folder/$name.log" 2>&1; then
        echo "$name failed or took more than $limit s: see $folder/$name.log"
        failed=1
    fi
}

part training 150 training ${TRAINING:-}
part speech-1 200 speech --batches 1 --trials 3 ${SPEECH:-}
part speech-64 250 speech --batches 64 --trials 1 ${SPEECH:-}

page="$folder/gpu.md"
: >"$page"
for name in training speech-1 speech-64; do
    if [ -f "$folder/$name.md" ]; then
        printf '## %s\n\n' "$name" >>"$page"
        cat "$folder/$name.md" >>"$page"
        printf '\n' >>"$page"
    fi
done
cat "$page"
exit "$failed"
