#!/usr/bin/env bash
# A model of your own, from nothing: sound, training, a model file, a report on it, and a patch that plays it.
#
#   examples/wavae.sh FOLDER                         ten minutes of made-up speech (needs espeak-ng)
#   examples/wavae.sh FOLDER --make drums            made-up drums, or strings (need fluidsynth and fluid-soundfont-gm)
#   examples/wavae.sh FOLDER --from SOUNDS           your own recordings: a folder of sound files, five minutes or more
#   examples/wavae.sh FOLDER --from SOUNDS --tiny    in miniature, a minute: every step works, nothing sounds good yet
#
#   --sound tones|speech|drums   how finely to listen: tones tells pitches apart, drums moments, speech is between
#   --steps N                    of training; twice as many take twice as long and sound better
#
# It takes about a quarter of an hour on two cores that have nothing else to do.  Everything lands in FOLDER, and the same line
# again goes on where it was stopped.  Needs: pip install 'zrack[train]'.  ZRACK says how zrack is called, if not as `zrack`.
set -euo pipefail

die() { echo "wavae.sh: $*" >&2; exit 2; }
say() { printf '\n%s  %s\n' "$(date +%T)" "$*"; }

case ${1:-} in "" | -*) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 2 ;; esac
out=$1 make=voice from="" sound="" tiny="" steps=""
shift
while [[ $# -gt 0 ]]; do
  case $1 in
    --tiny) tiny=yes; shift; continue ;;
    --make | --from | --sound | --steps) [[ $# -gt 1 ]] || die "$1 needs a value" ;;
    *) die "there is no option $1; examples/wavae.sh --help" ;;
  esac
  declare "${1#--}=$2"
  shift 2
done

read -ra zrack <<< "${ZRACK:-$(command -v zrack || echo "$(dirname "$0")/../.venv/bin/zrack")}"
mkdir -p "$out"

say "1 of 6: sound to learn from, into $out/corpus"
# Of ten stretches of sound one is kept for checks during the training and one for the report: the model never hears those.
if [[ -n $from ]]; then
  "${zrack[@]}" data "$from" --longest "$([[ $tiny ]] && echo 2 || echo 8)" -o "$out/corpus"
else
  "${zrack[@]}" data --make "$make" --minutes "$([[ $tiny ]] && echo 0.5 || echo 10)" -o "$out/corpus"
fi

say "2 of 6: training, into $out/run; listen to $out/run/heard as it goes"
# First the autoencoder learns what sounds the corpus has and puts them in order, then the vocoder how to say them.
train=(--data "$out/corpus" -o "$out/run")
case ${sound:-$make} in
  strings | tones) train+=(--sound tones --frames 24576) ;;
  drums) train+=(--sound drums) ;;
  voice | speech) train+=(--sound speech) ;;
  *) die "there is no sound ${sound:-$make}; there are tones, speech and drums" ;;
esac
if [[ $tiny ]]; then
  train+=(--preset tiny --steps "${steps:-20}" --batch 2)
else
  train+=(--preset small --steps "${steps:-6000}" --every 500)
fi
"${zrack[@]}" train wavae "${train[@]}"

say "3 of 6: the model file, $out/model.ts"
# What you export yourself may run on this machine at once; elsewhere it needs a yes: zrack models model.ts --trust
"${zrack[@]}" export "$out/run" -o "$out/model.ts" --excerpt "$out/held-out.flac"

say "4 of 6: the report, $out/report/report.md"
"${zrack[@]}" evaluate wavae --model "$out/model.ts" --data "$out/corpus" -o "$out/report"

say "5 of 6: a patch that plays it, $out/play.zrack"
# A recording that the model never heard goes in, comes out as what the model makes of it, and on its way a slow wave goes from
# the plainest thing that the model can say (0) to a caricature of what it hears (1.6).  Loudness is a cable of its own.
cat > "$out/play.json" << 'END'
{
  "zrack": 1,
  "nodes": {
    "take":   {"type": "source/sample", "settings": {"file": "held-out.flac"}, "at": [0, 0]},
    "encode": {"type": "model/nn", "settings": {"file": "model.ts", "method": "encode"}, "at": [270, 0]},
    "tide":   {"type": "mod/lfo", "params": {"rate": 0.1}, "at": [270, 300]},
    "bend":   {"type": "latent/affine", "params": {"gain": 0.8}, "at": [540, 0]},
    "decode": {"type": "model/nn", "settings": {"file": "model.ts", "method": "decode"}, "at": [810, 0]},
    "out":    {"type": "io/output", "at": [1080, 0]}
  },
  "cables": [
    ["take.out", "encode.audio"],
    ["encode.z", "bend.z"],
    ["tide.out", "bend.gain", 0.8, "units"],
    ["bend.out", "decode.z"],
    ["encode.loudness", "decode.loudness"],
    ["decode.out", "out.audio"]
  ]
}
END
"${zrack[@]}" build "$out/play.json" -o "$out/play.zrack"
"${zrack[@]}" check "$out/play.zrack"

say "6 of 6: how it sounds, $out/play.wav"
"${zrack[@]}" render "$out/play.zrack" -o "$out/play.wav" --seconds "$([[ $tiny ]] && echo 4 || echo 20)" \
  --spectrogram "$out/play.png"
say "done; to go on by hand: ${zrack[*]} $out/play.zrack"
