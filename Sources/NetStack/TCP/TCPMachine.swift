// TCP but for the text: the connections, their table, their timers and the lists of those that have something to send.
// It must not know descriptors, a clock, how a frame is made or where text lies (docs/decisions/0017).

import Bytes
import Link

/// All TCP connections of one host or gateway, whose text a ``TCPStorage`` moves. ``TCPLayer`` is the one over memory.
/// Not Sendable: it lives on the thread of whoever drives it.
///
/// Whoever drives it calls, in any order: `receive(_:through:now:)` for each segment, `textQueued` and `roomChanged` when
/// the storage has more to send or to take, the calls of RFC 9293, 3.9.1, and `advance(to:)` when ``nextDeadline`` has
/// come; then `transmit(into:on:from:now:)` until it gives nothing more. No call is made from within a storage's or a
/// path source's.
public class TCPMachine {
    /// As it was made.
    public let configuration: TCPConfiguration
    /// Which way destinations lie; set by the host that owns this layer.
    public weak var paths: (any PathSource)?
    /// Is asked about SYNs that no listener waits for; without one they are refused.
    public weak var door: (any TCPDoor)?
    /// What happened to segments so far.
    @exclusivity(unchecked) public internal(set) var counters = TCPCounters()

    let settings: UnsafeMutablePointer<TCPConfiguration>
    let storage: any TCPStorage
    private(set) var secrets: TCPSecrets
    /// What TCP's own clock is ahead of the caller's: it goes on where it stood when connections have moved here.
    private var clockLead: UInt64 = 0
    let connections: ConnectionTable
    let slots = ConnectionSlots()
    @exclusivity(unchecked) var timers = TimerHeap()
    var listeners: [TCPListener] = []
    @exclusivity(unchecked) var ready: [ReadyList] = []
    @exclusivity(unchecked) var loose = LooseSegments()
    /// When a SYN was answered by cookie last, in nanoseconds; 0: never.
    var cookieSentAt: UInt64 = 0
    /// Refused SYNs that ICMP is to answer.
    var unreachables: [TCPUnreachable] = []
    /// Connections that came through the door and whose handshake is not done.
    var offered = 0
    /// Private memory for the header of the segment at hand.
    let headerRoom = UnsafeMutableRawBufferPointer.allocate(byteCount: TCPHeader.maximumSize, alignment: 8)
    /// Chooses ports.
    var random: Randomness

    /// - Parameters:
    ///   - randomness: secrets and ports come from it: the system's, but for simulations.
    ///   - storage: where the text lies; the same that `receive` and `transmit` are called with.
    ///   - configuration: timers, sizes, what is offered.
    public init(
        randomness: Randomness, storage: any TCPStorage, configuration: TCPConfiguration = TCPConfiguration()
    ) {
        self.configuration = configuration
        self.storage = storage
        settings = .allocate(capacity: 1)
        settings.initialize(to: configuration)
        random = randomness
        secrets = TCPSecrets(&random)
        connections = ConnectionTable(secrets: secrets, slots: slots)
    }

    deinit {
        for slot in 0..<UInt32(truncatingIfNeeded: slots.used) where slots.isInUse(slot) {
            guard let connection = slots.pointer(slot) else { continue }
            connection.pointee.facts.insert(.isReleased)
            closePlace(slot, connection)
        }
        settings.deallocate()
        headerRoom.deallocate()
    }

    func context(_ now: Instant) -> TCPContext {
        TCPContext(now: now.nanoseconds &+ clockLead, settings: UnsafePointer(settings))
    }

    /// A time of TCP's own clock as the caller's.
    func instant(_ time: UInt64) -> Instant { Instant(nanoseconds: time &- clockLead) }

    /// TCP's own clock stands at `clock` when the caller's stands at `now`.
    func setClock(_ clock: UInt64, at now: Instant) { clockLead = clock &- now.nanoseconds }

    /// Keys that came along with connections. The table keeps its own.
    func take(_ secrets: TCPSecrets) { self.secrets = secrets }
}

/// What happened to segments, counted.
public struct TCPCounters: Equatable, Sendable {
    /// Segments that arrived.
    public var received: UInt64 = 0
    /// Segments that left.
    public var sent: UInt64 = 0
    /// Dropped: a header that cannot be, or a lying option.
    public var malformed: UInt64 = 0
    /// Segments whose checksum is wrong.
    public var badChecksum: UInt64 = 0
    /// Answered by RST: no such connection, or not acceptable.
    public var refused: UInt64 = 0
    /// SYNs dropped because a backlog or the table was full or memory was short.
    public var overflowed: UInt64 = 0
    /// SYNs answered without remembering them, because too many handshakes were open.
    public var cookies: UInt64 = 0
}

