#!/bin/sh
# Stands in for `modal` in tests, and does what the beginning of the app's name, or the file
# behave/<app>, tells it to. Its data lies beside the link by which it is started:
#   version       what --version prints
#   calls/<app>   gets the folder, the arguments and the environment of each deploy
#   live/<app>    gets a line a version, its tag and its image, for the control plane of the tests
#   leak          what a failing deploy prints besides the token
#   go-<app>      what a deploy that waits waits for
#   started       gets a line a start
here=$(dirname "$0")
echo "$*" >>"$here/started"
if [ "$1" = --version ]; then
  cat "$here/version"
  exit 0
fi
app=
tag=
previous=
for word in "$@"; do
  case "$previous" in
  --name) app=$word ;;
  --tag) tag=$word ;;
  esac
  previous=$word
done
{
  pwd
  tr '\0' '\n' </proc/$$/cmdline
  echo ---
  env
} >"$here/calls/$app"
live=$here/live/$app
behave=${app%%-*}
[ -e "$here/behave/$app" ] && behave=$(cat "$here/behave/$app")
case "$behave" in
fails)
  echo "building $app"
  echo "Error: no image for token $MODAL_TOKEN_SECRET and key $(cat "$here/leak")" >&2
  exit 1
  ;;
hangs)
  echo "building $app for ever"
  echo $$ >"$here/pid"
  sleep 600
  ;;
forgets) exit 0 ;;
# As Modal does when nothing changed.
skips) tail -n 1 "$live" 2>/dev/null | grep -q " $IMAGE_REF\$" && exit 0 ;;
waits)
  : >"$here/waiting-$app"
  until [ -e "$here/go-$app" ]; do sleep 0.02; done
  ;;
# A module that takes its image from somewhere else.
ignores) IMAGE_REF=$(tail -n 1 "$live" 2>/dev/null | cut -d ' ' -f 2) ;;
# Somebody else deploys at once after it.
outrun)
  echo "$tag $IMAGE_REF" >>"$live"
  tag=manual
  ;;
# The tag is lost.
retags) tag=manual ;;
esac
echo "$tag $IMAGE_REF" >>"$live"
if [ "$behave" = stalls ]; then
  echo $$ >"$here/pid"
  sleep 600
fi
exit 0
