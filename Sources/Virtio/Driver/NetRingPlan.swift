// How much guest RAM a driver's rings take, decided before a driver starts: sizes of the two
// queues, of a receive buffer, of a transmit slot. Slots are made for the largest frame the NIC
// will ever carry, so an MTU learnt later by DHCP needs no new rings.

/// Sizes of a network driver's queues and buffers.
struct NetRingPlan: Equatable, Sendable {
    /// Entries; powers of two.
    var receiveSize: UInt16
    var transmitSize: UInt16
    /// Bytes of a receive buffer, virtio header included.
    var bufferSize: Int
    /// Bytes of a transmit slot, virtio header included.
    var slotSize: Int
    /// The largest IP packet that fits a slot.
    var maximumMTU: Int

    /// Ethernet and virtio-net headers before an IP packet.
    static let headers = 14 + NetHeader.size
    /// 65535 less what makes IP packets end on a multiple of 16: what passt and Linux's lo use.
    static let largestMTU = 65520
    static let smallestMTU = 1500

    /// What is known before a plan is made.
    struct Facts {
        /// The device's largest queue sizes.
        var receiveLimit: UInt16
        var transmitLimit: UInt16
        /// From the configuration space; nil when the device does not say.
        var mtu: UInt16?
        /// Frames may span receive buffers (VIRTIO_NET_F_MRG_RXBUF).
        var isMergeable: Bool
        /// Bytes of guest RAM that may be used for the buffers of each direction.
        var budget: Int
    }

    init(_ facts: Facts) {
        let wanted = facts.mtu.map { max(68, min(Int($0), Self.largestMTU)) } ?? Self.largestMTU
        var mtu = wanted
        // At least 16 slots: below that, a smaller MTU serves better than fewer frames.
        if (mtu + Self.headers) * 16 > facts.budget { mtu = min(wanted, Self.smallestMTU) }
        maximumMTU = mtu
        slotSize = mtu + Self.headers
        transmitSize = Self.entries(of: slotSize, within: facts.budget, limit: min(facts.transmitLimit, 1024))
        if facts.isMergeable {
            receiveSize = facts.receiveLimit
            // A 64 KiB frame in few buffers, all buffers in a few MiB: they are used in turn, and a
            // smaller round stays in the cache.
            let share = min(facts.budget, 4 << 20) / max(1, Int(facts.receiveLimit))
            bufferSize = min(max(2048, share & ~2047), 65536)
            while Int(receiveSize) * bufferSize > max(facts.budget, 32768), receiveSize > 16 { receiveSize /= 2 }
        } else {
            bufferSize = mtu + Self.headers
            receiveSize = Self.entries(of: bufferSize, within: facts.budget, limit: facts.receiveLimit)
        }
    }

    /// The largest power of two of entries of `bytes` each that `budget` pays for; at least 2.
    private static func entries(of bytes: Int, within budget: Int, limit: UInt16) -> UInt16 {
        var count = max(1, limit)
        while count > 2, Int(count) * bytes > budget { count /= 2 }
        return count
    }
}
