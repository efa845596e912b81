#!/usr/bin/env bash
# Two things that a program which captures under PipeWire 0.3.65 is not told.
#
# 1. A source that vanishes is replaced by the monitor of a dummy sink: zeros at full rate, no error.
# 2. PipeWire's plugin of ALSA loses what does not fit into the program's buffer, without an overrun: with a buffer of 40 ms
#    about half of the samples arrive at a quantum of 8192, with one of 500 ms all of them.
#
# Needs Debian 12 and: apt-get install pipewire pipewire-pulse wireplumber dbus-daemon pulseaudio-utils alsa-utils. The plugin is
# of pipewire-alsa, which is downloaded and unpacked, since it cannot be installed beside PulseAudio. Ends with 1 if PipeWire
# behaves otherwise.
set -euo pipefail

folder="$(mktemp -d)"
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
chmod 700 "$folder"
export HOME="$folder" XDG_RUNTIME_DIR="$folder" XDG_CONFIG_HOME="$folder" XDG_STATE_HOME="$folder"
export PULSE_SERVER="unix:$folder/pulse/native" DBUS_SESSION_BUS_ADDRESS="unix:path=$folder/bus"
unset DISPLAY

wait_for() {  # COMMAND...: until it succeeds, for at most 10 s
  for _ in $(seq 100); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  echo "expected to succeed within 10 s: $*" >&2
  exit 1
}

begin() {  # PROGRAM...
  "$@" >>"$folder/log" 2>&1 &
  pids+=($!)
}

create() {  # NAME CLASS
  pw-cli create-node adapter "{ factory.name=support.null-audio-sink node.name=$1 media.class=$2 object.linger=true
    audio.position=[ MONO ] }" >/dev/null
}

begin dbus-daemon --session --nofork "--address=$DBUS_SESSION_BUS_ADDRESS"
begin pipewire
wait_for pw-cli info 0
begin wireplumber
begin pipewire-pulse
wait_for pactl info
pipewire --version | head -2
wireplumber --version | tail -1
create microphone Audio/Source/Virtual
wait_for pactl set-default-source microphone

echo "1. a program captures 'microphone', which vanishes"
parec --raw --latency-msec=50 --format=s16le --rate=16000 --channels=1 >"$folder/captured" &
pids+=($!)
recorder=$!
source_of() { pactl list short source-outputs | cut -f 2 | xargs -I{} sh -c 'pactl list short sources | grep -P "^{}\t" | cut -f 2'; }
wait_for sh -c 'pactl list short source-outputs | grep -q .'
sleep 1
echo "   before: captures $(source_of)"
[ "$(source_of)" = microphone ]
pw-cli destroy microphone
sleep 1
before="$(stat -c %s "$folder/captured")"
sleep 3
after="$(stat -c %s "$folder/captured")"
n_sounding="$(tail -c "$((after - before))" "$folder/captured" | tr -d '\0' | wc -c)"
echo "   after: captures $(source_of), $(((after - before) / 2 / 3)) samples a second, $n_sounding bytes of them not zero"
[ "$(source_of)" = auto_null.monitor ]
[ "$((after - before))" -gt 80000 ]
[ "$n_sounding" = 0 ]
kill -0 "$recorder"
kill "$recorder"

echo "2. PipeWire's plugin of ALSA at a quantum of 8192"
(cd "$folder" && apt-get download -qq pipewire-alsa >/dev/null 2>&1 && dpkg -x pipewire-alsa_*.deb plugin)
plugin="$(find "$folder/plugin" -name 'libasound_module_pcm_pipewire.so')"
printf '%s\n' '</usr/share/alsa/alsa.conf>' "pcm_type.pipewire { lib \"$plugin\" }" 'pcm.pipewire { type pipewire }' >"$folder/asound.conf"
export ALSA_CONFIG_PATH="$folder/asound.conf"
create microphone Audio/Source/Virtual
wait_for pactl set-default-source microphone
pw-metadata -n settings 0 clock.force-quantum 8192 >/dev/null
sleep 1
arrived() {  # BUFFER_US: per cent of the samples of 6 s
  timeout -s INT 6 arecord -q -D pipewire -t raw -f S16_LE -r 16000 -c 1 --buffer-time="$1" >"$folder/arrived" 2>"$folder/complaints" || true
  echo "$(($(stat -c %s "$folder/arrived") * 100 / (2 * 16000 * 6)))"
}
small="$(arrived 40000)"
echo "   buffer of 40 ms: $small % of the samples arrive; overruns reported: $(grep -c overrun "$folder/complaints" || true)"
large="$(arrived 500000)"
echo "   buffer of 500 ms: $large % of the samples arrive"
[ "$small" -lt 70 ]
[ "$large" -gt 90 ]
echo "as found"
