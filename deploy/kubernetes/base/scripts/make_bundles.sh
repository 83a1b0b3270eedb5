# Builds the starter model where it is wanted and not there; bundles of your own have to be.
set -eu
IFS=,
for model in $PACKSHOT_MODELS; do
  folder="${model#*=}"
  if [ -f "$folder/manifest.json" ]; then continue; fi
  if [ "$folder" != "$PACKSHOT_HOME/bundles/starter" ]; then
    echo "There is no bundle at $folder: copy one to the volume bundles, or leave PACKSHOT_MODELS" \
      "as it is for the starter." >&2
    exit 1
  fi
  python -m cli model build "${STARTER:-/app/starter/weights}" --name starter
done
