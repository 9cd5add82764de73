// From the endpoints of a segment to the connection: open addressing with linear probing, no
// allocation per lookup, keyed hash so that a peer cannot choose collisions.

/// Both endpoints of a connection.
struct TCPKey: Hashable {
    /// Local address in the upper half, remote in the lower.
    var addresses: UInt64
    /// Local port in the upper half, remote in the lower.
    var ports: UInt32

    init(local: Endpoint, remote: Endpoint) {
        addresses = UInt64(local.address.rawValue) << 32 | UInt64(remote.address.rawValue)
        ports = UInt32(local.port) << 16 | UInt32(remote.port)
    }

    var local: Endpoint {
        Endpoint(
            IPv4Address(rawValue: UInt32(truncatingIfNeeded: addresses >> 32)),
            UInt16(truncatingIfNeeded: ports >> 16))
    }
    var remote: Endpoint {
        Endpoint(
            IPv4Address(rawValue: UInt32(truncatingIfNeeded: addresses)), UInt16(truncatingIfNeeded: ports))
    }
}

/// Maps endpoints to slots.
final class ConnectionTable {
    private struct Entry {
        var addresses: UInt64 = 0
        var ports: UInt32 = 0
        /// One more than the slot; 0: empty.
        var mark: UInt32 = 0
    }

    private let secrets: TCPSecrets
    @exclusivity(unchecked) private var entries: UnsafeMutablePointer<Entry>
    @exclusivity(unchecked) private var mask: Int
    private(set) var count = 0

    init(secrets: TCPSecrets) {
        self.secrets = secrets
        mask = 63
        entries = Self.allocate(64)
    }

    deinit { entries.deallocate() }

    private static func allocate(_ n: Int) -> UnsafeMutablePointer<Entry> {
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: n)
        entries.initialize(repeating: Entry(), count: n)
        return entries
    }

    func find(_ key: TCPKey) -> UInt32? {
        let at = position(key)
        return entries[at].mark == 0 ? nil : entries[at].mark &- 1
    }

    /// Where the key is, or the empty place where it would go. At most half of the places are taken.
    private func position(_ key: TCPKey) -> Int {
        var at = secrets.bucket(key) & mask
        while entries[at].mark != 0, entries[at].addresses != key.addresses || entries[at].ports != key.ports {
            at = (at &+ 1) & mask
        }
        return at
    }

    /// The key must not be in the table.
    func insert(_ key: TCPKey, slot: UInt32) {
        if (count &+ 1) &* 2 > mask { grow() }
        entries[position(key)] = Entry(addresses: key.addresses, ports: key.ports, mark: slot &+ 1)
        count &+= 1
    }

    private func grow() {
        let old = entries
        let oldCount = mask &+ 1
        entries = Self.allocate(oldCount &* 2)
        mask = oldCount &* 2 &- 1
        for i in 0..<oldCount where old[i].mark != 0 { entries[position(key(of: old[i]))] = old[i] }
        old.deallocate()
    }

    private func key(of entry: Entry) -> TCPKey {
        var key = TCPKey(local: Endpoint(.any, 0), remote: Endpoint(.any, 0))
        key.addresses = entry.addresses
        key.ports = entry.ports
        return key
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
            } while isBetween(secrets.bucket(self.key(of: entries[at])) & mask, gap, at)
            entries[gap] = entries[at]
            gap = at
        }
    }

    /// Whether `home` lies in the circular range after `gap` up to `at`: then the entry stays.
    private func isBetween(_ home: Int, _ gap: Int, _ at: Int) -> Bool {
        gap <= at ? gap < home && home <= at : gap < home || home <= at
    }
}
