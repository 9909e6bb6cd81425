# SPDX-License-Identifier: Apache-2.0
# What somebody sees who is called in the night, and has read nothing but --help.
bats_require_minimum_version 1.5.0
load ../lib
load rollout

@test "status says what to do: no traffic, nobody runs it, another runs it" {
    manifest 'rollout: {steps: [20%, {percent: 40%, approval: true}, 100%], soak: 1s, history: 0s}'
    serve
    versions
    edgectl rollout history
    expect_status 0
    expect_in "$stderr" "no rollout yet on target 'local'"
    edgectl rollout status --openmetrics
    [ "$output" = "# EOF" ]
    "$EDGECTL" rollout run >../run.out 2>&1 3>&- &
    local runner=$!
    pids+=("$runner")
    wait_for 60 says "is there traffic"
    edgectl rollout run
    expect_status 5
    expect_in "$stderr" "is under way there: edgectl rollout status shows it"
    edgectl rollout promote
    expect_status 2
    expect_in "$stderr" "step 1 waits for no approval"
    kill -TERM "$runner"
    wait "$runner" || :
    edgectl rollout status
    expect_status 0
    expect_in "$output" "nobody runs it: go on with \`edgectl rollout resume\`"
    load_at 1000
    "$EDGECTL" rollout resume >../run.out 2>&1 3>&- &
    runner=$!
    pids+=("$runner")
    wait_for 60 says "waiting for approval: edgectl rollout promote"
    [[ $output != *"nobody runs it"* ]]
    edgectl rollout promote
    expect_in "$stderr" "approved; the process that runs the rollout goes on"
    wait "$runner"
    edgectl rollout status
    expect_in "$output" "done: all traffic is on the new version"
    [[ $output != *"nobody runs it"* ]]
    # Too late for an abort, but not for going back.
    edgectl rollout abort
    expect_status 2
    expect_in "$stderr" "put the one before back: edgectl rollback"
    edgectl rollback
    expect_status 0
    [ "$(share_of "$old")" = 100.0 ]
}

says() {
    edgectl rollout status
    [[ $output == *"$1"* ]]
}

# rollout run on a terminal of COLUMNS x ROWS; Ctrl-C once it has shown verdicts. Its output in
# ../screen.
on_terminal() {
    python3 - "$@" <<'END'
import fcntl, os, pty, struct, sys, termios
columns, rows = int(sys.argv[1]), int(sys.argv[2])
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.execv(os.environ["EDGECTL"], ["edgectl", "rollout", "run"])
seen, asked = b"", False
while True:
    try:
        piece = os.read(fd, 65536)
    except OSError:
        break
    if not piece:
        break
    seen += piece
    if not asked and seen.count(b"verdict: ") >= 4 or b"step 1 of 2: " in seen:
        asked = True
        os.write(fd, b"\x03")
os.waitpid(pid, 0)
open("../screen", "wb").write(seen)
END
}

@test "a narrow terminal has whole rows, and one that is too low has lines" {
    manifest 'rollout: {steps: [10%, 100%], soak: 1h, history: 0s}'
    serve
    versions
    load_at 300
    on_terminal 40 40
    # Rows are cut, not broken, and drawn over.
    python3 - <<'END'
import re
screen = open("../screen", "rb").read().decode()
frames = re.findall(r"\x1b\[\?7l(?:\x1b\[(\d+)A\x1b\[J)?(.*?)\x1b\[\?7h", screen, re.S)
assert len(frames) > 3, screen
for before, now in zip(frames, frames[1:]):
    assert int(now[0]) == before[1].count("\n"), (now[0], before[1])
assert "go on with: edgectl rollout resume" in screen
END
    edgectl rollout abort
    on_terminal 80 8
    # Once it does not fit any more nothing is drawn over.
    python3 - <<'END'
import re
screen = open("../screen", "rb").read().decode()
assert all(int(n) < 8 for n in re.findall(r"\x1b\[(\d+)A", screen)), screen
assert "step 1 of 2: " in screen, screen
END
}

@test "OpenMetrics text is read by Prometheus' own tool" {
    command -v promtool >/dev/null || skip "no promtool"
    serve
    versions
    load_at 500
    edgectl rollout start
    "$EDGECTL" rollout status --openmetrics >../text
    grep -q "^edgectl_rollout_info{.*stable=\"$old\",canary=\"$new\"} 1$" ../text
    [ "$(tail -n1 ../text)" = "# EOF" ]
    # Its linter wants help by a counter's whole name, which OpenMetrics has not.
    promtool check metrics <../text >../said 2>&1 || :
    [ -z "$(grep -v 'no help text' ../said)" ] || {
        cat ../said
        return 1
    }
}

@test "a step for those that name the version needs no share, and is told what it lacks" {
    manifest 'rollout: {steps: [{audience: {header: true}}, 100%], soak: 0s, history: 0s}'
    serve
    versions
    edgectl rollout plan
    expect_in "$output" "0 %  by its header or address only"
    edgectl rollout start
    [ "$(share_of "$new")" = 0.0 ]
    edgectl rollout status
    expect_in "$output" "only requests that name the new version reach it"
    curl -sf -H "edgectl-version: $new" -H "host: shop.localhost" "$url/" >../body
    grep -q new ../body
    manifest 'rollout: {steps: [{soak: 1s}, 100%]}'
    edgectl rollout status
    expect_status 9
    expect_in "$stderr" "a step has a 'percent', an 'audience', or both"
    manifest 'rollout: {steps: [{percent: 5%, audience: {regions: [eu]}}, 100%]}'
    edgectl rollout plan
    expect_status 2
    expect_in "$stderr" "cannot be split by region"
}
