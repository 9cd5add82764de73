import Bytes
import Testing

@testable import Migration

@Suite("the bytes of a migration")
struct GoldenTests {
    private static func hex(_ text: String) -> [UInt8] {
        let digits = text.filter { $0 != " " }.compactMap(\.hexDigitValue).map { UInt8($0) }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    private static let source: [[UInt8]] = [
        hex("4e455445 4d550d0a"),  // magic
        hex("00010001"),  // version 1, the source
        hex("01000000 00000035"),  // greeting: kind 1, frame 0, 53 bytes
        hex("9cc44559"),  // CRC-32C
        hex("00000006 6e657465 6d75"),  // program "netemu"
        hex("00000003 302e31"),  // version "0.1"
        hex("00000004 62303037"),  // boot id "b007"
        hex("00000000 00000007"),  // network namespace 7
        hex("0001"),  // one part
        hex("00000006 6d656d6f 7279"),  // its name "memory"
        hex("00000004 00000028"),  // four bytes of it
        hex("02000001 00001008"),  // pages: kind 2, frame 1, 4104 bytes
        hex("9a65780f"),  // CRC-32C
        hex("00000000 00000001"),  // from page 1 on
        hex("01"),  // its first byte
        zeros(4095),  // zeros
        hex("04000002 0000000c"),  // round end: kind 4, frame 2, 12 bytes
        hex("98633172"),  // CRC-32C
        hex("00000001"),  // round 1
        hex("00000000 00000001"),  // one page became dirty
        hex("03000003 00000010"),  // zero pages: kind 3, frame 3, 16 bytes
        hex("b29c6634"),  // CRC-32C
        hex("00000000 00000001"),  // from page 1 on
        hex("00000000 00000001"),  // one page
        hex("05000004 0000000c"),  // section: kind 5, frame 4, 12 bytes
        hex("9e8e72cb"),  // CRC-32C
        hex("00000004 6e6f6465"),  // name "node"
        hex("00000003"),  // three bytes
        hex("06000005 00000003"),  // section part: kind 6, frame 5, 3 bytes
        hex("4c963a7a"),  // CRC-32C
        hex("010203"),  // the state
        hex("07000006 0000000e"),  // arrived: kind 7, frame 6, 14 bytes
        hex("659775d5"),  // CRC-32C
        hex("00000004 6e657430"),  // card "net0"
        hex("00000002 0909"),  // a frame of two bytes
        hex("08000007 00000004"),  // prepare: kind 8, frame 7, 4 bytes
        hex("704c9185"),  // CRC-32C
        hex("00000001"),  // one section
        hex("09000008 00000005"),  // commit: kind 9, frame 8, 5 bytes
        hex("0749074f"),  // CRC-32C
        hex("00000001"),  // one section
        hex("00"),  // no snapshot
    ]

    private static let destination: [[UInt8]] = [
        hex("4e455445 4d550d0a"),  // magic
        hex("00010002"),  // version 1, the destination
        hex("81000000 00000035"),  // reply: kind 129, frame 0, 53 bytes
        hex("24efac0c"),  // CRC-32C
        hex("00000006 6e657465 6d75"),  // program "netemu"
        hex("00000003 302e31"),  // version "0.1"
        hex("00000004 62303037"),  // boot id "b007"
        hex("00000000 00000007"),  // network namespace 7
        hex("0001"),  // one part
        hex("00000006 6d656d6f 7279"),  // its name "memory"
        hex("00000004 00000028"),  // four bytes of it
        hex("82000001 00000000"),  // prepared: kind 130, frame 1, 0 bytes
        hex("1240b10c"),  // CRC-32C
        hex("83000002 00000002"),  // started: kind 131, frame 2, 2 bytes
        hex("c1177d6e"),  // CRC-32C
        hex("6f6b"),  // the report
    ]

    @Test("what source and destination say, as docs/migration-format.md has it")
    func bytes() {
        var now = Instant(nanoseconds: 0)
        let memory = TestMemory(pages: 4)
        memory.room[4096] = 1
        memory.onTake = { memory, take in
            guard take == 1 else { return }
            memory.zero(1..<2)
            memory.dirty.insert(1..<2)
        }
        let copy = TestMemory(pages: 4)
        let source = MigrationSource(World.greeting(), pages: memory)
        let destination = MigrationDestination(World.greeting(), pages: copy, now: now)
        var there: [UInt8] = []
        var back: [UInt8] = []
        source.start(now: now)
        for _ in 0..<20 {
            now = now + .milliseconds(1)
            carryOut(source, now)
            let bytes = Array(source.output(now: now))
            source.wrote(bytes.count, now: now)
            there += bytes
            destination.inputRoom.copyBytes(from: bytes)
            destination.received(bytes.count, now: now)
            carryOut(destination, now)
            let answer = Array(destination.output)
            destination.wrote(answer.count, now: now)
            back += answer
            source.inputRoom.copyBytes(from: answer)
            source.received(answer.count, now: now)
        }
        #expect(there == Self.source.flatMap { $0 })
        #expect(back == Self.destination.flatMap { $0 })
        #expect(source.phase == .completed && destination.phase == .started && copy.pagesWritten == 1)
    }

    private func carryOut(_ source: MigrationSource, _ now: Instant) {
        for action in source.takeActions() {
            switch action {
            case .stopGuest: source.guestStopped(now: now)
            case .save:
                source.arrived(ArrivedFrame(card: "net0", bytes: [9, 9]))
                source.saved([MigrationSection(name: "node", bytes: [1, 2, 3])], now: now)
            case .answered, .ended: break
            }
        }
    }

    private func carryOut(_ destination: MigrationDestination, _ now: Instant) {
        for action in destination.takeActions() {
            switch action {
            case .compare: destination.accept(now: now)
            case .prepare: destination.prepared(now: now)
            case .load: destination.loaded(report: Array("ok".utf8), now: now)
            case .start, .deliver, .ended: break
            }
        }
    }
}
