// Goes into netemu's sandbox as netemu does, and tries what it must not be able to do.
//
//   sandbox-probe WALL VICTIM ATTEMPT...     says ATTEMPT and errno, or 0, of each
//
// WALL: none, fence (the file tree only), on, or QEMU's word for what is allowed: spawn, elevateprivileges,
// resourcecontrol, obsolete. VICTIM: a pid, or `minder` for this program's own.

import CAttempts
import Glibc
import Linux
import NetEmu

func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = bytes.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
}

func enter(_ wall: String) throws {
    var plan = SandboxPlan()
    plan.allowsSpawn = wall == "spawn"
    plan.allowsElevation = wall == "elevateprivileges"
    plan.allowsResourceControl = wall == "resourcecontrol"
    plan.allowsObsolete = wall == "obsolete"
    guard wall != "none" else { return }
    try ProgramSandbox.fence(plan)
    if wall != "fence" { try ProgramSandbox.enter(plan) }
}

let words = ProgramArguments.words
guard words.count >= 3 else { exit(2) }
let minder = try Minder.start([MindedProgram(path: "/bin/true") { _ in nil }])
let victim = words[1] == "minder" ? minder.pid : pid_t(words[1]) ?? 0
try enter(words[0])
for word in words.dropFirst(2) { say("\(word) \(attempt(word, victim))") }
exit(minder.finish() ? 0 : 1)
