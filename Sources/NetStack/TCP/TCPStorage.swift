// Where the text of connections lies. TCP counts bytes and never touches one: it says which are to be sent and which may
// be taken, and a storage moves them. RingStorage keeps them in lent memory (a node); a user network's keeps them in
// the host's sockets, which peeks at an offset to fetch, sends to store, and drops what the guest has acknowledged.
//
// A storage never calls TCP from within these calls. What it learns at other times goes in through `TCPMachine.textQueued`
// and `roomChanged`.

import Bytes
import Link

/// Text of a segment that still lies in the frame it came in.
public struct TCPPayload {
    /// Lent for as long as the call lasts.
    public let frame: FrameView
    /// Where it starts in the frame.
    public internal(set) var offset: Int
    /// Bytes of it.
    public internal(set) var count: Int

    /// Copies everything to `offset` of the ring, seen from its first byte.
    func copy(to ring: ByteRing, at ringOffset: Int) {
        let (first, second) = ring.pieces(at: ringOffset, count: count)
        guard first.count > 0 else { return }
        frame.copy(from: offset, into: first)
        if second.count > 0 { frame.copy(from: offset &+ first.count, into: second) }
    }

    /// Calls `body` with each span of the frame that holds a part of the text, in order.
    public func forEachSpan(_ body: (UnsafeRawBufferPointer) -> Void) {
        _ = frame.forEachSpan(from: offset, count: count, body)
    }

    /// Adds the text to a checksum, span by span.
    func add(to sum: inout InternetChecksum) { frame.add(count, from: offset, to: &sum) }
}

/// How full the places of one connection are, in bytes.
public struct TCPOccupancy: Equatable, Sendable {
    /// Received and not yet taken by whoever reads.
    public var unread: Int
    /// What the caller may still add to what is to be sent.
    public var free: Int

    /// Counts of one connection.
    public init(unread: Int, free: Int) {
        self.unread = unread
        self.free = free
    }
}

/// The places of the text of all connections of one ``TCPMachine``. A connection is named by its slot, a small number
/// that is used again when the connection is gone (``TCPSocketID/slot``): between `open` and the last `close` a slot is
/// one connection.
public protocol TCPStorage: AnyObject {
    // MARK: once or twice per connection

    /// Bytes of receive room that a connection would get now: what its SYN,ACK announces.
    var plannedRoom: Int { get }
    /// Text is about to flow. Returns the bytes that can be received; `nil`: there is no place, the connection ends.
    func open(_ id: TCPSocketID) -> Int?
    /// The peer has sent its last byte; all of them were stored.
    func peerFinished(_ slot: Int)
    /// Nothing is to be sent or received any more; unread bytes go, too, unless they are kept for a reader. May come
    /// again. Returns whether anything is kept. A slot that never was open: false.
    func close(_ slot: Int, keepingUnread: Bool) -> Bool
    /// How full the places of a connection are.
    func occupancy(_ slot: Int) -> TCPOccupancy

    // MARK: per segment

    /// Takes text whose first byte is `offset` bytes behind the end of what was received in order; 0: it follows, and what
    /// is taken of it counts at once. Returns how many of the first bytes it took; of text ahead a storage may take none.
    func store(_ text: TCPPayload, at offset: Int, of slot: Int) -> Int
    /// `count` bytes that were stored ahead follow now what was received in order. Not asked of who takes none ahead.
    func join(_ count: Int, of slot: Int)
    /// Copies `room.count` bytes from `offset` behind the first unacknowledged one and adds them to `sum`. Returns how
    /// many it copied; fewer only when the bytes are lost, after which the connection is to be aborted.
    func fetch(
        at offset: Int, into room: UnsafeMutableRawBufferPointer, of slot: Int, adding sum: inout InternetChecksum
    ) -> Int
    /// The first `count` bytes were acknowledged and are not asked for any more.
    func discard(_ count: Int, of slot: Int)
}
