// Feeds a destination with arbitrary bytes as a stream, and a source with arbitrary answers. The first byte chooses: the
// bytes as they are, or as bodies of frames with right headers and checksums, so that the fuzzer gets behind them;
// the second one how the owner answers. Whatever comes, it is over in the end, nothing starts without COMMIT, and a guest
// never runs on both sides.

import Bytes
import FuzzMain
import Migration

@_cdecl("fuzz_migration_main")
public func main(_ count: CInt, _ words: FuzzWords?) -> CInt {
    fuzzMain(count, words) { input in
        guard input.count >= 2 else { return }
        let rest = UnsafeBufferPointer(rebasing: input[2...])
        switch input[0] & 3 {
        case 0: FuzzedDestination(owner: input[1]).run(Array(rest))
        case 1: FuzzedDestination(owner: input[1]).run(frames(rest, isFromSource: true))
        case 2: FuzzedSource(owner: input[1]).run(Array(rest))
        default: FuzzedSource(owner: input[1]).run(frames(rest, isFromSource: false))
        }
    }
}

/// A preamble and frames: of the input each takes a byte for its kind, two for its length, and the body.
private func frames(_ input: UnsafeBufferPointer<UInt8>, isFromSource: Bool) -> [UInt8] {
    let kinds: [UInt8] = isFromSource ? [1, 2, 3, 4, 5, 6, 7, 8, 9, 127] : [129, 130, 131, 255]
    var out = Array("NETEMU\r\n".utf8) + [0, 1, 0, isFromSource ? 1 : 2]
    var number: UInt16 = 0
    var rest = input[...]
    while rest.count >= 3, out.count < 200_000 {
        let kind = kinds[Int(rest[rest.startIndex]) % kinds.count]
        let wanted = Int(rest[rest.startIndex + 1]) << 8 | Int(rest[rest.startIndex + 2])
        let length = min(kind == 2 ? 8 + 4096 * (1 + wanted % 4) : kind == 3 ? 16 : wanted, 70_000)
        rest = rest.dropFirst(3)
        var body = Array(rest.prefix(length))
        rest = rest.dropFirst(length)
        body += [UInt8](repeating: 0, count: length - body.count)
        let head = [kind, 0] + bigEndian(UInt32(number), 2) + bigEndian(UInt32(length), 4)
        out += head + bigEndian(checksum(head + body), 4) + body
        number &+= 1
    }
    return out
}

private func bigEndian(_ value: UInt32, _ count: Int) -> [UInt8] {
    (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
}

/// CRC-32C, bit by bit.
private func checksum(_ bytes: [UInt8]) -> UInt32 {
    var crc = UInt32.max
    for byte in bytes {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
    }
    return ~crc
}

private let memory = 8

private let greeting = MigrationGreeting(
    program: "netemu", version: "0", host: HostIdentity(boot: "b", network: 1),
    machine: [MigrationSection(name: "memory", bytes: [8])])

private final class FuzzedPages: PageSource, PageSink {
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: memory * 4096, alignment: 4096)
    var dirty = PageSet(pageCount: memory)
    let pageCount = memory

    init() {
        room.initializeMemory(as: UInt8.self, repeating: 0)
        room[4096] = 1
    }
    deinit { room.deallocate() }

    func populated(into pages: inout PageSet) { pages.insert(0..<3) }
    func takeDirty(into pages: inout PageSet) { pages.takeAll(of: &dirty) }
    func bytes(of pages: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: room[pages.lowerBound * 4096..<pages.upperBound * 4096])
    }
    func write(_ bytes: UnsafeRawBufferPointer, at page: Int) {
        precondition(page >= 0 && bytes.count % 4096 == 0 && page * 4096 + bytes.count <= room.count)
        UnsafeMutableRawBufferPointer(rebasing: room[(page * 4096)...]).copyMemory(from: bytes)
    }
    func zero(_ pages: Range<Int>) {
        precondition(pages.lowerBound >= 0 && pages.upperBound <= memory)
        UnsafeMutableRawBufferPointer(rebasing: room[pages.lowerBound * 4096..<pages.upperBound * 4096])
            .initializeMemory(as: UInt8.self, repeating: 0)
    }
}

private struct FuzzedDestination {
    let end = MigrationDestination(greeting, pages: FuzzedPages(), now: Instant(nanoseconds: 1))
    let owner: UInt8

    func run(_ bytes: [UInt8]) {
        var now = Instant(nanoseconds: 1)
        var rest = bytes[...]
        var starts = 0
        for _ in 0..<10_000 where !end.isOver {
            for action in end.takeActions() {
                if action == .start { starts += 1 }
                answer(action, now)
            }
            end.wrote(end.output.count, now: now)
            let count = min(end.inputRoom.count, rest.count, 64 + Int(owner) * 16)
            if count > 0 {
                end.inputRoom.copyBytes(from: rest.prefix(count))
                rest = rest.dropFirst(count)
                end.received(count, now: now)
            } else if rest.isEmpty {
                end.inputEnded(now: now)
            }
            if owner & 8 != 0, let next = end.nextDeadline {
                now = next
                end.advance(to: now)
            }
            now = now + .milliseconds(1)
        }
        for action in end.takeActions() where action == .start { starts += 1 }
        precondition(starts <= 1 && (starts == 0 || end.ownsGuest))
    }

    private func answer(_ action: MigrationDestination.Action, _ now: Instant) {
        switch action {
        case .compare: owner & 1 == 0 ? end.accept(now: now) : end.fail("no", now: now)
        case .prepare: owner & 2 == 0 ? end.prepared(now: now) : end.fail("no", now: now)
        case .load: owner & 4 == 0 ? end.loaded(now: now) : end.fail("no", now: now)
        case .start, .deliver, .ended: break
        }
    }
}

private struct FuzzedSource {
    let end: MigrationSource
    let owner: UInt8

    init(owner: UInt8) {
        self.owner = owner
        let mode: MigrationSource.Mode = owner & 16 == 0 ? .answered : .either(within: .seconds(1))
        end = MigrationSource(greeting, pages: FuzzedPages(), mode: mode)
    }

    func run(_ bytes: [UInt8]) {
        var now = Instant(nanoseconds: 1)
        var rest = bytes[...]
        end.start(now: now)
        for _ in 0..<10_000 where !end.isOver {
            let count = min(end.inputRoom.count, rest.count, 64 + Int(owner) * 16)
            if count > 0 {
                end.inputRoom.copyBytes(from: rest.prefix(count))
                rest = rest.dropFirst(count)
                end.received(count, now: now)
            } else {
                end.inputEnded(now: now)
            }
            for action in end.takeActions() { answer(action, now) }
            end.wrote(end.output(now: now).count, now: now)
            now = now + .milliseconds(1)
        }
        precondition(end.isOver)
    }

    private func answer(_ action: MigrationSource.Action, _ now: Instant) {
        switch action {
        case .answered: if owner & 1 != 0 { end.fail("no", now: now) }
        case .stopGuest: owner & 2 == 0 ? end.guestStopped(now: now) : end.fail("no", now: now)
        case .save: end.saved([MigrationSection(name: "node", bytes: [1, 2, 3])], now: now)
        case .ended: break
        }
    }
}
