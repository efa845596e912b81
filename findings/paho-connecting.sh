#!/usr/bin/env bash
# Four things that surprise a program which leaves connecting to paho-mqtt 2.
#
# 1. on_connect_fail gets no error: refused, unknown host and a certificate that does not fit look alike. It is called while
#    the error is handled, so that sys.exception() has it.
# 2. The first try after a connect_async that failed comes after three times the shortest wait: it waits once, finds no
#    connection to read from, and waits again, twice as long.
# 3. disconnect() while its thread connects is forgotten: the connection is made, and on_connect called.
# 4. loop_stop() has no timeout, and waits for that thread: for as long as a broker that takes connections and says nothing
#    lets a TLS handshake wait (connect_timeout, 5 s), or a name is looked up.
#
# Needs Debian 12 and: apt-get install mosquitto openssl python3-venv. Ends with 1 if paho behaves otherwise.
set -euo pipefail
folder="$(mktemp -d)"
trap 'kill "${broker:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
PATH="$PATH:/usr/sbin"
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q --disable-pip-version-check paho-mqtt==2.2.0
port=$((20000 + RANDOM % 10000))
printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$port" >"$folder/mosquitto.conf"
mosquitto -c "$folder/mosquitto.conf" >/dev/null 2>&1 &
broker=$!
for _ in $(seq 100); do if (: </dev/tcp/127.0.0.1/$port) 2>/dev/null; then break; fi; sleep 0.1; done

"$folder/venv/bin/python" - "$port" <<'PYTHON'
import importlib.metadata, socket, sys, threading, time
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

port, surprises = int(sys.argv[1]), []
print("paho-mqtt", importlib.metadata.version("paho-mqtt"))


def report(what, is_so):
    print(f"   {what}: {'yes' if is_so else 'NO'}")
    surprises.append(is_so)


closed = socket.create_server(("127.0.0.1", 0))
nobody = closed.getsockname()[1]
closed.close()
failures, second = [], threading.Event()


def on_connect_fail(*arguments):
    failures.append((time.monotonic(), arguments[2:], sys.exception()))
    if len(failures) == 2:
        second.set()


client = Client(CallbackAPIVersion.VERSION2)
client.reconnect_delay_set(1, 60)
client.on_connect_fail = on_connect_fail
client.connect_async("127.0.0.1", nobody)
client.loop_start()
second.wait(30)
client.disconnect()
print("1. nobody listens")
report(f"on_connect_fail was handed {failures[0][1]}, and sys.exception() is {failures[0][2]!r}", failures[0][1] == ())
print("2. the shortest wait is 1 s")
waited_s = failures[1][0] - failures[0][0]
report(f"the next try came after {waited_s:.1f} s", waited_s > 2.5)

print("3. disconnect() while the thread connects")
connecting, may_go_on, connected = threading.Event(), threading.Event(), threading.Event()
client = Client(CallbackAPIVersion.VERSION2)
client.on_pre_connect = lambda *_: (connecting.set(), may_go_on.wait(10))
client.on_connect = lambda *_: connected.set()
client.connect_async("127.0.0.1", port)
client.loop_start()
connecting.wait(10)
client.disconnect()
may_go_on.set()
report("it connects all the same", connected.wait(5))
client.disconnect()

print("4. loop_stop() while a broker does not answer a TLS handshake")
silent = socket.create_server(("127.0.0.1", 0))
client = Client(CallbackAPIVersion.VERSION2)
client.tls_set()
client.connect_async("127.0.0.1", silent.getsockname()[1])
client.loop_start()
taken, _ = silent.accept()
client.disconnect()
began_s = time.monotonic()
client.loop_stop()
waited_s = time.monotonic() - began_s
report(f"it returned after {waited_s:.1f} s", waited_s > 2)
taken.close()
silent.close()
sys.exit(0 if all(surprises) else 1)
PYTHON
