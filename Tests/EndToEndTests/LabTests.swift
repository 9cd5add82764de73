// What a newcomer types: every line of the README and of the manual's examples, in the shell that `make lab` opens.
// The typist is Tests/Programs/lab/type-lines.py.

import Glibc
import TestSupport
import Testing

@Suite("the lab")
struct LabTests {
    @Test(
        "every line of README and manual works as typed, and prints what is printed there",
        .enabled(if: TerminalTests.hasPexpect, "python3-pexpect is missing: run scripts/setup test"),
        arguments: ["README.md", "man/netemu.1"])
    func lines(document: String) throws {
        let root = Peers.packageRoot
        let child = try Child(
            [
                root + "/scripts/lab", TerminalTests.python, root + "/Tests/Programs/lab/type-lines.py",
                root + "/" + document,
            ],
            environment: ["NETEMU_LAB_BUILD": "debug"])
        #expect(try child.wait(seconds: 300) == .exited(0), "\(child.transcript)")
        #expect(child.output.contains(" lines typed"))
    }
}
