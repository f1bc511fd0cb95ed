#!/usr/bin/env bash
# Makes the images that the example needs out of this distribution's own packages, and loads them
# into the Docker engine: no Docker Hub, no root beyond what the engine asks for.
#
#   images/build.sh [--force] [python|postgres|redis|s3|all]...
#
# An image that the engine has already is left as it is, unless --force is given. The same
# packages give the same image ID: files are sorted and carry one fixed time.
#
# Works on Debian 12 and 13 and on Ubuntu 22.04 and 24.04. Needs apt, dpkg, GNU tar and docker;
# for `s3` also the program s3s-fs: looked for in $PIPELINE_TOOLS/bin and on PATH, else
# installed there from crates.io with cargo.

set -euo pipefail
export LC_ALL=C
umask 022

readonly TOOLS="${PIPELINE_TOOLS:-${HOME:-/tmp}/.cache/pipeline/tools}"
readonly S3S_VERSION=0.14.1
readonly EPOCH="${SOURCE_DATE_EPOCH:-1700000000}"
readonly SERVICE_UID=999

# Packages that matter only to a machine that installs packages or boots, and the compiler that
# Postgres can use for its optional JIT (libllvm alone is larger than everything else).
readonly UNNEEDED='^(adduser|debconf|dpkg|init-system-helpers|locales|libc-bin|libc-l10n|libllvm.*|libpam-modules.*|libpam-runtime|libsemanage.*|libsepol.*|libz3.*|logrotate|lsb-base|netbase|openssl|passwd|perl.*|lib.*-perl|libperl.*|postgresql-(client-)?common|sensible-utils|ssl-cert|sysvinit-utils|tar|ucf|usrmerge|libgdbm.*)='
readonly PRUNED_FILES=(
  './usr/share/doc/*' './usr/share/man/*' './usr/share/info/*' './usr/share/locale/*'
  './usr/share/lintian/*' './usr/share/bash-completion/*' './usr/share/bug/*'
  './usr/share/applications/*' './usr/share/pixmaps/*' './usr/share/gcc*' './usr/share/python3/*'
  './usr/lib/*/gconv/*' './usr/lib/systemd/*' './lib/systemd/*' './etc/init.d/*'
  './usr/lib/postgresql/*/lib/bitcode/*' './usr/lib/postgresql/*/lib/llvmjit*'
  './usr/lib/python3*/test/*' './usr/lib/python3*/idlelib/*' './usr/lib/python3*/lib2to3/*'
  './usr/lib/python3*/pydoc_data/*' './usr/lib/python3*/ensurepip/*'
)

die() {
  printf 'error: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
  exit 1
}

usage() {
  sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
}

WORK=''
SCRATCH_CONTAINER=''
SCRATCH_IMAGE=''