/// Connections that may have something to send by one interface, in turn; linked through `nextReady`.
struct ReadyList {
    var interface: InterfaceID
    var first = TCPLinks.none
    var last = TCPLinks.none
}

// MARK: after every input to a connection
extension TCPMachine {
    /// Brings lists, timers and storage in line with a connection that has just changed.
    func settle(_ slot: UInt32, _ context: TCPContext) {
        guard let connection = slots.pointer(slot) else { return }
        connection.pointee.settle(context)
        switch connection.pointee.state {
        case .closed: return finish(slot, connection)
        case .timeWait: closePlace(slot, connection)
        default: break
        }
        if !connection.pointee.facts.contains(.isReady), connection.pointee.mayHaveOutput {
            makeReady(slot, connection)
        }
        let deadline = connection.pointee.timers.next
        if deadline != TCPTimers.never { timers.schedule(slot, at: deadline) }
    }

    func makeReady(_ slot: UInt32, _ connection: UnsafeMutablePointer<TCPConnection>) {
        connection.pointee.facts.insert(.isReady)
        connection.pointee.links.nextReady = TCPLinks.none
        let list = readyList(connection.pointee.interface)
        if let last = slots.pointer(ready[list].last) {
            last.pointee.links.nextReady = slot
        } else {
            ready[list].first = slot
        }
        ready[list].last = slot
    }

    private func readyList(_ interface: InterfaceID) -> Int {
        if let index = ready.firstIndex(where: { $0.interface == interface }) { return index }
        ready.append(ReadyList(interface: interface))
        return ready.count - 1
    }

    /// Takes the connection whose turn it is out of a list.
    func popReady(_ list: Int) -> UInt32? {
        while true {
            let slot = ready[list].first
            guard let connection = slots.pointer(slot) else { return nil }
            ready[list].first = connection.pointee.links.nextReady
            if ready[list].first == TCPLinks.none { ready[list].last = TCPLinks.none }
            connection.pointee.facts.remove(.isReady)
            if connection.pointee.links.generation & 1 == 1 { return slot }
            slots.recycle(slot)
        }
    }

    /// Sorts everything that waits into the lists of the interfaces it now leaves by.
    func sortReadyLists() {
        var waiting: [UInt32] = []
        for list in ready.indices {
            while let slot = popReady(list) { waiting.append(slot) }
        }
        for slot in waiting {
            if let connection = slots.pointer(slot) { makeReady(slot, connection) }
        }
    }

    /// A connection has ended: everything but its name and unread bytes goes.
    private func finish(_ slot: UInt32, _ connection: UnsafeMutablePointer<TCPConnection>) {
        if connection.pointee.facts.contains(.isInTable) {
            connection.pointee.facts.remove(.isInTable)
            connections.remove(connection.pointee.key)
        }
        timers.remove(slot)
        if connection.pointee.facts.contains(.isOffered) { leaveDoor(slot, connection) }
        if connection.pointee.pending.contains(.reset) {
            loose.push(
                TCPLooseSegment(
                    reset: connection.pointee.key, interface: connection.pointee.interface,
                    sequence: connection.pointee.resetSequence,
                    acknowledgement: connection.pointee.receive.next.rawValue))
        }
        connection.pointee.pending = []
        if let id = connection.pointee.links.listener, !connection.pointee.facts.contains(.isQueued) {
            connection.pointee.links.listener = nil
            connection.pointee.facts.insert(.isReleased)
            if let index = openListener(id) { listeners[index].halfOpen -= 1 }
        }
        closePlace(slot, connection)
        if connection.pointee.facts.contains(.isReleased) { slots.remove(slot) }
    }

    /// Opens the storage for a connection that is about to have text; false: there is no place.
    func openPlace(_ slot: UInt32) -> Bool {
        guard let connection = slots.pointer(slot) else { return false }
        if connection.pointee.facts.contains(.hasPlace) { return true }
        let id = TCPSocketID(index: slot, generation: connection.pointee.links.generation)
        guard let room = storage.open(id) else { return false }
        connection.pointee.facts.insert(.hasPlace)
        connection.pointee.receive.room = max(0, room)
        connection.pointee.receive.capacity = max(0, room)
        return true
    }

    /// The storage gives up what the connection does not need any more in its state.
    func closePlace(_ slot: UInt32, _ connection: UnsafeMutablePointer<TCPConnection>) {
        guard connection.pointee.facts.contains(.hasPlace) else { return }
        // What was acknowledged last is dropped before the place goes: to a socket it would be text that nobody read.
        if connection.pointee.send.freed > 0 { storage.discard(connection.pointee.send.freed, of: Int(slot)) }
        connection.pointee.send.freed = 0
        let keepsUnread = !connection.pointee.facts.contains(.isReleased)
        if !storage.close(Int(slot), keepingUnread: keepsUnread) { connection.pointee.facts.remove(.hasPlace) }
    }
}
