// The machine over a storage that is no ring: text that is peeked at an offset and dropped when it is acknowledged, stored
// at once or in part or not at all, and lost. What the machine asks for is written down as it asks.

import Bytes
import Link
import Testing

@testable import NetStack

/// Behaves as a socket would, and can be told what to refuse.
final class ScriptedStorage: TCPStorage {
    enum Call: Equatable {
        case open, finished
        case close(keepingUnread: Bool)
        case store(Int, at: Int, took: Int)
        case join(Int)
        case fetch(Int, at: Int)
        case discard(Int)
    }

    var calls: [Call] = []
    /// What is to be sent, from the first unacknowledged byte on.
    var outgoing: [UInt8] = []
    /// What was stored in order.
    var incoming: [UInt8] = []
    var plannedRoom = 8000
    /// How many bytes `store` takes next; nil: all.
    var limit: Int?
    var hasPlace = true

    func open(_ id: TCPSocketID) -> Int? {
        calls.append(.open)
        return hasPlace ? plannedRoom : nil
    }
    func peerFinished(_ slot: Int) { calls.append(.finished) }
    func close(_ slot: Int, keepingUnread: Bool) -> Bool {
        calls.append(.close(keepingUnread: keepingUnread))
        return false
    }
    func occupancy(_ slot: Int) -> TCPOccupancy { TCPOccupancy(unread: 0, free: 0) }

    func store(_ text: TCPPayload, at offset: Int, of slot: Int) -> Int {
        // Nothing is kept behind a gap, as no socket could.
        let count = offset > 0 ? 0 : min(text.count, limit ?? .max)
        calls.append(.store(text.count, at: offset, took: count))
        var bytes: [UInt8] = []
        text.forEachSpan { bytes += $0 }
        incoming += bytes.prefix(count)
        return count
    }
    func join(_ count: Int, of slot: Int) { calls.append(.join(count)) }
    func fetch(
        at offset: Int, into room: UnsafeMutableRawBufferPointer, of slot: Int, adding sum: inout InternetChecksum
    ) -> Int {
        calls.append(.fetch(room.count, at: offset))
        let count = max(0, min(room.count, outgoing.count - offset))
        guard count > 0 else { return 0 }
        outgoing[offset..<offset + count].withUnsafeBytes {
            sum.copy($0, into: UnsafeMutableRawBufferPointer(rebasing: room[0..<count]))
        }
        return count
    }
    func discard(_ count: Int, of slot: Int) {
        calls.append(.discard(count))
        outgoing.removeFirst(count)
    }
}

/// A machine over a storage, with a peer whose segments are written down.
final class MachineScript<Storage: TCPStorage> {
    let storage: Storage
    let machine: TCPMachine
    let routes: OneRoute
    /// The machine holds its door weakly.
    var door: (any TCPDoor)? { didSet { machine.door = door } }
    let peerAddress = IPAddress(10, 0, 0, 2)
    private(set) var now = Instant(nanoseconds: 10_000_000_000)
    var hostStart: UInt32 = 0
    let peerStart: UInt32 = 0x2000_0000
    var local = Endpoint(IPAddress(10, 0, 0, 1), 80)
    var peerPort: UInt16 = 4000
    private let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_535, alignment: 16)

    init(_ storage: Storage, anyAddress: Bool = false, _ configuration: TCPConfiguration = .init()) {
        self.storage = storage
        var configuration = configuration
        configuration.usesTimestamps = false
        routes = OneRoute(address: local.address, mtu: 1500)
        routes.isGateway = anyAddress
        machine = TCPMachine(randomness: .seeded(3), storage: storage, configuration: configuration)
        machine.paths = routes
    }

    deinit { room.deallocate() }

    func peer(_ seg: Seg) {
        var header = TCPHeader(
            sourcePort: peerPort, destinationPort: local.port,
            sequence: peerStart &+ UInt32(truncatingIfNeeded: seg.seq), flags: seg.flags,
            window: UInt16(seg.window ?? 60_000))
        if let ack = seg.ack { header.acknowledgement = hostStart &+ UInt32(truncatingIfNeeded: ack) }
        header.maximumSegmentSize = seg.mss
        let bytes = encode(header, seg.text, from: peerAddress, to: local.address)
        lend(bytes, from: peerAddress, to: local.address, pieces: 3) {
            machine.receive($0, through: storage, now: now)
        }
    }

    func next() -> Seg? {
        let room = UnsafeMutableRawBufferPointer(rebasing: room[0..<1500])
        guard let placed = machine.transmit(into: room, on: routes.interface, from: storage, now: now) else {
            return nil
        }
        let bytes = Array(room[placed.offset..<placed.offset + placed.length])
        #expect(sumIsRight(bytes, from: placed.source, to: placed.destination), "checksum")
        #expect(placed.source == local.address)
        guard let (header, size) = try? bytes.withUnsafeBytes({ try TCPHeader.parse($0, segmentLength: bytes.count) })
        else { return nil }
        if header.flags.contains(.syn) { hostStart = header.sequence }
        var seg = Seg(header.flags, seq: Int(Int32(bitPattern: header.sequence &- hostStart)))
        if header.flags.contains(.ack) { seg.ack = Int(Int32(bitPattern: header.acknowledgement &- peerStart)) }
        seg.text = Array(bytes[size...])
        seg.window = Int(header.window)
        return seg
    }

    func drain() -> [Seg] {
        var all: [Seg] = []
        while let seg = next() { all.append(seg) }
        return all
    }

    func wait(_ milliseconds: Int) {
        let end = now + .milliseconds(Int64(milliseconds))
        while let next = machine.nextDeadline, next <= end {
            now = max(now, next)
            machine.advance(to: now)
        }
        now = end
        machine.advance(to: now)
    }
}

