#!/bin/sh
# Serves /data as S3 on port 9000, with the credentials in MinIO's variables.
set -eu
exec s3s-fs --host 0.0.0.0 --port 9000 \
  --access-key "${MINIO_ROOT_USER:?set MINIO_ROOT_USER}" \
  --secret-key "${MINIO_ROOT_PASSWORD:?set MINIO_ROOT_PASSWORD}" /data
