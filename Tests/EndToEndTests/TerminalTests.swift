// netemu at a pseudo-terminal, driven by pexpect; the printed completion in real shells. The sessions are
// Tests/Programs/terminal/sessions.py.

import Glibc
import TestSupport
import Testing

@Suite("at a terminal")
struct TerminalTests {
    /// The distribution's Python: pexpect comes with a package of it.
    static let python = "/usr/bin/python3"
    static let hasPexpect =
        access("/usr/lib/python3/dist-packages/pexpect/__init__.py", R_OK) == 0 || Peers.areDemanded

    @Test(
        "what a person types, and what is shown then",
        .enabled(if: hasPexpect, "python3-pexpect is missing: run scripts/setup test"),
        arguments: ["editing", "completion", "shared", "interrupt", "job-control", "hang-up"])
    func session(name: String) throws { try Self.play(name) }

    @Test(
        "the printed completion completes in the shell it is for",
        .enabled(if: hasPexpect, "python3-pexpect is missing: run scripts/setup test"), arguments: ["zsh", "fish"])
    func completion(shell: String) throws {
        _ = try Peers.system(shell).require()
        try Self.play("\(shell)-completion")
    }

    private static func play(_ name: String) throws {
        try withTemporaryDirectory { directory in
            let netemu = try Peers.built("netemu").require()
            let sessions = Peers.packageRoot + "/Tests/Programs/terminal/sessions.py"
            let child = try Child(
                [python, sessions, netemu, name], environment: ["SESSION_DIRECTORY": directory.path])
            #expect(try child.wait(seconds: 90) == .exited(0), "\(child.transcript)")
        }
    }
}
