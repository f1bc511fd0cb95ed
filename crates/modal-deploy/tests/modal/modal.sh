#!/bin/sh
# Stands in for `modal` in tests, and does what the name of the app tells it to. Its data lies
# beside the link by which it is started:
#   version      what --version prints
#   calls/<app>  gets the folder, the arguments and the environment of each deploy
#   live/<app>   gets a line a version, which is what the control plane of the tests reads
#   leak         what a failing deploy prints besides the token
here=$(dirname "$0")
if [ "$1" = --version ]; then
  cat "$here/version"
  exit 0
fi
app=
previous=
for word in "$@"; do
  [ "$previous" = --name ] && app=$word
  previous=$word
done
{
  pwd
  tr '\0' '\n' </proc/$$/cmdline
  echo ---
  env
} >"$here/calls/$app"
case "$app" in
fails-*)
  echo "building $app"
  echo "Error: no image for token $MODAL_TOKEN_SECRET and key $(cat "$here/leak")" >&2
  exit 1
  ;;
hangs-*)
  echo $$ >"$here/pid"
  sleep 600
  ;;
forgets-*) exit 0 ;;
skips-*) [ -s "$here/live/$app" ] && exit 0 ;;
esac
echo deployed >>"$here/live/$app"
