#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# storeyd beside nginx: the same files, the same load, one after the other, in
# rounds. Prints requests a second, CPU microseconds a request (user and system,
# from /proc/PID/stat over the run), and the 50th and 99th percentile; then the
# medians and storeyd's share of nginx's CPU. storeyd reads a .3tz, writes its access
# log, and counts by package, key and day; nginx reads files and writes no log.
#
#     tests/bench/bench_http.sh [BUILD]      (build/release)
#
#     SECONDS_EACH=4 ROUNDS=3 CONNECTIONS="64 128 256 1000" SMOOTH="127 128 129 256 512"
#
# Needs wrk and nginx. Ports lie below the range that clients' ports come from.
set -euo pipefail
build=${1:-build/release}
seconds=${SECONDS_EACH:-4}
rounds=${ROUNDS:-3}
connections=${CONNECTIONS:-64 128 256 1000}
smooth=${SMOOTH-127 128 129 256 512}
for tool in wrk nginx; do
    command -v "$tool" >/dev/null || { echo "bench_http: $tool is not installed"; exit 1; }
done
[ -x "$build/storeyd" ] || { echo "bench_http: build first: cmake --build --preset release"; exit 1; }

work=$(mktemp -d /tmp/storey-bench-XXXXXX)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
chmod 755 "$work" # nginx's workers are another user

# 600 tiles of 1 to 32 KiB that do not compress, and a root.
mkdir -p "$work/city/tiles" "$work/served"
for i in $(seq 600); do
    head -c $(((i * 7919 % 32 + 1) * 1024)) /dev/urandom >"$work/city/tiles/$i.bin"
done
for i in $(seq 40); do head -c 32768 /dev/urandom >"$work/city/tiles/large$i.bin"; done
# Only what the root leads to is served.
{
    volume='"boundingVolume":{"region":[1.99,0.39,1.991,0.391,0,100]},"geometricError":0'
    printf '{"asset":{"version":"1.1"},"geometricError":10,"root":{%s,"refine":"ADD","children":[' "$volume"
    for name in $(seq 600) large{1..40}; do
        printf '%s{%s,"content":{"uri":"tiles/%s.bin"}}' "$([ "$name" = 1 ] || echo ,)" "$volume" "$name"
    done
    printf ']}}'
} >"$work/city/tileset.json"
if [ -x "$build/storey" ] && "$build/storey" pack "$work/city" -o "$work/served/city.3tz" >/dev/null 2>&1; then
    kind=".3tz"
else
    cp -r "$work/city" "$work/served/city"
    kind="folder"
fi

cat >"$work/mix.lua" <<'LUA'
math.randomseed(os.time())
local prefix = wrk.path
local n = 0
request = function() n = (n * 1103515245 + 12345 + math.random(600)) % 600
    return wrk.format("GET", prefix .. "tiles/" .. (n + 1) .. ".bin") end
LUA
cat >"$work/large.lua" <<'LUA'
local prefix = wrk.path
local n = 0
request = function() n = n % 40 + 1
    return wrk.format("GET", prefix .. "tiles/large" .. n .. ".bin") end
LUA
cat >"$work/known.lua" <<'LUA'
local prefix, tag = wrk.path, os.getenv("TAG")
request = function() return wrk.format("GET", prefix .. "tiles/7.bin", {["If-None-Match"] = tag}) end
LUA

cat >"$work/nginx.conf" <<CONF
worker_processes auto; pid $work/nginx.pid; error_log $work/error.log; daemon off;
events { worker_connections 8192; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; keepalive_timeout 75;
  open_file_cache max=10000 inactive=60s; etag on; types { application/octet-stream bin; }
  client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3;
  uwsgi_temp_path $work/t4; scgi_temp_path $work/t5;
  server { listen 127.0.0.1:18482 reuseport backlog=1024; root $work/city; }
}
CONF
nginx -c "$work/nginx.conf" -p "$work" 2>/dev/null &
pids+=($!)
nginx_pid=$!
"$build/storeyd" "$work/served" --listen 127.0.0.1:18481 --admin 127.0.0.1:18483 \
    --access-log "$work/access.log" --usage "$work/usage" 2>"$work/err" &
pids+=($!)
storeyd_pid=$!
sleep 1

