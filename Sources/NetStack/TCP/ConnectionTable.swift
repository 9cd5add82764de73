// From the endpoints of a segment to the connection: open addressing with linear probing, no allocation per lookup, keyed
// hash so that a peer cannot choose collisions. A place holds hash and slot; the endpoints lie in the connection itself.

/// Both endpoints of a connection.
struct TCPKey: Hashable {
    var local: Endpoint
    var remote: Endpoint
}

/// Maps endpoints to slots.
final class ConnectionTable {
    private struct Entry {
        var hash: UInt32 = 0
        /// One more than the slot; 0: empty.
        var mark: UInt32 = 0
    }

    private let secrets: TCPSecrets
    private let slots: ConnectionSlots
    @exclusivity(unchecked) private var entries: UnsafeMutablePointer<Entry>
    @exclusivity(unchecked) private var mask: Int
    private(set) var count = 0
    /// What was found last: segments of one connection come in rows.
    @exclusivity(unchecked) private var last: UInt32 = 0

    /// - Parameter slots: where the connections are whose slots will be entered.
    init(secrets: TCPSecrets, slots: ConnectionSlots) {
        self.secrets = secrets
        self.slots = slots
        mask = 63
        entries = Self.allocate(64)
    }

    deinit { entries.deallocate() }

    private static func allocate(_ n: Int) -> UnsafeMutablePointer<Entry> {
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: n)
        entries.initialize(repeating: Entry(), count: n)
        return entries
    }

    @inline(__always) func find(_ key: TCPKey) -> UInt32? {
        if let connection = slots.pointer(last), connection.pointee.facts.contains(.isInTable),
            connection.pointee.key == key
        {
            return last
        }
        return search(key)
    }

    private func search(_ key: TCPKey) -> UInt32? {
        let at = position(key)
        guard entries[at].mark != 0 else { return nil }
        last = entries[at].mark &- 1
        return last
    }

    /// Where the key is, or the empty place where it would go. At most half of the places are taken.
    private func position(_ key: TCPKey) -> Int {
        let hash = secrets.bucket(key)
        var at = Int(hash) & mask
        while entries[at].mark != 0, entries[at].hash != hash || !isIn(entries[at].mark &- 1, key) {
            at = (at &+ 1) & mask
        }
        return at
    }

    private func isIn(_ slot: UInt32, _ key: TCPKey) -> Bool { slots.pointer(slot)?.pointee.key == key }

    /// The key must not be in the table; `slot` holds a connection with that key until it is removed.
    func insert(_ key: TCPKey, slot: UInt32) {
        if (count &+ 1) &* 2 > mask { grow() }
        place(Entry(hash: secrets.bucket(key), mark: slot &+ 1))
        count &+= 1
    }

    private func place(_ entry: Entry) {
        var at = Int(entry.hash) & mask
        while entries[at].mark != 0 { at = (at &+ 1) & mask }
        entries[at] = entry
    }

    private func grow() {
        let old = entries
        let oldCount = mask &+ 1
        entries = Self.allocate(oldCount &* 2)
        mask = oldCount &* 2 &- 1
        for i in 0..<oldCount where old[i].mark != 0 { place(old[i]) }
        old.deallocate()
    }

    /// Takes the key out and closes the gap, so that no search ends early.
    func remove(_ key: TCPKey) {
        var gap = position(key)
        guard entries[gap].mark != 0 else { return }
        count &-= 1
        var at = gap
        while true {
            entries[gap] = Entry()
            repeat {
                at = (at &+ 1) & mask
                if entries[at].mark == 0 { return }
            } while isBetween(Int(entries[at].hash) & mask, gap, at)
            entries[gap] = entries[at]
            gap = at
        }
    }

    /// Whether `home` lies in the circular range after `gap` up to `at`: then the entry stays.
    private func isBetween(_ home: Int, _ gap: Int, _ at: Int) -> Bool {
        gap <= at ? gap < home && home <= at : gap < home || home <= at
    }
}
