// What the library's own move costs: `repair-lab --measure FLOWS... -- HELPER...`, a table in Markdown. Every connection is
// idle; the helper switches them for a server of this process, the library dumps them, the address moves, the
// library puts them up, and each of them is spoken to in both directions.

import CLinux
import Glibc
import Linux
import RepairHelper

enum Measure {
    static func run(_ words: [String]) throws {
        let parts = words.split(separator: "--", maxSplits: 1)
        guard parts.count == 2 else { throw LabFailure("usage: repair-lab --measure FLOWS... -- HELPER...") }
        let limit = ProcessAttributes.raiseDescriptorLimit()
        print("| helper | flows | bytes per flow | switch ms | dump ms | restore ms | afterwards |")
        print("|---|---|---|---|---|---|---|")
        for flows in parts[0].compactMap({ Int($0) }) {
            for helper in parts[1] {
                guard flows + 100 < limit else {
                    print("| \(helper) | \(flows) | | | | | \(limit) descriptors are too few |")
                    continue
                }
                print(try row(flows, helper))
            }
        }
    }

    private static func row(_ flows: Int, _ program: String) throws -> String {
        let network = try Network()
        let peer = try EchoPeer(network)
        try network.place.enter()
        var near = try (0..<flows).map { try peer.connect(network, $0) }
        let path = try scratchDirectory()
        defer { removeDirectory(path) }
        let server = try Server(path + "/x.repair")
        let helper = try Helper([server.path], program: program)
        try server.awaitHelper()
        var switching = Stopwatch()
        let outcome = try server.request(.on, near.map(\.raw))
        switching.stop()
        try require(outcome == .done, "\(outcome): \(helper.words)")
        var dumping = Stopwatch()
        let states = try near.map { try TCPSocketState.dump($0.raw).encoded }
        dumping.stop()
        server.server.closeHelper()
        try require(try helper.wait() == 0, helper.words)
        // In repair mode: nothing is said.
        near = []
        var restoring = Stopwatch()
        let moved = try network.move {
            restoring = Stopwatch()
            defer { restoring.stop() }
            return try states.map {
                SharedDescriptor(try RestoredSocket.restore(TCPSocketState(decoding: $0)).resume().take())
            }
        }
        for (index, socket) in moved.enumerated() {
            try writeAll(socket.raw, pattern(index..<index + 100))
            try require(try readExactly(socket.raw, 100) == pattern(index..<index + 100), "connection \(index) differs")
        }
        let bytes = states.reduce(0) { $0 + $1.count } / flows
        let name = program.split(separator: "/").last.map(String.init) ?? program
        return
            "| \(name) | \(flows) | \(bytes) | \(switching.text) | \(dumping.text) | \(restoring.text) | \(flows) whole |"
    }
}

private struct Stopwatch {
    private let start = ne_monotonic_ns()
    private var end: UInt64 = 0
    mutating func stop() { end = ne_monotonic_ns() }
    /// Milliseconds with one decimal.
    var text: String {
        let tenths = (end - start) / 100_000
        return "\(tenths / 10).\(tenths % 10)"
    }
}