ticks=$(getconf CLK_TCK)
cpu_of() { # microseconds of a process and its children
    local sum=0 pid
    for pid in "$1" $(pgrep -P "$1" || true); do
        sum=$((sum + $(awk '{print $14 + $15}' "/proc/$pid/stat")))
    done
    echo $((sum * 1000000 / ticks))
}

measure() { # set name pid url script connections
    local before after out
    before=$(cpu_of "$3")
    out=$(wrk -t2 -c"$6" -d"${seconds}s" --latency -s "$5" "$4")
    after=$(cpu_of "$3")
    awk -v set="$1" -v name="$2" -v c="$6" -v cpu=$((after - before)) '
        /requests in/ { n = $1 } /Requests\/sec/ { rps = $2 } / 50%/ { p50 = $2 } / 99%/ { p99 = $2 }
        /Non-2xx/ { bad = $NF }
        END { printf "%-10s %-8s %5d %10.0f %8.1f %9s %9s%s\n", set, name, c, rps, n ? cpu / n : 0, p50, p99, bad ? " errors " bad : "" }' <<<"$out" |
        tee -a "$work/results"
}

tag_of() { curl -sI "$1" | tr -d '\r' | awk 'tolower($1) == "etag:" { print $2 }'; }

storeyd_url=http://127.0.0.1:18481/collections/city/3dtiles/
nginx_url=http://127.0.0.1:18482/
both() { # set script connections
    measure "$1" nginx "$nginx_pid" "$nginx_url" "$2" "$3"
    measure "$1" storeyd "$storeyd_pid" "$storeyd_url" "$2" "$3"
}

echo "set, server, connections, requests/s, CPU us/request, p50, p99 (storeyd reads $kind)"
for round in $(seq "$rounds"); do
    for c in $connections; do both mix "$work/mix.lua" "$c"; done
    for c in 64 128; do both 32KiB "$work/large.lua" "$c"; done
    TAG=$(tag_of "${nginx_url}tiles/7.bin") measure 304 nginx "$nginx_pid" "$nginx_url" "$work/known.lua" 64
    TAG=$(tag_of "${storeyd_url}tiles/7.bin") measure 304 storeyd "$storeyd_pid" "$storeyd_url" "$work/known.lua" 64
    for c in $smooth; do measure line storeyd "$storeyd_pid" "$storeyd_url" "$work/mix.lua" "$c"; done
done

echo
echo "medians: set, connections, CPU us/request of nginx and storeyd, share; p99 in ms; requests/s"
sort -k1,1 -k3,3n -k2,2 "$work/results" | awk '
    function ms(t) { return t ~ /us$/ ? t / 1000 : t ~ /ms$/ ? t + 0 : t * 1000 }
    function median(list, n,   i, j, t, v) {
        split(list, v, " ")
        for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
        return v[int((n + 1) / 2)]
    }
    { k = $1 " " $3; if (!(k in seen)) { seen[k] = ++keys; name[keys] = k }
      n[k, $2]++; cpu[k, $2] = cpu[k, $2] " " $5; rps[k, $2] = rps[k, $2] " " $4; late[k, $2] = late[k, $2] " " ms($7) }
    END { for (i = 1; i <= keys; i++) { k = name[i]
            b = median(cpu[k, "storeyd"], n[k, "storeyd"]); bl = median(late[k, "storeyd"], n[k, "storeyd"]); br = median(rps[k, "storeyd"], n[k, "storeyd"])
            if ((k, "nginx") in n) { a = median(cpu[k, "nginx"], n[k, "nginx"]); al = median(late[k, "nginx"], n[k, "nginx"]); ar = median(rps[k, "nginx"], n[k, "nginx"])
                printf "%-16s %6.1f %6.1f  %4.2f   %7.2f %7.2f  %8.0f %8.0f\n", k, a, b, b / a, al, bl, ar, br }
            else printf "%-16s      - %6.1f     -         - %7.2f         - %8.0f\n", k, b, bl, br } }'

# What was counted is what was asked for; connections that wrk cut are not in its own number.
counted=$(curl -s http://127.0.0.1:18483/usage | sed -nE 's/.*"package":"city".*"calls":([0-9]+).*/\1/p')
echo "counted: $counted calls of 'city'"