extension MachineScript where Storage == ScriptedStorage {
    /// Established by a passive open, accepted; nothing is written down yet.
    static func accepted() throws -> (MachineScript, TCPSocketID) {
        let s = MachineScript(ScriptedStorage())
        let listener = try s.machine.listen(on: 80)
        s.peer(Seg(.syn, seq: 0, mss: 1000))
        #expect(s.drain().first?.window == 8000, "the room that is planned")
        #expect(s.storage.calls.isEmpty, "half a handshake has no place")
        s.peer(Seg(.ack, seq: 1, ack: 1))
        #expect(s.storage.calls == [.open])
        s.storage.calls = []
        return (s, try #require(s.machine.accept(listener)))
    }
}

@Suite struct TCPStorageTests {
    @Test("text is peeked at its offset, asked for again, and dropped when it is acknowledged")
    func sending() throws {
        let (s, id) = try MachineScript.accepted()
        s.storage.outgoing = Array("abcdefghij".utf8) + [UInt8](repeating: 0x2e, count: 1990)
        s.machine.textQueued(id, 2000, now: s.now)
        let sent = s.drain()
        #expect(sent.map(\.text.count) == [1000, 1000])
        #expect(sent[0].text.starts(with: "abcdefghij".utf8))
        #expect(s.storage.calls == [.fetch(1000, at: 0), .fetch(1000, at: 1000)])
        s.storage.calls = []
        s.peer(Seg(.ack, seq: 1, ack: 1001))
        #expect(s.storage.calls == [.discard(1000)])
        s.wait(1500)
        #expect(s.drain().first == Seg([.ack, .psh], seq: 1001, ack: 1, bytes: 0).carrying(sent[1].text))
        s.peer(Seg(.ack, seq: 1, ack: 2001))
        #expect(s.machine.status(id)?.unacknowledgedBytes == 0)
        #expect(s.storage.outgoing.isEmpty)
    }

    @Test("what the storage takes is acknowledged, and no more; the rest comes again")
    func takenInPart() throws {
        let (s, _) = try MachineScript.accepted()
        s.storage.limit = 3
        s.peer(Seg([.ack, .fin], seq: 1, ack: 1, "abcdef"))
        #expect(s.storage.calls == [.store(6, at: 0, took: 3)])
        #expect(s.drain().map(\.ack) == [4])
        s.storage.limit = 0
        s.peer(Seg([.ack, .fin], seq: 4, ack: 1, "def"))
        #expect(s.drain().map(\.ack) == [4], "the peer is told at once that nothing was taken")
        s.storage.limit = nil
        s.storage.calls = []
        s.peer(Seg([.ack, .fin], seq: 4, ack: 1, "def"))
        #expect(s.storage.calls == [.store(3, at: 0, took: 3), .finished])
        #expect(s.drain().map(\.ack) == [8])
        #expect(s.storage.incoming == Array("abcdef".utf8))
    }

