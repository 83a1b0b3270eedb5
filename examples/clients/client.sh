#!/bin/sh
# Submit a sheet, wait, download: PACKSHOT_URL=… PACKSHOT_KEY=… sh client.sh SHEET FOLDER
set -eu
sheet=$1 folder=$2

# The key goes through standard input: arguments of programs are there for all to see.
ask() {
    printf 'header = "Authorization: Bearer %s"\n' "$PACKSHOT_KEY" |
        curl --silent --show-error --fail-with-body --config - "$@"
}

mkdir -p "$folder"
batch=$(ask --form "file=@$sheet" --header "Idempotency-Key: $$-$(date +%s)" \
    --output "$folder/batch.json" --write-out '%header{location}' "$PACKSHOT_URL/v1/batches") ||
    { cat "$folder/batch.json" >&2; exit 1; }

# The stream ends with the batch; of a long one it ends before, and is asked for again.
while :; do
    events=$(ask --no-buffer "$PACKSHOT_URL$batch/events")
    case $events in *"event: end"*) break ;; esac
done
printf '%s\n' "$events" | sed -n 's/^data: {"state":"\([a-z]*\)"}$/\1/p'

for name in results.csv images.zip; do
    ask --output "$folder/$name" "$PACKSHOT_URL$batch/$name"
done
