// Ids and MAC addresses as QEMU hands them out: `#netNNN`, and the first free of 52:54:00:12:34:56
// and up.

import Link

/// Hands out what the user did not name. One value for the life of the program.
public struct NICNumbering: Sendable {
    private static let firstMAC = MACAddress(0x52, 0x54, 0x00, 0x12, 0x34, 0x56)
    private var usedSuffixes: Set<UInt8> = []
    private var generatedIDs = 0

    /// No card yet.
    public init() {}

    /// Marks an explicit address as taken.
    public mutating func reserve(_ mac: MACAddress) {
        guard mac.rawValue >> 8 == Self.firstMAC.rawValue >> 8 else { return }
        usedSuffixes.insert(mac[5])
    }

    /// A card with this address has gone.
    public mutating func release(_ mac: MACAddress) {
        guard mac.rawValue >> 8 == Self.firstMAC.rawValue >> 8 else { return }
        usedSuffixes.remove(mac[5])
    }

    /// The next free address; the last of the range is given out again when all are taken, as in QEMU.
    public mutating func nextMAC() -> MACAddress {
        let suffix = (Self.firstMAC[5]...0xfe).first { !usedSuffixes.contains($0) } ?? 0xff
        usedSuffixes.insert(suffix)
        return MACAddress(rawValue: Self.firstMAC.rawValue & ~0xff | UInt64(suffix))
    }

    /// An id for a back-end without one: a counter and two random digits, `#net004`.
    public mutating func netID(random: UInt8) -> String {
        let digits = Int(random % 100)
        defer { generatedIDs += 1 }
        return "#net\(generatedIDs)\(digits < 10 ? "0" : "")\(digits)"
    }
}
