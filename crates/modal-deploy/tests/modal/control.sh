#!/bin/sh
# Stands in for `modal` in tests of the command line as a back end. Beside the link by which it is
# started lie, for `modal secret create …` and likewise for other commands:
#   out-secret-create   what it prints
#   how-secret-create   its exit code, or "hangs"
# and it writes there:
#   calls               its arguments and its environment, added at each start
#   file, mode, text    the file of --from-json: its path, its rights and what is in it
here=$(dirname "$0")
{
  tr '\0' ' ' </proc/$$/cmdline
  echo
  env
} >>"$here/calls"
previous=
for word in "$@"; do
  if [ "$previous" = --from-json ]; then
    stat -L -c %a "$word" >"$here/mode"
    cp "$word" "$here/text"
    readlink -f "$word" >"$here/file"
  fi
  previous=$word
done
command=$1-$2
how=$(cat "$here/how-$command" 2>/dev/null || echo 0)
if [ "$how" = hangs ]; then
  : >"$here/waiting"
  sleep 600
fi
cat "$here/out-$command" 2>/dev/null
[ "$how" = 0 ] || {
  echo Error: refused
  cat "$here/text"
} >&2
exit "$how"