    @Test("text ahead of a gap may be refused: it is not counted, and the FIN behind it neither")
    func ahead() throws {
        let (s, _) = try MachineScript.accepted()
        s.peer(Seg([.ack, .fin], seq: 4, ack: 1, "def"))
        #expect(s.storage.calls == [.store(3, at: 3, took: 0)])
        #expect(s.drain().map(\.ack) == [1], "a duplicate ACK")
        s.peer(Seg(.ack, seq: 1, ack: 1, "abc"))
        #expect(s.drain().map(\.ack) == [4])
        s.peer(Seg([.ack, .fin], seq: 4, ack: 1, "def"))
        #expect(s.drain().map(\.ack) == [8])
        #expect(s.storage.incoming == Array("abcdef".utf8))
    }

    @Test("the window is the storage's room: it closes with it, and its opening is told")
    func window() throws {
        let (s, id) = try MachineScript.accepted()
        s.peer(Seg(.ack, seq: 1, ack: 1, bytes: 8000))
        #expect(s.drain().last?.window == 0)
        s.machine.roomChanged(id, to: 100, of: 8000, now: s.now)
        #expect(s.drain().isEmpty, "RFC 9293, 3.8.6.2.2: not for a hundred bytes")
        s.machine.roomChanged(id, to: 8000, of: 8000, now: s.now)
        #expect(s.drain().map(\.window) == [8000])
    }

    @Test("a room that shrinks below what was announced: the text is cut, and the peer is told")
    func shrinking() throws {
        let (s, id) = try MachineScript.accepted()
        s.machine.roomChanged(id, to: 2, of: 8000, now: s.now)
        s.peer(Seg(.ack, seq: 1, ack: 1, "abcd"))
        #expect(s.storage.incoming == Array("ab".utf8))
        #expect(s.drain().last?.ack == 3)
        s.peer(Seg(.ack, seq: 3, ack: 1, "cd"))
        #expect(s.drain().last?.ack == 3)
    }

    @Test("text that is lost before it was sent leaves nothing half done")
    func lost() throws {
        let (s, id) = try MachineScript.accepted()
        s.storage.outgoing = Array("abc".utf8)
        s.machine.textQueued(id, 10, now: s.now)
        s.machine.shutdownSend(id, now: s.now)
        #expect(s.drain() == [Seg(.ack, seq: 1, ack: 1, "abc")], "what is there, without the FIN behind the rest")
        s.peer(Seg(.ack, seq: 1, ack: 4))
        #expect(s.drain().isEmpty)
        s.wait(5000)
        s.machine.abort(id, now: s.now)
        #expect(s.drain().map(\.flags) == [[.rst, .ack]])
        s.machine.release(id, now: s.now)
        #expect(s.machine.table().count == 1, "the listener")
    }

    @Test("without a place the handshake ends in RST")
    func noPlace() throws {
        let s = MachineScript(ScriptedStorage())
        s.storage.hasPlace = false
        _ = try s.machine.listen(on: 80)
        s.peer(Seg(.syn, seq: 0))
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 1))
        #expect(s.drain().map(\.flags) == [[.rst, .ack]])
        #expect(s.storage.calls == [.open], "nothing is closed that was not open")
    }

    @Test("what the last segment acknowledges is dropped before the place is closed")
    func lastAcknowledgement() throws {
        let (s, id) = try MachineScript.accepted()
        s.peer(Seg([.ack, .fin], seq: 1, ack: 1))
        s.storage.outgoing = Array("abc".utf8)
        s.machine.textQueued(id, 3, now: s.now)
        s.machine.shutdownSend(id, now: s.now)
        _ = s.drain()
        s.storage.calls = []
        s.peer(Seg(.ack, seq: 2, ack: 5))
        #expect(s.storage.calls == [.discard(3), .close(keepingUnread: true)])
    }

    @Test("the text of a segment that ends the connection is in the storage before it is closed")
    func lastText() throws {
        let (s, id) = try MachineScript.accepted()
        s.machine.shutdownSend(id, now: s.now)
        _ = s.drain()
        s.peer(Seg(.ack, seq: 1, ack: 2))
        s.storage.calls = []
        s.peer(Seg([.ack, .fin], seq: 1, ack: 2, "bye"))
        #expect(
            s.storage.calls == [
                .store(3, at: 0, took: 3), .finished, .close(keepingUnread: true),
            ])
        #expect(s.machine.status(id)?.state == .timeWait)
    }
}

extension Seg {
    func carrying(_ text: [UInt8]) -> Seg {
        var seg = self
        seg.text = text
        return seg
    }
}
