#!/bin/sh
# A processor that does what it is asked for: `inputs.do` is a line of shell.
# Requests come with their keys sorted: {"inputs":{"do":"…"},"mode":"…","ref":"…"}
request=$(cat)
inputs=${request#*'"inputs":'}
inputs=${inputs%',"mode"'*}
mode=${request#*'"mode":"'}
mode=${mode%%'"'*}
line=${inputs#*'"do":"'}
line=${line%'"}'}
out=$PROCESSOR_OUTPUT_DIR
status=success
digest=${IMAGE_REF#*@}
hash=$(printf %s "$inputs" | sha256sum | cut -c1-64)
cost=0
outputs=
extra=

# Writes an artifact and tells of it: path, media type, content.
artifact() {
  printf %s "$3" > "$out/$1"
  set -- "$1" "$2" "$(wc -c < "$out/$1")" "$(sha256sum "$out/$1" | cut -c1-64)"
  item="{\"path\":\"$1\",\"media_type\":\"$2\",\"bytes\":$3,\"sha256\":\"$4\"}"
  outputs=$outputs${outputs:+,}$item
}

eval "$line"
receipt="{\"schema\":1,\"ref\":\"text/x@1\",\"image_digest\":\"$digest\",\"mode\":\"$mode\""
receipt="$receipt,\"inputs_sha256\":\"$hash\",\"status\":\"$status\"}"
answer="{\"status\":\"$status\",\"ref\":\"text/x@1\",\"mode\":\"$mode\",\"outputs\":[$outputs]"
echo "$answer,\"usage\":{\"cost_units\":$cost},\"receipt\":$receipt$extra}"
[ $status = success ]
