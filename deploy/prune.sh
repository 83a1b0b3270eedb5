#!/bin/sh
# Removes from the images' virtual environment what nothing in them reads: tests of libraries,
# what other programs are compiled and linked with, descriptions of services that are not S3, and
# plugins for devices other than CPUs.
# The Dockerfile runs it in the step that installs, as a later step would make nothing smaller.
set -eu

cd /opt/venv/lib/python3*/site-packages

find . -type d -name tests -prune -exec rm -r {} +
find . -type f \( -name '*.rlib' -o -name '*.a' -o -name '*.pyx' -o -name '*.pxd' \) -delete

# Credentials of a role are asked for at STS and SSO.
find botocore/data -mindepth 1 -maxdepth 1 -type d \
    ! -name s3 ! -name sts ! -name sso ! -name sso-oidc -exec rm -r {} +

if [ -d torch ]; then
  # Plugins for devices whose drivers the image has not.
  rm -f openvino/libs/libopenvino_intel_[gn]pu_plugin.so openvino/libs/cache.json
  rm -rf torch/include torch/test
  # It passes tensors between processes.
  find torch/bin -type f ! -name torch_shm_manager -delete
fi
