#!/bin/sh
# Serves /data as S3 on port 9000, with the credentials in MinIO's variables.
#
# For stacks that live for one run, with credentials that are no secrets: s3s-fs takes its keys as
# arguments and in no other way (no variable, no file; without keys it refuses signed requests), so
# whoever may list the processes of the machine can read them in /proc/<pid>/cmdline. Where keys
# are secrets, use MinIO, which reads the same variables: MINIO_IMAGE in compose.yml.
set -eu
exec s3s-fs --host 0.0.0.0 --port 9000 \
  --access-key "${MINIO_ROOT_USER:?set MINIO_ROOT_USER}" \
  --secret-key "${MINIO_ROOT_PASSWORD:?set MINIO_ROOT_PASSWORD}" /data
