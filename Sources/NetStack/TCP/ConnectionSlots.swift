// Where connections live: one array that doubles, changed in place through its address. An address
// is good only until the next connection is made.

/// Slots of connections. A generation is odd while its slot is in use, so that a name of the past
/// never matches.
final class ConnectionSlots {
    @exclusivity(unchecked) private var base: UnsafeMutablePointer<TCPConnection>
    private var capacity = 64
    /// Slots below this were used at least once.
    @exclusivity(unchecked) private(set) var used = 0
    @exclusivity(unchecked) private(set) var count = 0
    private var free: [UInt32] = []

    init() { base = .allocate(capacity: 64) }

    deinit { base.deallocate() }

    /// The connection in a slot; nil when the slot never was in use.
    @inline(__always) func pointer(_ slot: UInt32) -> UnsafeMutablePointer<TCPConnection>? {
        slot < UInt32(truncatingIfNeeded: used) ? base + Int(slot) : nil
    }

    /// The connection with this name.
    @inline(__always) func find(_ id: TCPSocketID) -> UnsafeMutablePointer<TCPConnection>? {
        guard let pointer = pointer(id.index), pointer.pointee.links.generation == id.generation else { return nil }
        return pointer
    }

    func isInUse(_ slot: UInt32) -> Bool {
        pointer(slot).map { $0.pointee.links.generation & 1 == 1 } ?? false
    }

    func add(_ connection: TCPConnection) -> TCPSocketID {
        var connection = connection
        count &+= 1
        if let slot = free.popLast(), let pointer = pointer(slot) {
            connection.links.generation = pointer.pointee.links.generation &+ 1
            pointer.pointee = connection
            return TCPSocketID(index: slot, generation: connection.links.generation)
        }
        if used == capacity { grow() }
        connection.links.generation = 1
        (base + used).initialize(to: connection)
        used &+= 1
        return TCPSocketID(index: UInt32(truncatingIfNeeded: used &- 1), generation: 1)
    }

    /// Puts a connection, or a slot that is free, behind the last one; the generation says which. Returns its slot.
    func restore(_ connection: TCPConnection) -> UInt32 {
        if used == capacity { grow() }
        (base + used).initialize(to: connection)
        used &+= 1
        let slot = UInt32(truncatingIfNeeded: used &- 1)
        if connection.links.generation & 1 == 1 { count &+= 1 } else { free.append(slot) }
        return slot
    }

    private func grow() {
        let larger = UnsafeMutablePointer<TCPConnection>.allocate(capacity: capacity &* 2)
        larger.moveInitialize(from: base, count: used)
        base.deallocate()
        base = larger
        capacity &*= 2
    }

    /// Ends a slot's use. While it is linked in a ready list it waits to be `recycle`d.
    func remove(_ slot: UInt32) {
        guard isInUse(slot), let pointer = pointer(slot) else { return }
        pointer.pointee.links.generation &+= 1
        count &-= 1
        if !pointer.pointee.facts.contains(.isReady) { free.append(slot) }
    }

    /// The slot of a removed connection has left its ready list.
    func recycle(_ slot: UInt32) { free.append(slot) }
}
