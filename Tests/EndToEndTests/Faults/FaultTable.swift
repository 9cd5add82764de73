// All rows, and those that every test run has time for.

import Bytes
import TestSupport

/// The table of faults against the real program.
enum FaultTable {
    private static let onBoth: [Fault] =
        [.cut] + Side.allCases.flatMap { [.kill($0), .quit($0), .interrupt($0)] }

    /// Every fault in every phase.
    static let phases: [FaultRow] =
        rows(.stream, FaultPoint.phases, onBoth + [.again] + Side.allCases.map { .stop($0) })
        + rows(.passt, FaultPoint.phases.filter { $0 != .connected && $0 != .greeted }, onBoth)
        + rows(.passt, sourceHelps, [.killPasst(.source), .killHelper(.source)])
        + rows(.passt, destinationHelps, [.killPasst(.destination)])
        + rows(.passt, [.prepared, .committing], [.killHelper(.destination)])

    /// The source's passt still has the guest's connections.
    private static let sourceHelps: [FaultPoint] = [.answered, .round, .roundOver]
    private static let destinationHelps: [FaultPoint] = [.prepared, .committing, .committed, .started]

    /// Those in which somebody waits for a deadline.
    static let slow: [FaultRow] =
        rows(.stream, FaultPoint.phases, [.silence] + Side.allCases.map { .stopLong($0) })

    private static func rows(_ backEnd: FaultBackEnd, _ points: [FaultPoint], _ faults: [Fault]) -> [FaultRow] {
        faults.flatMap { fault in points.map { FaultRow(backEnd: backEnd, point: $0, fault: fault) } }
    }

    /// The connection cut behind every message: the first ones, of which most are pages, and all from PREPARE on.
    static let messages: [FaultRow] = rows(
        .stream, (0..<60).map { .message(.there, $0) } + (0..<5).map { .message(.back, $0) }, [.cut])

    /// The connection cut behind so many bytes.
    static func cuts(_ count: Int, seed: UInt64 = 9) -> [FaultRow] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { number in
            let point: FaultPoint =
                switch number % 4 {
                case 0: .bytes(.there, Int.random(in: 1..<4_000_000, using: &random))
                case 1: .bytes(.there, Int.random(in: 1..<2000, using: &random))
                case 2: .bytes(.back, Int.random(in: 1..<400, using: &random))
                default: .intoSections(Int.random(in: 0..<100_000, using: &random))
                }
            return FaultRow(backEnd: .stream, point: point, fault: .cut)
        }
    }

    static func rows(with text: String) -> [FaultRow] {
        (phases + slow + messages + cuts(100)).filter { $0.description.contains(text) }
    }

    /// So many, some of each kind of fault, the same ones in every run.
    static func choice(_ count: Int, seed: UInt64 = 50) -> [FaultRow] {
        var random = SeededGenerator(seed: seed)
        let all = (phases + cuts(40)).shuffled(using: &random)
        var kinds = Dictionary(grouping: all) { "\($0.backEnd) \($0.fault.kind)" }.sorted { $0.key < $1.key }
            .map(\.value)
        var chosen: [FaultRow] = []
        while chosen.count < count, kinds.contains(where: { !$0.isEmpty }) {
            for number in kinds.indices where chosen.count < count {
                if let row = kinds[number].popLast() { chosen.append(row) }
            }
        }
        return chosen
    }
}
