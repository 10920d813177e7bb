#!/usr/bin/env bash
# Drives the real program in a real window under Xvfb, with mouse and keys, and keeps screenshots.
# Needs Debian's xvfb, xdotool, imagemagick and mesa-vulkan-drivers.
#   tests/window.sh [PROGRAM] [IMAGE] [FOLDER FOR SCREENSHOTS]
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:-target/debug/voxelry}
image=${2:-assets/mni152_t1_1mm.nii.gz}
shots=${3:-target/window}
mkdir -p "$shots"
home=$(mktemp -d)
export DISPLAY=:93 HOME=$home XDG_CONFIG_HOME=$home XDG_DATA_HOME=$home XDG_RUNTIME_DIR=$home
Xvfb :93 -screen 0 1400x900x24 >/dev/null 2>&1 &
server=$!
trap 'kill $viewer $server 2>/dev/null; rm -rf "$home"' EXIT
sleep 1
"$program" "$image" 2>"$shots/messages.txt" &
viewer=$!

for _ in $(seq 100); do
    window=$(xdotool search --name '^Voxelry$' 2>/dev/null | tail -1) && [ -n "$window" ] && break
    sleep 0.1
done
[ -n "$window" ] || { echo "no window"; exit 1; }
at() { xdotool mousemove --window "$window" "$@"; }
# Drags with a button, as slowly as a hand does.
drag() {
    xdotool mousedown "$1"
    for _ in 1 2 3 4; do
        sleep 0.1
        xdotool mousemove_relative -- "$2" "$3"
    done
    sleep 0.1
    xdotool mouseup "$1"
}
# A picture that is one colour shows nothing; one like the last means that nothing happened.
last=""
keep() {
    kill -0 $viewer || { echo "$1: the program has ended"; cat "$shots/messages.txt"; exit 1; }
    sleep "${2:-2}"
    import -window "$window" "$shots/$1.png"
    local colours sum
    colours=$(identify -format %k "$shots/$1.png")
    sum=$(identify -format '%#' "$shots/$1.png")
    [ "$colours" -gt 100 ] || { echo "$1: the picture is empty"; exit 1; }
    [ "$sum" != "$last" ] || { echo "$1: nothing has changed"; exit 1; }
    last=$sum
    echo "$1: $colours colours"
}

keep open 6
# There may be no window manager that does it.
xdotool windowfocus "$window"
at 400 200 click --repeat 3 --delay 60 4; keep wheel
at 330 150; drag 1 30 20; keep crosshair
at 400 200; drag 3 20 12; keep contrast
xdotool key r; keep contrast-reset
at 800 600; drag 1 -30 8; keep turned 4
at 800 600 click 1; keep picked 3
xdotool key 1; keep montage 4
at 500 730 click 1; keep slice-chosen
xdotool key 3; keep volume 5
xdotool key F9; keep without-panels 5
xdotool key F9; xdotool key ctrl+r; keep recipe 3
xdotool key ctrl+e; keep export 1
xdotool key Escape
xdotool key ctrl+p; keep palette 1
xdotool type --delay 60 "settings"; xdotool key Return; keep settings 1
xdotool key Escape; keep settings-shut 1
# Segmentation: painted, taken with the wand, taken back and made again, measured, and a row chosen in the table.
xdotool key 2; keep planes 4
xdotool key p; sleep 1
at 390 260; drag 1 12 6; keep painted 4
xdotool key m; sleep 0.5
xdotool key w; at 340 320; sleep 2
xdotool click 1; keep wand 4
xdotool key ctrl+z; keep undone 4
xdotool key ctrl+y; keep redone 4
xdotool key ctrl+m; keep measured 8
at 260 643 click 1; keep row-chosen 4
# Edits are in no file: the program asks before it ends.
xdotool key ctrl+q; keep asks 2
at 608 428 click 1
for _ in $(seq 50); do kill -0 $viewer 2>/dev/null || break; sleep 0.1; done
if kill -0 $viewer 2>/dev/null; then echo "the program does not end"; exit 1; fi
[ -z "$(find "$home" -name '*.voxelry')" ] || { echo "a session was left behind"; exit 1; }
echo "screenshots: $shots"
