#!/bin/sh
# Makes the recordings anew, with a robot's voice: espeak-ng speaks, sox brings them to the telephone's 8 kHz mono G.711 mu-law, -20 dBFS.
#
#   flows/prompts/recorded/make.sh                everything, every language
#   flows/prompts/recorded/make.sh goodbye        only the files whose name begins so, in every language
#   flows/prompts/recorded/make.sh goodbye pt     and only in Portuguese
#
# A new sentence takes two minutes: write it in flows/prompts/*.yaml in each language, run this with its name, run `toritsugi check`.
#
# Better: have a person read them, and put the WAV files (any rate) in place of these. This script then overwrites them, so do not run it again.
#
# What is said comes from two places:
#   - flows/prompts/*.yaml: every  { text: "...", files: [one.wav] }  below a language that is recorded; one sentence, one line
#   - <language>/pieces.tsv: file name, tab, words. The pieces of sentences that are put together: "There are", "3", "callers ahead of you".
# How a language says 119 and at which speed it is spoken stands in `voice` below.
# Needs espeak-ng and sox (Debian: apt-get install espeak-ng sox). Neither is needed to build, to test or to run the engine.
set -eu
cd "$(dirname "$0")"
only="${1:-}"
langs="${2:-en zh ko pt es vi}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tab=$(printf '\t')

# The espeak-ng voice, words a minute, and the emergency number as it is said: figure by figure.
voice() {
    case "$1" in
        en) echo "en-us 155 one one nine" ;;
        zh) echo "cmn 230 幺幺九" ;;
        ko) echo "ko 170 일일구" ;;
        pt) echo "pt-br 165 um um nove" ;;
        es) echo "es 165 uno uno nueve" ;;
        vi) echo "vi 170 một một chín" ;;
        *) echo "no voice is chosen for $1: add it to voice() in make.sh" >&2; exit 1 ;;
    esac
}

# name<tab>words, one a line: the sentences of one language that are one file each.
sentences() {
    awk -v lang="$1" '
        /^[^ #]/ { inside = "" }
        match($0, /^  [a-z-]+:/) { inside = substr($0, 3, RLENGTH - 3) }
        inside == lang && match($0, /text: "[^"]*", files: \[[^],"]*\.wav\]/) {
            found = substr($0, RSTART + 7, RLENGTH - 7)
            words = substr(found, 1, index(found, "\"") - 1)
            sub(/^.*files: \[/, "", found); sub(/\]$/, "", found)
            print found "\t" words
        }' ../*.yaml
}

speak() {
    lang=$1 name=$2 words=$3
    set -- $(voice "$lang")
    voice=$1 speed=$2
    shift 2
    spoken=$(printf '%s' "$words" | sed "s/119/ $* /g")
    mkdir -p "$lang/$(dirname "$name")"
    espeak-ng -v "$voice" -s "$speed" -w "$work/spoken.wav" -- "$spoken"
    # Down to the telephone's rate (rate -h filters as it should), then the silence at both ends goes.
    # -D: no dither, so that the same words give the same file.
    sox -D "$work/spoken.wav" "$work/bare.wav" gain -6 rate -h 8000 silence 1 0.01 -48d reverse silence 1 0.01 -48d reverse
    # RMS of the parts where somebody speaks: pauses inside a sentence do not count.
    level=$(sox "$work/bare.wav" -n silence 1 0.05 -40d -1 0.05 -40d stats 2>&1 | awk '/^RMS lev dB/ { print $4 }')
    gain=$(awk -v level="$level" 'BEGIN { print -20 - level }')
    # Inside a sentence that is put together a pause would be heard as a stumble.
    case "$name" in n/* | *_before.wav | wait_*.wav) pause=0.03 ;; *) pause=0.1 ;; esac
    sox -D "$work/bare.wav" -e mu-law "$lang/$name" gain -l "$gain" fade 0.005 0 0.005 pad 0.02 "$pause"
    echo "$lang/$name: $(soxi -D "$lang/$name") s, \"$words\""
}

missing=0
for lang in $langs; do
    { sentences "$lang"; cat "$lang/pieces.tsv"; } > "$work/texts"
    while IFS="$tab" read -r name words; do
        case "$name" in "$only"*) speak "$lang" "$name" "$words" < /dev/null ;; esac
    done < "$work/texts"
    # Every file that a sentence of this language names must be there now.
    for name in $(awk -v lang="$lang" '
        /^[^ #]/ { inside = "" }
        match($0, /^  [a-z-]+:/) { inside = substr($0, 3, RLENGTH - 3) }
        inside == lang && match($0, /files: \[[^]]*\]/) { print substr($0, RSTART + 8, RLENGTH - 9) }' ../*.yaml |
        tr -d '" ' | tr ',' '\n' | grep -v '{{' | sort -u); do
        [ -s "$lang/$name" ] || { echo "$lang/$name is missing: add its words to $lang/pieces.tsv" >&2; missing=1; }
    done
done
exit "$missing"
