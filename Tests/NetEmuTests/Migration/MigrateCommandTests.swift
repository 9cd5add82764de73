// The words of migrate with QEMU's answers.

import Migration
import Testing

@testable import NetEmu

@Suite("migrate and its company in the monitor")
struct MigrateCommandTests {
    @Test("URIs that say nowhere are refused in QEMU's words")
    func badURIs() throws {
        let script = try MachineScript()
        let rows: [(String, [String])] = [
            ("migrate foo", ["Error: unknown migration protocol: foo"]),
            ("migrate tcp:127.0.0.1", ["Error: error parsing address '127.0.0.1'"]),
            ("migrate tcp:", ["Error: error parsing address ''"]),
            ("migrate unix:", ["Error: invalid Unix socket address"]),
            ("migrate defer", ["Error: unknown migration protocol: defer"]),
            ("migrate", ["migrate: string expected", "Try \"help migrate\" for more information"]),
            ("migrate -r tcp:h:1", ["migrate: unsupported option -r", "Try \"help migrate\" for more information"]),
            ("migrate_incoming tcp:h:1", ["Error: '-incoming' was not specified on the command line"]),
            ("info migrate", []), ("migrate_cancel", []),
        ]
        for (line, answer) in rows { #expect(script.type(line) == answer + ["> "], "\(line)") }
    }

    @Test("where nobody listens it fails, says so, and the guest goes on")
    func nobody() throws {
        let script = try MachineScript()
        #expect(script.type("migrate tcp:127.0.0.1:1") == [])
        var answer: [String] = []
        #expect(
            try script.reactor.turn {
                answer += script.answer()
                return answer.last == "> "
            })
        let sentence = "Failed to connect to '127.0.0.1:1': Connection refused"
        #expect(answer == ["netemu: \(sentence)", "> "])
        #expect(script.type("info migrate") == ["Status: \t\tfailed (\(sentence))", "> "])
        #expect(script.type("info status") == ["VM status: running", "> "])
        #expect(script.type("migrate -d unix:/nonexistent") == ["> "])
        #expect(try script.reactor.turn { script.said.lines.count == 1 })
        #expect(script.said.lines == ["netemu: Failed to connect to '/nonexistent': No such file or directory"])
    }

    @Test("parameters have names, ranges and QEMU's texts; what means nothing is refused by name")
    func parameters() throws {
        let script = try MachineScript()
        #expect(
            script.type("info migrate_parameters") == [
                "announce-initial: 50 ms", "announce-max: 550 ms", "announce-rounds: 5", "announce-step: 100 ms",
                "max-bandwidth: 0 bytes/second", "downtime-limit: 300 ms", "x-require-connections: off", "> ",
            ])
        let rows: [(String, [String])] = [
            ("downtime-limit 100", []), ("max-bandwidth 1", []), ("max-bandwidth 1k", []), ("announce-rounds 9", []),
            ("x-require-connections on", []),
            ("nosuch 1", ["Error: invalid parameter value: nosuch"]),
            (
                "downtime-limit foo",
                ["Error: Parameter 'downtime-limit' expects a non-negative number below 2^64"] + Value.sizeHints
            ),
            (
                "downtime-limit 2000001",
                ["Error: Parameter 'downtime-limit' expects an integer in the range of 0 to 2000000 ms"]
            ),
            ("max-bandwidth x", ["Error: Invalid size x"]),
            ("announce-rounds 1001", ["Error: Parameter 'announce-rounds' expects a value between 0 and 1000"]),
            ("x-require-connections 1", ["Error: Parameter 'x-require-connections' expects 'on' or 'off'"]),
        ]
        for (line, answer) in rows {
            #expect(script.type("migrate_set_parameter \(line)") == answer + ["> "], "\(line)")
        }
        #expect(
            script.type("migrate_set_parameter tls-creds x").first
                == "Error: parameter 'tls-creds' means nothing to netemu")
        let shown = script.type("info migrate_parameters")
        #expect(shown.contains("downtime-limit: 100 ms") && shown.contains("max-bandwidth: 8192 bytes/second"))
        #expect(shown.contains("announce-rounds: 9") && shown.contains("x-require-connections: on"))
    }

    @Test("capabilities: one is on, for good")
    func capabilities() throws {
        let script = try MachineScript()
        #expect(script.type("info migrate_capabilities") == ["return-path: on", "> "])
        #expect(script.type("migrate_set_capability return-path on") == ["> "])
        #expect(script.type("migrate_set_capability xbzrle off") == ["> "])
        #expect(
            script.type("migrate_set_capability nosuch on") == ["Error: invalid parameter value: nosuch", "> "])
        #expect(
            script.type("migrate_set_capability multifd on").first
                == "Error: capability 'multifd' is not supported yet")
        #expect(
            script.type("migrate_set_capability events maybe") == [
                "Expected 'on' or 'off'", "Try \"help migrate_set_capability\" for more information", "> ",
            ])
    }

    @Test("sizes have three digits, as QEMU's")
    func sizes() {
        let rows: [(UInt64, String)] = [
            (0, "0 B"), (999, "999 B"), (1000, "0.98 KiB"), (1024, "1 KiB"), (97_332_882, "92.8 MiB"),
            (269_230_080, "257 MiB"), (660_000, "645 KiB"), (134_217_728, "128 MiB"), (.max, "16 EiB"),
        ]
        for (bytes, text) in rows { #expect(MigrationInfo.size(bytes) == text) }
        #expect(MigrationInfo.fixed(839.0768) == "839.08" && MigrationInfo.fixed(0.5) == "0.50")
        #expect(MigrationInfo.fixed(.infinity) == "0.00")
    }
}
