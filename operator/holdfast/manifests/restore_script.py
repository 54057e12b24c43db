"""The commands that restore a dump: they make a Job, say what it waits for, show its log, and end as it ends.

Whoever pastes them has bash and kubectl, and an interactive shell in which nothing may be left: all of it is one
subshell, read whole before any of it runs. Places in angle brackets are filled in by restore.py.

The Job's own conditions say how it ended; only beside a sidecar that goes on, which keeps the Job open, it is the end
of the container `runner`. What is shown was written by others (a Pod's log, an Event, admission): all but printable
ASCII is a question mark.
"""

COMMANDS = r"""# Restores <backup> into <target>.
# For another target set <variables> first.
<needs># The script waits for the end of the restore, and exits with 0 only if the restore succeeded.
(
set +eu
ask() { kubectl -n <namespace> "$@"; }
show() { LC_ALL=C tr -c '\t\n -~' '?'; } # what others wrote moves no cursor
say() { case $said in *"<$*>"*) ;; *) said="$said<$*>"; printf '%s\n' "$*" | show ;; esac; } # once
manifest() { cat <<END
<manifest>
END
}
said='' job='' followed='' lost=0 late=0
state='.status.containerStatuses[?(@.name=="runner")].state'
code="{$state.terminated.exitCode}" start="{$state.running.startedAt}"
pods() { ask get pods -l "job-name=${job#*/}" --sort-by=.metadata.creationTimestamp -o jsonpath="$1" 2>/dev/null; }
why() {
  pods "{.items[-1:]$state.waiting.reason} {.items[-1:]$state.waiting.message}"
  pods ' {.items[-1:].status.conditions[?(@.type=="PodScheduled")].message}'
  [ "$pod" ] || ask get events --field-selector "involvedObject.name=${job#*/},reason=FailedCreate" \
    --sort-by=.metadata.creationTimestamp -o jsonpath='{.items[-1:].message}' 2>/dev/null
}
log() { followed=$pod; ask logs --follow "$pod" -c runner 2>&1 | show; }
made=$(manifest | ask create -o name -f - 2>&1) || { say "$made"; exit 1; }
job=job/${made##*/}
say "Created $made. If you stop this script, the Job continues: kubectl -n <namespace> get $job; delete it to cancel."
while :; do
  if ends=$(ask get "$job" -o jsonpath='{.status.conditions[?(@.status=="True")].type}' 2>&1); then
    lost=0
  else
    say "$ends"
    lost=$((lost + 1))
    case "$lost $ends" in *NotFound* | 150\ *) say "Nobody knows how $job ended: look at the target."; exit 1 ;; esac
    ends=''
  fi
  # Its newest Pod, and of that Pod/exit code/start of the container
  set -- $(pods "{range .items[*]}{.metadata.name} {.status.phase}/$code/$start{'\n'}{end}" | tail -n 1)
  pod=${1-}
  case " $ends /${2-}" in
    *' Complete '* | *' Failed '*) break ;;
    */Running/[0-9]*) late=$((late + 1)); [ "$late" -gt 5 ] && break ;; # beside a sidecar that goes on
    */Running//?*) [ "$pod" != "$followed" ] && log && continue; say "Waits for the end of Pod $pod." ;;
    *) say "Waits for its Pod${pod:+ $pod}:${ends:+ $ends} $(why)" ;;
  esac
  sleep 2
done
[ "$pod" = "$followed" ] || log
case ${2-} in Running/*) say "Another container keeps its Pod: kubectl -n <namespace> delete $job" ;; esac
case " $ends /${2-}" in *' Complete '* | '  /Running/0/') say "Restored."; exit 0 ;; esac
failure='"reason":"\([^"]*\)","exitCode":[0-9]*,"message":"\(.*\)","remedy":"\(.*\)"[,}].*"clean"'
told=$(pods "{.items[-1:]$state.terminated.message}" | sed -n "s/.*$failure.*/\1: \2. What to do: \3/p")
last='{.status.conditions[?(@.type=="Failed")].message}'
say "It failed: ${told:-$(ask get "$job" -o jsonpath="$last" 2>&1) $(pods "{.items[-1:]$state.terminated.reason}")}"
exit 1
)
"""