cleanup() {
  [ -z "$SCRATCH_CONTAINER" ] || docker rm -f "$SCRATCH_CONTAINER" >/dev/null 2>&1 || true
  [ -z "$SCRATCH_IMAGE" ] || docker rmi -f "$SCRATCH_IMAGE" >/dev/null 2>&1 || true
  [ -z "$WORK" ] || rm -rf "$WORK"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

require() {
  local tool
  for tool in apt-get dpkg-deb tar docker sha256sum; do
    command -v "$tool" >/dev/null || die "\`$tool\` is not on PATH" \
      "this script makes images from packages and needs a Debian or Ubuntu machine with Docker"
  done
  docker version --format '{{.Server.Version}}' >/dev/null 2>&1 ||
    die "no Docker engine answers${DOCKER_HOST:+ at $DOCKER_HOST}" \
      "start it (systemctl start docker), or set DOCKER_HOST"
}

# --- packages ------------------------------------------------------------------------------

# Package lists: the machine's own as long as they serve, else fresh ones in the work folder.
APT=()
use_system_lists() {
  : >"$WORK/status"
  APT=(-q -y
    -o "Dir::State::status=$WORK/status" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
    -o Debug::NoLocking=true -o APT::Sandbox::User=root -o APT::Install-Recommends=false
    -o Acquire::Retries=3)
}
use_fresh_lists() {
  APT+=(-o "Dir::State::lists=$WORK/lists")
  [ -e "$WORK/lists" ] || {
    mkdir -p "$WORK/lists/partial"
    apt-get "${APT[@]}" update >"$WORK/apt.log" 2>&1
  }
}

# download FOLDER PACKAGE...: the packages and all they depend on, as if nothing were installed.
download() {
  local folder=$1
  shift
  local wanted=()
  mkdir -p "$folder"
  apt-get "${APT[@]}" --simulate install "$@" >"$WORK/plan" 2>"$WORK/apt.log" || return 1
  mapfile -t wanted < <(sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p' "$WORK/plan" |
    grep -Ev "$UNNEEDED")
  [ "${#wanted[@]}" -gt 0 ] || return 1
  (cd "$folder" && apt-get "${APT[@]}" download "${wanted[@]}") >"$WORK/apt.log" 2>&1
}

# unpack ROOT PACKAGE...: a root folder with these packages, a shell and the usual places.
unpack() {
  local root=$1 debs="$1.debs" deb link
  shift
  download "$debs" "$@" busybox-static || {
    rm -rf "$debs"
    use_fresh_lists && download "$debs" "$@" busybox-static
  } || die "cannot get the packages $* from this distribution: $(grep -E '^[EW]:' "$WORK/apt.log" | tail -n 3)" \
    "check /etc/apt/sources.list* and the network; on Ubuntu the component 'universe' is needed"

  mkdir -p "$root"/{usr/{bin,sbin,lib,lib64},etc,tmp,run,proc,sys,dev,var/tmp,root}
  for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
  chmod 1777 "$root/tmp" "$root/var/tmp"
  chmod 0700 "$root/root"
  ln -s ../run "$root/var/run"

  local excludes=()
  for link in "${PRUNED_FILES[@]}"; do excludes+=("--exclude=$link"); done
  for deb in "$debs"/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" |
      tar -x -C "$root" --no-same-owner --keep-directory-symlink --wildcards "${excludes[@]}" ||
      die "cannot unpack ${deb##*/}"
  done
  rm -rf "$debs"

  local applet
  while read -r applet; do
    [ -e "$root/usr/bin/$applet" ] || [ -e "$root/usr/sbin/$applet" ] ||
      ln -s busybox "$root/usr/bin/$applet"
  done < <("$root/usr/bin/busybox" --list)

  cat >"$root/etc/passwd" <<PASSWD
root:x:0:0:root:/root:/bin/sh
service:x:$SERVICE_UID:$SERVICE_UID:service:/tmp:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/sh
PASSWD
  printf 'root:x:0:\nservice:x:%s:\nnogroup:x:65534:\n' "$SERVICE_UID" >"$root/etc/group"
  printf 'hosts: files dns\npasswd: files\ngroup: files\n' >"$root/etc/nsswitch.conf"
}

# --- images --------------------------------------------------------------------------------

# load IMAGE ROOT CONFIG [FOLDER...]: packs ROOT reproducibly and loads it under the name IMAGE.
# CONFIG is the JSON of the image's `config`; each FOLDER is made for, and owned by, the service
# user.
load() {
  local image=$1 root=$2 config=$3 layer digest folder
  shift 3
  local out="$root.image"
  mkdir -p "$out"
  layer="$out/layer.tar"
  local fixed=(--format=gnu --sort=name "--mtime=@$EPOCH" --numeric-owner)
  tar -c -f "$layer" "${fixed[@]}" --owner=0 --group=0 -C "$root" .
  if [ $# -gt 0 ]; then
    for folder in "$@"; do mkdir -p "$root.owned/$folder"; done
    tar -r -f "$layer" "${fixed[@]}" "--owner=$SERVICE_UID" "--group=$SERVICE_UID" \
      --no-recursion -C "$root.owned" "$@"
  fi
  digest=$(sha256sum "$layer" | cut -d' ' -f1)

  local created arch
  created=$(date -u -d "@$EPOCH" +%Y-%m-%dT%H:%M:%SZ)
  arch=$(dpkg --print-architecture)
  [ "$arch" != armhf ] || arch=arm
  printf '{"architecture":"%s","os":"linux","created":"%s","config":%s,"history":[{"created":"%s","created_by":"images/build.sh"}],"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$arch" "$created" "$config" "$created" "$digest" >"$out/config.json"
  printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$image" \
    >"$out/manifest.json"
  tar -c -C "$out" manifest.json config.json layer.tar | docker load --quiet >"$WORK/load.log" 2>&1 ||
    die "the Docker engine refused $image: $(tail -n 3 "$WORK/load.log")"
  rm -rf "$out" "$root.owned"
}

# check IMAGE COMMAND...: the image can do what it is for.
check() {
  local image=$1
  shift
  docker run --rm --network none --entrypoint '' "$image" "$@" >"$WORK/check.log" 2>&1 || {
    docker rmi -f "$image" >/dev/null 2>&1 || true
    die "$image was made but does not work: \`$*\` says: $(tail -n 5 "$WORK/check.log")"
  }
}

build_python() {
  local image=$1 root=$WORK/python config
  unpack "$root" python3 ca-certificates
  [ -e "$root/usr/bin/python" ] || ln -s python3 "$root/usr/bin/python"
  mkdir -p "$root/etc/ssl/certs" "$root/usr/lib/ssl"
  cat "$root"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
  ln -sf /etc/ssl/certs/ca-certificates.crt "$root/usr/lib/ssl/cert.pem"
  config='{"Env":["PATH=/usr/local/bin:/usr/bin:/bin","LANG=C.UTF-8"],"Cmd":["python3"],"WorkingDir":"/"}'

  # Byte code is compiled once here, by the image's own Python: with a read-only root it could
  # never be kept later, and each start would compile again.
  SCRATCH_IMAGE="pipeline-example/python:building-$$"
  SCRATCH_CONTAINER="pipeline-example-python-$$"
  load "$SCRATCH_IMAGE" "$root" "$config"
  docker run --name "$SCRATCH_CONTAINER" --network none -e PYTHONHASHSEED=0 "$SCRATCH_IMAGE" \
    sh -c 'python3 -m compileall -q --invalidation-mode unchecked-hash /usr/lib/python3*' \
    >"$WORK/check.log" 2>&1 || die "cannot compile Python's library: $(tail -n 5 "$WORK/check.log")"
  docker export "$SCRATCH_CONTAINER" |
    tar -x -C "$root" --no-same-owner --keep-directory-symlink --wildcards 'usr/lib/*.pyc'
  docker rm -f "$SCRATCH_CONTAINER" >/dev/null
  docker rmi -f "$SCRATCH_IMAGE" >/dev/null
  SCRATCH_CONTAINER='' SCRATCH_IMAGE=''

  load "$image" "$root" "$config"
  check "$image" python -c 'import asyncio, ctypes, hashlib, json, sqlite3, ssl, zlib; ssl.create_default_context()'
}

build_postgres() {
  local image=$1 root=$WORK/postgres bin
  unpack "$root" postgresql
  bin=$(cd "$root" && echo usr/lib/postgresql/*/bin)
  [ -x "$root/$bin/initdb" ] || die "the distribution's postgresql package holds no initdb"
  install -m 0755 "$HERE/postgres-entrypoint.sh" "$root/usr/bin/entrypoint"
  load "$image" "$root" "{\"User\":\"$SERVICE_UID:$SERVICE_UID\",\"Env\":[\"PATH=/$bin:/usr/bin:/bin\",\"PGDATA=/var/lib/postgresql/data\"],\"Entrypoint\":[\"/usr/bin/entrypoint\"],\"Cmd\":[\"postgres\"],\"ExposedPorts\":{\"5432/tcp\":{}},\"StopSignal\":\"SIGINT\",\"WorkingDir\":\"/\"}" \
    run/postgresql var/lib/postgresql var/lib/postgresql/data
  check "$image" sh -c 'initdb -D /tmp/db -U postgres --locale=C -E UTF8 && psql --version && pg_isready --version'
}

build_redis() {
  local image=$1 root=$WORK/redis
  unpack "$root" redis-server
  load "$image" "$root" "{\"User\":\"$SERVICE_UID:$SERVICE_UID\",\"Env\":[\"PATH=/usr/bin:/bin\"],\"Cmd\":[\"redis-server\",\"--save\",\"\",\"--protected-mode\",\"no\"],\"ExposedPorts\":{\"6379/tcp\":{}},\"WorkingDir\":\"/data\"}" \
    data
  check "$image" sh -c 'redis-server --version && redis-cli --version'
}

s3s_fs() {
  local found
  for found in "$TOOLS/bin/s3s-fs" "$(command -v s3s-fs || true)"; do
    if [ -n "$found" ] && [ -x "$found" ]; then
      printf '%s\n' "$found"
      return
    fi
  done
  command -v cargo >/dev/null || die "s3s-fs is neither in $TOOLS/bin nor on PATH, and there is no cargo" \
    "install Rust (https://rustup.rs), then: cargo install s3s-fs@$S3S_VERSION --features binary --locked --root $TOOLS"
  printf 's3: installing s3s-fs %s into %s, which takes a few minutes\n' "$S3S_VERSION" "$TOOLS" >&2
  CARGO_TARGET_DIR="$WORK/s3s-target" cargo install "s3s-fs@$S3S_VERSION" --features binary \
    --locked --quiet --root "$TOOLS" >&2 || die "cargo could not install s3s-fs $S3S_VERSION"
  printf '%s\n' "$TOOLS/bin/s3s-fs"
}

build_s3() {
  local image=$1 root=$WORK/s3 program
  program=$(s3s_fs)
  unpack "$root" libc6 libgcc-s1
  install -m 0755 "$program" "$root/usr/bin/s3s-fs"
  install -m 0755 "$HERE/s3-entrypoint.sh" "$root/usr/bin/entrypoint"
  load "$image" "$root" "{\"User\":\"$SERVICE_UID:$SERVICE_UID\",\"Env\":[\"PATH=/usr/bin:/bin\"],\"Entrypoint\":[\"/usr/bin/entrypoint\"],\"ExposedPorts\":{\"9000/tcp\":{}},\"WorkingDir\":\"/data\"}" \
    data
  check "$image" s3s-fs --version
}

# --- command line --------------------------------------------------------------------------

declare -A NAMES=(
  [python]=pipeline-example/python:slim
  [postgres]=pipeline-example/postgres:debian
  [redis]=pipeline-example/redis:debian
  [s3]=pipeline-example/s3:debian
)
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE

main() {
  local force='' wanted=() argument kind image state
  for argument in "$@"; do
    case $argument in
      --force) force=yes ;;
      -h | --help) usage && return ;;
      all) wanted=(python postgres redis s3) ;;
      python | postgres | redis | s3) wanted+=("$argument") ;;
      *) die "unknown image \`$argument\`" "one of: python, postgres, redis, s3, all" ;;
    esac
  done
  [ "${#wanted[@]}" -gt 0 ] || wanted=(python postgres redis s3)

  require
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/pipeline-images.XXXXXX")
  use_system_lists
  for kind in "${wanted[@]}"; do
    image=${NAMES[$kind]}
    state=present
    if [ -n "$force" ] || ! docker image inspect "$image" >/dev/null 2>&1; then
      "build_$kind" "$image"
      rm -rf "${WORK:?}/$kind"
      state=built
    fi
    docker image inspect --format '{{.Size}} {{.Id}}' "$image" | {
      read -r size id
      printf '%-32s %-8s %4d MB  %.19s\n' "$image" "$state" $((size / 1000000)) "$id"
    }
  done
}

main "$@"
