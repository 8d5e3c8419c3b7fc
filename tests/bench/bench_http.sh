#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# storeyd beside nginx: the same files, the same load, in short turns one after the
# other, so that a busy moment of the machine meets both. Prints medians of requests a
# second, CPU microseconds a request (user and system, from /proc/PID/stat over each
# turn), storeyd's share of nginx's, and the 50th and 99th percentile of latency.
# storeyd reads a .3tz, writes its access log, and counts by package, key and day;
# nginx reads files and writes no log.
#
#     tests/bench/bench_http.sh [BUILD]      (build/release)
#
#     SECONDS_EACH=1 ROUNDS=9 SETS="mix 32KiB 304"
#     CONNECTIONS="64 127 128 129 256 512 1000"
#     SERVER_CPU=0 WRK_CPU=1     one worker each on one core, wrk on another
#     WORKERS=2                  as many workers each, pinned nowhere
#
# A median of the share hides what a neighbour did to one turn; a load above the
# number of cores inflates every figure, as the last line reminds of.
#
# Needs wrk and nginx. Ports lie below the range that clients' ports come from.
set -euo pipefail
build=${1:-build/release}
seconds=${SECONDS_EACH:-1}
rounds=${ROUNDS:-9}
sets=${SETS:-mix 32KiB 304}
connections=${CONNECTIONS:-64 127 128 129 256 512 1000}
workers=${WORKERS:-1}
for tool in wrk nginx; do
    command -v "$tool" >/dev/null || { echo "bench_http: $tool is not installed"; exit 1; }
done
[ -x "$build/storeyd" ] || { echo "bench_http: build first: cmake --build --preset release"; exit 1; }
at_server=()
at_wrk=()
if [ "$workers" = 1 ]; then
    at_server=(taskset -c "${SERVER_CPU:-0}")
    at_wrk=(taskset -c "${WRK_CPU:-$(($(nproc) > 1))}")
fi

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

# Requests are written once: wrk's own share of the work stays small.
cat >"$work/mix.lua" <<'LUA'
local requests = {}
init = function() for i = 1, 600 do requests[i] = wrk.format("GET", wrk.path .. "tiles/" .. i .. ".bin") end end
request = function() return requests[math.random(600)] end
LUA
cat >"$work/32KiB.lua" <<'LUA'
local requests, n = {}, 0
init = function() for i = 1, 40 do requests[i] = wrk.format("GET", wrk.path .. "tiles/large" .. i .. ".bin") end end
request = function() n = n % 40 + 1 return requests[n] end
LUA
cat >"$work/304.lua" <<'LUA'
local known
init = function() known = wrk.format("GET", wrk.path .. "tiles/7.bin", {["If-None-Match"] = os.getenv("TAG")}) end
request = function() return known end
LUA

cat >"$work/nginx.conf" <<CONF
worker_processes $workers; pid $work/nginx.pid; error_log $work/error.log; daemon off;
events { worker_connections 8192; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; keepalive_timeout 75;
  open_file_cache max=10000 inactive=60s; etag on; types { application/octet-stream bin; }
  client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3;
  uwsgi_temp_path $work/t4; scgi_temp_path $work/t5;
  server { listen 127.0.0.1:18482 reuseport backlog=1024; root $work/city; }
}
CONF
"${at_server[@]}" nginx -c "$work/nginx.conf" -p "$work" 2>/dev/null &
pids+=($!)
nginx_pid=$!
"${at_server[@]}" "$build/storeyd" "$work/served" --listen 127.0.0.1:18481 --admin 127.0.0.1:18483 \
    --threads "$workers" --access-log "$work/access.log" --usage "$work/usage" 2>"$work/err" &
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

measure() { # round set connections name pid url
    local before after out
    before=$(cpu_of "$5")
    out=$("${at_wrk[@]}" wrk -t"$workers" -c"$3" -d"${seconds}s" --latency -s "$work/$2.lua" "$6")
    after=$(cpu_of "$5")
    awk -v round="$1" -v set="$2" -v c="$3" -v name="$4" -v cpu=$((after - before)) '
        function ms(t) { return t ~ /us$/ ? t / 1000 : t ~ /ms$/ ? t + 0 : t * 1000 }
        /requests in/ { n = $1 } /Requests\/sec/ { rps = $2 } / 50%/ { p50 = $2 } / 99%/ { p99 = $2 }
        /Non-2xx/ && set != "304" { bad = $NF }
        END { if (n) print round, set, c, name, rps, cpu / n, ms(p50), ms(p99), bad + 0 }' <<<"$out" >>"$work/results"
}

tag_of() { curl -sI "$1" | tr -d '\r' | awk 'tolower($1) == "etag:" { print $2 }'; }

storeyd_url=http://127.0.0.1:18481/collections/city/3dtiles/
nginx_url=http://127.0.0.1:18482/
storeyd_tag=$(tag_of "${storeyd_url}tiles/7.bin")
nginx_tag=$(tag_of "${nginx_url}tiles/7.bin")
load_before=$(cut -d' ' -f1-3 /proc/loadavg)
for round in $(seq "$rounds"); do
    for set in $sets; do
        for c in $connections; do
            TAG=$nginx_tag measure "$round" "$set" "$c" nginx "$nginx_pid" "$nginx_url"
            TAG=$storeyd_tag measure "$round" "$set" "$c" storeyd "$storeyd_pid" "$storeyd_url"
        done
    done
done

echo "storeyd ($kind) beside nginx, $workers worker(s) each, medians of $rounds turns of $seconds s"
echo "                 requests/s        CPU us/request         p50 ms          p99 ms"
echo "set    conns   nginx storeyd   nginx storeyd share   nginx storeyd   nginx storeyd  errors"
awk '
    function median(list, v, n, i, j, t) {
        n = split(list, v, " ")
        for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
        return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
    }
    { k = $2 " " $3; if (!(k in seen)) { seen[k] = 1; order[++keys] = k }
      rps[k, $4] = rps[k, $4] " " $5; cpu[k, $4] = cpu[k, $4] " " $6
      p50[k, $4] = p50[k, $4] " " $7; p99[k, $4] = p99[k, $4] " " $8; bad[k] += $9
      if ($4 == "nginx") { base = $6; of = $1 " " k } else if (of == $1 " " k && base > 0) share[k] = share[k] " " $6 / base }
    END { for (i = 1; i <= keys; i++) { k = order[i]; split(k, part, " ")
        printf "%-6s %5d %7.0f %7.0f %7.1f %7.1f  %4.2f %7.2f %7.2f %7.2f %7.2f %7d\n", part[1], part[2],
            median(rps[k, "nginx"]), median(rps[k, "storeyd"]), median(cpu[k, "nginx"]), median(cpu[k, "storeyd"]),
            median(share[k]), median(p50[k, "nginx"]), median(p50[k, "storeyd"]),
            median(p99[k, "nginx"]), median(p99[k, "storeyd"]), bad[k] } }' "$work/results"

# What was counted is what was asked for; connections that wrk cut are not in its own number.
counted=$(curl -s http://127.0.0.1:18483/usage | sed -nE 's/.*"package":"city".*"calls":([0-9]+).*/\1/p')
echo "counted: $counted calls of 'city'; load $load_before before, $(cut -d' ' -f1-3 /proc/loadavg) after, $(nproc) cores"
