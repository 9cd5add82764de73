// A helper beside a passt, played by a script: when it counts as connected, what is said when it does not come.

import Glibc
import Linux
import TestSupport
import Testing

@testable import PasstLauncher

@Suite("A repair helper beside passt") struct RepairRunTests {
    /// Runs a helper that is this shell script; what its start was answered, once.
    private func outcome(_ script: String, _ check: (RepairRun, [String?]) throws -> Void) throws {
        let reactor = try Reactor()
        let directory = try RuntimeDirectory(below: "/tmp")
        defer { directory.removeAll() }
        try SmallFile.write(Array("#!/bin/sh\n\(script)\n".utf8), to: "helper", in: directory.raw, mode: 0o755)
        let spawner = DirectSpawner(reactor: reactor)
        let run = RepairRun(
            try RepairProgram(directory.path + "/helper"), files: PasstFiles(number: 3), in: directory,
            tools: PasstTools(spawner: spawner, reactor: reactor))
        var answers: [String?] = []
        run.start { answers.append($0) }
        #expect(answers.isEmpty)
        try turn(reactor) { !answers.isEmpty }
        try check(run, answers)
        run.end()
        try turn(reactor) { spawner.runningCount == 0 }
        #expect(spawner.runningCount == 0)
        #expect(answers.count == 1)
    }

    private func turn(_ reactor: Reactor, until condition: () -> Bool) throws {
        let deadline = reactor.nowNanoseconds + 20_000_000_000
        while !condition(), reactor.nowNanoseconds < deadline { try reactor.turn(maxWaitNanoseconds: 20_000_000) }
    }

    @Test("it is connected when it says so, and has passt's socket as its argument")
    func connects() throws {
        try outcome(
            "[ \"$*\" = '-v passt3.sock.repair' ] && echo 'netemu-repair: connected to peer pid 1 uid 0'; sleep 60"
        ) {
            #expect($1 == [nil])
            #expect($0.isConnected)
        }
    }

    @Test("one that ends says why in its own words")
    func refuses() throws {
        try outcome("echo 'netemu-repair: CAP_NET_ADMIN is missing; as root: setcap' >&2; exit 1") {
            #expect($1 == ["CAP_NET_ADMIN is missing; as root: setcap"])
            #expect(!$0.isConnected)
        }
        try outcome("exit 3") { #expect($1 == ["it exited with code 3"]) }
    }

    @Test("one that does not connect is ended")
    func hangs() throws {
        try outcome("exec sleep 60") { #expect($1 == ["it was not connected within 3 s"]) }
    }

    @Test("a program is found by its path; one that is not there has an error with its name")
    func program() throws {
        #expect(try RepairProgram("/bin/sh").path == "/bin/sh")
        #expect(throws: SystemError(call: "exec", code: ENOENT, subject: "/nowhere/netemu-repair")) {
            _ = try RepairProgram("/nowhere/netemu-repair")
        }
    }

    @Test("the minder starts it for passt's socket and nothing else")
    func commandLines() {
        #expect(RepairProgram.objection(["-v", "passt0.sock.repair"]) == nil)
        #expect(RepairProgram.objection(["-v", "--stay", "passt0.sock.repair"]) == nil)
        for words in [
            [], ["-v"], ["passt0.sock.repair"], ["-v", "../passt0.sock.repair"], ["-v", "/tmp/passt0.sock.repair"],
            ["-v", "passt0.repair"], ["-v", ".sock.repair"], ["-v", "--daemon"], ["-v", "passt0.sock.repair", "x"],
            ["--daemon", "passt0.sock.repair"], ["--stay", "passt0.sock.repair"],
            ["-v", "--stay", "--stay", "passt0.sock.repair"], ["--stay", "-v", "passt0.sock.repair"],
        ] { #expect(RepairProgram.objection(words) != nil, "\(words)") }
    }
}
