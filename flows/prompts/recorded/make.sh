#!/bin/sh
# Makes the English recordings anew, with a robot's voice: espeak-ng speaks, sox brings them to 8 kHz mono 16 bit, -20 dBFS, 100 ms of pause.
#
#   flows/prompts/recorded/make.sh            all files
#   flows/prompts/recorded/make.sh goodbye    only the files whose name begins so
#
# Better: have a person read them, and put the WAV files (any rate) in place of these. This script then overwrites them, so do not run it again.
#
# What is said comes from two places:
#   - flows/prompts/*.yaml: every line  en: { text: "...", files: [one.wav] }
#   - en/pieces.tsv: file name, tab, words. The pieces of sentences that are put together, such as "You are number", "3", "in line".
# Needs espeak-ng and sox (Debian: apt-get install espeak-ng sox).
set -eu
cd "$(dirname "$0")"
only="${1:-}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# name<tab>words, one a line
{
    sed -n 's/^ *en: *{ *text: *"\([^"]*\)" *, *files: *\[ *\([^],"]*\.wav\) *\] *} *$/\2\t\1/p' ../*.yaml
    cat en/pieces.tsv
} > "$work/texts"

tab=$(printf '\t')
while IFS="$tab" read -r name words; do
    case "$name" in "$only"*) ;; *) continue ;; esac
    mkdir -p "en/$(dirname "$name")"
    # The emergency number is dialled digit by digit, so it is said so.
    spoken=$(printf '%s' "$words" | sed 's/\<119\>/one one nine/g')
    espeak-ng -v en-us -s 150 -w "$work/spoken.wav" -- "$spoken"
    # Down to the telephone's rate (rate -h filters as it should), then the silence at both ends goes.
    # -D: no dither, so that the same words give the same file.
    sox -D "$work/spoken.wav" "$work/bare.wav" rate -h 8000 silence 1 0.01 -48d reverse silence 1 0.01 -48d reverse
    # RMS of the parts where somebody speaks: pauses inside a sentence do not count.
    level=$(sox "$work/bare.wav" -n silence 1 0.05 -40d -1 0.05 -40d stats 2>&1 | awk '/^RMS lev dB/ { print $4 }')
    gain=$(awk -v level="$level" 'BEGIN { print -20 - level }')
    sox -D "$work/bare.wav" -b 16 -e signed-integer "en/$name" gain -l "$gain" fade 0.005 0 0.005 pad 0.02 0.1
    echo "en/$name: $(soxi -D "en/$name") s, \"$words\""
done < "$work/texts"

# Every file that a prompt names must be there now.
missing=0
for name in $(sed -n 's/^ *en:.*files: *\[\(.*\)\].*/\1/p' ../*.yaml | tr -d '" ' | tr ',' '\n' | grep -v '{{' | sort -u); do
    [ -s "en/$name" ] || { echo "en/$name is missing: add its words to en/pieces.tsv" >&2; missing=1; }
done
exit "$missing"
