#!/bin/bash
# In place of relion_refine in the container: what cuts a job does not ask what the job computes. In the project's
# folder `play` the test says by `reach` up to which iteration it comes, and by `ends` that it ends; made/ holds all
# iterations as RELION writes them. It notes there in `began` each start (node, process, iteration, image), and in
# `writes` that it still could write to the job's folder (node, process), and in `told` a signal, by which it then ends.
out='' control=none/ iteration=0
while [ $# -gt 0 ]; do
    case $1 in
    --o) out=$2 ;;
    --pipeline_control) control=$2 ;;
    --continue) iteration=${2##*_it} iteration=$((10#${iteration%%_*})) ;;
    esac
    shift
done
[ -n "$out" ] || exit 0
echo "$(uname -n) $$ $iteration ${APPTAINER_NAME:-}" >>play/began
trap 'echo USR1 >>play/told; trap - USR1; kill -USR1 $$' USR1
until [ -e play/ends ]; do
    if [ -e "${control}RELION_JOB_ABORT_NOW" ]; then
        touch "${control}RELION_JOB_EXIT_ABORTED"
        exit 2
    fi
    if [ "$iteration" -lt "$(cat play/reach)" ]; then
        iteration=$((iteration + 1))
        cp play/made/"${out%/*}/run_it$(printf %03d "$iteration")"_* "${out%/*}/" || exit 1
    fi
    echo "$(uname -n) $$" >>play/writes
    sleep 0.2
done
touch "${control}RELION_JOB_EXIT_SUCCESS"
