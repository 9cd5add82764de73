// A guest with connections moves between two processes of one host, several times each: netemu and its node, and QEMU with
// a small Linux, each with a passt in vhost-user mode and a netemu-repair on either side. The peer on the host's side
// measures the gap (MovePeer). Where there is no QEMU (scripts/peers-qemu) its rows are left out, by name.

import Glibc
import TestSupport

/// What moves.
struct MoveCase {
    /// For `-m`.
    let memory: String
    /// Memory is written to all the time.
    let isBusy: Bool
    let connections: Int

    static let port = 7000
}

/// What one move came to; times are milliseconds.
struct MoveFigures {
    var total = 0.0
    /// As the program reports it: netemu's ends when the guest runs at the destination, QEMU's when the source is done.
    var down = 0.0
    /// What passt took to give its state away, and to take it.
    var save = 0.0, load = 0.0
    /// `load` is in `down`.
    var countsLoad = true
    var gap = 0.0
    var sentMebibytes = 0.0
    /// Pages that went over with their bytes.
    var pages = 0.0

    var own: Double { max(0, down - save - (countsLoad ? load : 0)) }
    /// Bytes sent for each byte of those pages.
    var ratio: Double { sentMebibytes * 256 / max(1, pages) }
}

/// A program whose guest can go to another one, again and again.
protocol MovingProgram: AnyObject {
    static var name: String { get }
    init(_ move: MoveCase, on ground: Ground) throws
    /// The guest goes on in a fresh process, and the former one ends. `watch` is given the move itself.
    func move(_ watch: (() throws -> Void) throws -> Double) throws -> MoveFigures
    /// Memory is written to from now on.
    func beBusy() throws
}

enum MoveBench {
    private static let moves = getenv("NETEMU_BENCH_MOVES").flatMap { Int(String(cString: $0)) } ?? 3
    /// A node of 128 MiB has room for the buffers of 658 connections.
    private static let cases = [("128M", [1, 100]), ("4G", [1, 1000])].flatMap { memory, counts in
        [false, true].flatMap { isBusy in
            counts.map { MoveCase(memory: memory, isBusy: isBusy, connections: $0) }
        }
    }

    @Sendable static func run() -> Int32 {
        NodeBench.guarded {
            Bench.say(
                "| memory | guest | connections | program | total ms | down ms | passt's save, load ms | down less those "
                    + "| gap of the echo ms | sent MiB | bytes sent per byte of dirty pages | alive |")
            Bench.say("|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|")
            let hasQEMU = MovingQEMU.isThere
            for one in cases {
                try row(one, MovingNetemu.self)
                if hasQEMU { try row(one, MovingQEMU.self) }
            }
            if !hasQEMU { Bench.say("\nQEMU is missing: `make peers-qemu`, and scripts/bench makes its guest.") }
        }
    }

    /// Medians of some moves of one guest.
    private static func row(_ one: MoveCase, _ program: (some MovingProgram).Type) throws {
        try withTemporaryDirectory { directory in
            try withNamespace(as: .mapped) { namespace in
                let ground = try Ground(namespace, directory)
                let peer = try MoveWatch(on: ground)
                let mover = try program.init(one, on: ground)
                try peer.ask("connect \(one.connections)", seconds: 150)
                if one.isBusy { try mover.beBusy() }
                pause(milliseconds: 500)
                var figures: [MoveFigures] = []
                for _ in 0..<moves { figures.append(try mover.move { try peer.gap(of: $0) }) }
                let alive = try peer.ask("alive", seconds: 30)
                say(one, program.name, figures, alive: alive)
            }
        }
    }

    private static func say(_ one: MoveCase, _ name: String, _ figures: [MoveFigures], alive: String) {
        func cell(_ digits: Int, _ value: (MoveFigures) -> Double) -> String {
            fixed(median(figures.map(value)), digits)
        }
        let cells = [
            one.memory, one.isBusy ? "writes" : "idle", "\(one.connections)", name, cell(1, \.total), cell(1, \.down),
            "\(cell(1, \.save)), \(cell(1, \.load))", cell(1, \.own), cell(1, \.gap), cell(1, \.sentMebibytes),
            cell(2, \.ratio), alive,
        ]
        Bench.say("| \(cells.joined(separator: " | ")) |")
    }
}

/// The peer on the host's side, as a child.
final class MoveWatch {
    private let child: Child
    private var questions = 0

    init(on ground: Ground) throws {
        child = try ground.namespace.start([Bench.program, "move-peer", "\(MoveCase.port)"], input: .pipe)
    }

    /// What it answers to a command.
    @discardableResult
    func ask(_ command: String, seconds: Double = 10) throws -> String {
        questions += 1
        let line = command.contains(" ") ? command : "\(command) \(questions)"
        child.write(line + "\n")
        try child.wait(for: line + " ", seconds: seconds)
        let answer = child.output.split(separator: "\n").last { $0.hasPrefix(line + " ") } ?? ""
        return String(answer.dropFirst(line.count + 1))
    }

    /// The longest gap of the echo while `move` happens, and for a second after it, in milliseconds.
    func gap(of move: () throws -> Void) throws -> Double {
        try ask("reset")
        pause(milliseconds: 100)
        try move()
        pause(milliseconds: 1000)
        let words = try ask("gap").split(separator: " ")
        return (words.first.flatMap { Double($0) } ?? 0) / 1000
    }
}

/// `NAME=VALUE` in the first line of `text` that begins with `line`; a value ends at a comma or blank.
func moveFigure(_ name: String, in text: String, line: String) -> Double {
    let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix(line) } ?? ""
    let words = line.split(whereSeparator: { " ,\t".contains($0) })
    return words.first { $0.hasPrefix(name + "=") }.flatMap { Double($0.dropFirst(name.count + 1)) } ?? 0
}

/// `NAME=92.8 MiB` of `info migrate`, in MiB.
func moveSize(_ name: String, in text: String) -> Double {
    guard let start = text.firstRange(of: name + "=")?.upperBound else { return 0 }
    let words = text[start...].prefix(24).split(whereSeparator: { " ,\r\n".contains($0) })
    guard words.count > 1, let value = Double(words[0]) else { return 0 }
    let scale: [Substring: Double] = ["B": 1 / 1_048_576, "KiB": 1.0 / 1024, "MiB": 1, "GiB": 1024]
    return value * (scale[words[1]] ?? 0)
}
